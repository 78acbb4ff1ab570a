"""Noise: the grain that a sensor, film or a high ISO leaves all over a picture."""

from __future__ import annotations

from cleanplate.tasks.taskinfo import Option, TaskInfo

INFO = TaskInfo(
    name="denoise",
    summary="Take noise off photographs.",
    make="cleanplate.tasks.denoise.task:Denoise",
    roles=("restorer",),
    options=(
        Option(
            "strength",
            1.0,
            between=(0, 2),
            help="What the estimated noise is multiplied by; more smooths more.",
        ),
        Option(
            "keep_grain",
            0.0,
            between=(0, 1),
            help="Share of the noisy picture that is mixed back in.",
        ),
        Option(
            "method",
            "model",
            kind="choice",
            choices=("model", "bilateral", "nlm"),
            help="A model, or a classical filter: bilateral, or non-local means.",
        ),
    ),
    whole=True,
)
