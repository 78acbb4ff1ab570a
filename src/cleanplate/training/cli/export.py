"""`cleanplate export`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cleanplate.errors import UsageError
from cleanplate.training.cli.shared import new_parser

if TYPE_CHECKING:
    from cleanplate.training.data.layouts import Pair


OWN = {"format", "name", "file", "sha256", "inputs", "outputs", "multiple", "recipe"}
"""Fields of a card that follow from the checkpoint and the file."""


def run(arguments: list[str]) -> int:
    """Write a checkpoint as ONNX with its card."""
    parser = new_parser("export", "Turn a checkpoint into an ONNX model with its card.")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="NAME.onnx")
    parser.add_argument("--float32", action="store_true", help="do not halve the weights' size")
    parser.add_argument(
        "--average-with",
        metavar="MODEL",
        help="what it was trained on from: the weights go half way back to that",
    )
    parser.add_argument(
        "--int8", choices=("weights", "static"), help="8-bit integers (see --pairs)"
    )
    parser.add_argument(
        "--pairs",
        type=Path,
        metavar="PAIRS",
        help="pairs that --int8 must do well on: a list in their folder, or the folder, of whose "
        "pairs those of validation.txt count where that is there",
    )
    parser.add_argument("--task", help="what the model is for (watermark)")
    parser.add_argument("--tile", type=int, help="longest side to run at once (512)")
    parser.add_argument("--licence", help="of the weights, an SPDX name")
    parser.add_argument("--source", help="what it was trained on")
    parser.add_argument("--terms", help="of what it was trained on")
    parser.add_argument(
        "--card",
        type=Path,
        help="another model's card, or a JSON file with further fields of one",
    )
    given = parser.parse_args(arguments)
    if (given.source is None) != (given.terms is None):
        raise UsageError("--source and --terms go together.")
    if (given.int8 is None) != (given.pairs is None):
        raise UsageError("--int8 and --pairs go together: it is kept only where it does as well.")
    fields = _read_fields(given.card) if given.card else {}
    fields |= {
        name: value
        for name in ("task", "tile", "licence")
        if (value := getattr(given, name)) is not None
    }
    if given.source is not None:
        fields["data"] = [{"source": given.source, "terms": given.terms}]
    from cleanplate.training.export import export_checkpoint

    fields["average"] = given.average_with
    if given.int8 is None:
        export_checkpoint(given.checkpoint, given.out, float16=not given.float32, **fields)
    else:
        print(_export_int8(given, fields))
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.1f} MB, card beside it.")
    return 0


def _export_int8(given: argparse.Namespace, fields: dict[str, Any]) -> str:
    """Export to a folder of its own, then keep the 8-bit form; returns what was measured."""
    from cleanplate.training.export import export_checkpoint
    from cleanplate.training.int8 import keep_int8

    pairs = _pairs(given.pairs)
    with TemporaryDirectory() as folder:
        exact = Path(folder) / given.out.name
        export_checkpoint(given.checkpoint, exact, float16=False, **fields)
        return keep_int8(exact, given.out, given.int8, pairs)


def _pairs(path: Path) -> list[Pair]:
    """Return the pairs of a list in their folder; of a folder, those kept for validation."""
    from cleanplate.training.data.layouts import select, survey_any

    listing = path if path.is_file() else path / "validation.txt"
    return select(survey_any(listing.parent), listing.name if listing.is_file() else None)


def _read_fields(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as fields of a card: {error}.") from error
    if not isinstance(fields, dict):
        raise UsageError(f"{path} must hold a JSON object, the fields of a card.")
    return {name: value for name, value in fields.items() if name not in OWN}
