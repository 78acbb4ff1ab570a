"""`cleanplate synthesise`."""

from __future__ import annotations

import argparse
from pathlib import Path

from cleanplate.training.cli.shared import (
    add_workers,
    at_least,
    new_parser,
    share,
    tally,
    tell,
    track,
)

SOURCES = {
    "backgrounds": "folders of clean pictures",
    "fonts": "folders of fonts",
    "logos": "folders of logos, grey PNG read as opacity",
    "cutouts": "folders of hands and heads, as `cleanplate prepare cutouts` writes them",
    "pens": "folders of handwriting fonts",
    "strokes": "folders of recorded pen strokes",
    "surfaces": "folders of pictures that pages lie on",
}
KINDS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    # what it is, the sources it needs, those it takes besides
    "watermark": ("text and logos over pictures", ("backgrounds", "fonts", "logos"), ()),
    "occlusion": (
        "hands and heads before pages",
        ("cutouts",),
        ("backgrounds", "fonts", "surfaces"),
    ),
    "handwriting": (
        "handwriting on pages",
        ("pens",),
        ("strokes", "backgrounds", "fonts", "surfaces"),
    ),
    "pages": ("clean pages: articles, tables, forms, exam papers", ("fonts",), ("surfaces",)),
    "noise": ("pictures with a camera's noise", ("backgrounds",), ()),
    "raw": ("RAW planes with a sensor's noise", ("backgrounds",), ()),
}


def run(arguments: list[str]) -> int:
    """Write pairs of a kind."""
    parser = new_parser("synthesise", "Make pairs whose truth is known: input/, target/, mask/.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, (summary, needed, more) in KINDS.items():
        step = kinds.add_parser(kind, help=summary, description=summary, allow_abbrev=False)
        step.add_argument("out", type=Path, help="folder of the pairs")
        step.add_argument("--count", type=at_least(1), required=True, metavar="N")
        step.add_argument("--seed", type=at_least(0), default=0)
        step.add_argument("--size", type=at_least(64), default=1024, help="longer side (1024)")
        if kind != "raw":
            step.add_argument("--jpeg", type=share, default=0.3, help="share through JPEG (0.3)")
        for name in (*needed, *more):
            step.add_argument(
                f"--{name}",
                nargs="+",
                metavar="DIR",
                default=(),
                required=name in needed,
                help=SOURCES[name],
            )
        add_workers(step)
    given = parser.parse_args(arguments)
    return _synthesise(given)


def _synthesise(given: argparse.Namespace) -> int:
    from cleanplate.training.data.synthesis.sources import Settings
    from cleanplate.training.data.synthesis.writing import synthesise

    settings = Settings(
        kind=given.kind,
        seed=given.seed,
        size=given.size,
        jpeg=getattr(given, "jpeg", 0.0),
        **{name: tuple(getattr(given, name, ())) for name in SOURCES},
    )
    made = synthesise(settings, given.out, given.count, given.workers)
    return tell(tally(track(made, given.count, "pairs")), f"{given.out}: ", "pairs")
