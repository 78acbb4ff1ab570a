"""Cut-outs: people and what they wear, taken off their background."""

from __future__ import annotations

from cleanplate.tasks.taskinfo import Option, Options, TaskInfo

CLASSES = ("person", "garment", "hair", "skin", "accessory")
EDGES = ("fine", "soft", "none")


def _png(suffix: str, options: Options) -> str:
    return ".png"


INFO = TaskInfo(
    name="cutout",
    summary="Take people, or what they wear, off their background.",
    make="cleanplate.tasks.cutout.task:Cutout",
    roles=("locator",),
    mask="optional",
    options=(
        Option("classes", ("person",), kind="list", choices=CLASSES, help="What is kept."),
        Option("edge", "fine", kind="choice", choices=EDGES, help="How its edge is drawn."),
        Option(
            "background",
            kind="text",
            help="What to lay it on: white, #rrggbb or a picture; without it, transparency.",
        ),
        Option("mask_only", kind="flag", default=False, help="Write the mask in its place."),
        Option("crop", kind="flag", default=False, help="Cut the picture down to what is kept."),
        Option("threshold", between=(0, 1), help="How sure to be of a find; lower finds more."),
    ),
    output=_png,
    documents=False,
    share="kept",
)
