"""Watermarks: text, logos and patterns laid over a picture, mostly half transparent."""

from __future__ import annotations

from cleanplate.tasks.taskinfo import Option, TaskInfo

INFO = TaskInfo(
    name="watermark",
    summary="Take watermarks, logos and stamps off pictures.",
    make="cleanplate.tasks.watermark.task:make",
    roles=("locator", "filler", "eraser"),
    mask="optional",
    marks=True,
    options=(
        Option("threshold", between=(0, 1), help="How sure to be of a find; lower finds more."),
        Option(
            "opaque",
            False,
            kind="flag",
            help="Fill in what nothing shows through, such as date stamps, and what --mask names.",
        ),
        Option("mark", kind="path", help="The mark itself: from learn-mark, or a logo with alpha."),
    ),
)
