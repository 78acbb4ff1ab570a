"""Noise: the grain that a sensor, film or a high ISO leaves all over a picture."""

from __future__ import annotations

from cleanplate.tasks.taskinfo import Option, Options, TaskInfo

PATTERNS = ("RGGB", "GRBG", "GBRG", "BGGR")  # of mosaics
DEVELOPED = {"tiff": ".tif", "jpeg": ".jpg"}


def _output(suffix: str, options: Options) -> str:
    """Turn RAW files into DNGs, or into what they are developed to; others keep their suffix."""
    from cleanplate.picture import RAW_SUFFIXES  # brings numpy

    if suffix not in RAW_SUFFIXES:
        return suffix
    return DEVELOPED.get(str(options["develop"]), ".dng")


INFO = TaskInfo(
    name="denoise",
    summary="Take noise off photographs and RAW files.",
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
        Option(
            "ensemble",
            kind="flag",
            default=False,
            help="Average over the picture's eight flips and turns: better, eight times as slow.",
        ),
        Option(
            "develop",
            kind="choice",
            choices=tuple(DEVELOPED),
            help="RAW: develop the result, in the place of a DNG.",
        ),
        Option("black", between=(0, 65535), help="RAW: the level of no light (the file's own)."),
        Option("white", between=(0, 65535), help="RAW: the level of full light (the file's own)."),
        Option("pattern", kind="choice", choices=PATTERNS, help="RAW: the pattern of an array."),
    ),
    output=_output,
    whole=True,
    raw=True,
)
