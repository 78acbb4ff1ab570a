"""The training floor's verbs. Arguments and messages only.

`main(verb, arguments)` returns the exit status and raises CleanplateError for the caller to tell.
Each verb imports what it needs: preparing and evaluating work without torch.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cleanplate.errors import UsageError

if TYPE_CHECKING:
    from cleanplate.training.data.layouts import Pair, Survey
    from cleanplate.training.evaluate import Score

T = TypeVar("T")
SHEET_ROWS = 20


def main(verb: str, arguments: Sequence[str]) -> int:
    """Run one verb; 0 is success, 1 a finding (faulty pairs), 2 wrong arguments."""
    verbs = {
        "train": _train,
        "evaluate": _evaluate,
        "export": _export,
        "networks": _networks,
        "prepare": _prepare,
    }
    if verb not in verbs:
        raise UsageError(f"There is no verb {verb!r}; there are: {', '.join(verbs)}.")
    try:
        return verbs[verb](list(arguments))
    except SystemExit as end:  # argparse has said what it had to say
        return end.code if isinstance(end.code, int) else 2


# --------------------------------------------------------------------- train


def _train(arguments: list[str]) -> int:
    parser = _parser("train", "Train a model by a recipe; any further option goes to Lightning.")
    parser.epilog = "Such as --trainer.max_epochs=3 --data.init_args.batch_size=4 --print_config."
    parser.add_argument("recipe", help="name of a recipe, or a YAML file")
    parser.add_argument("--data", metavar="DIR", help="folder of the training data")
    parser.add_argument("--run", metavar="DIR", help="checkpoints and curves (runs/RECIPE)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    given, overrides = parser.parse_known_args(arguments)
    from cleanplate.training.train import train

    folder = train(given.recipe, overrides, data=given.data, run=given.run, resume=given.resume)
    if folder is not None:
        print(f"Checkpoints, curves and sheets are in {folder}.")
    return 0


# -------------------------------------------------------------------- export


def _export(arguments: list[str]) -> int:
    parser = _parser("export", "Turn a checkpoint into an ONNX model with its card.")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="NAME.onnx")
    parser.add_argument("--float32", action="store_true", help="do not halve the weights' size")
    parser.add_argument("--task", help="what the model is for (watermark)")
    parser.add_argument("--tile", type=int, help="longest side to run at once (512)")
    parser.add_argument("--licence", help="of the weights, an SPDX name")
    parser.add_argument("--source", help="what it was trained on")
    parser.add_argument("--terms", help="of what it was trained on")
    parser.add_argument("--card", type=Path, help="JSON file with further fields of the card")
    given = parser.parse_args(arguments)
    if (given.source is None) != (given.terms is None):
        raise UsageError("--source and --terms go together.")
    fields = _read_fields(given.card) if given.card else {}
    fields |= {
        name: value
        for name in ("task", "tile", "licence")
        if (value := getattr(given, name)) is not None
    }
    if given.source is not None:
        fields["data"] = [{"source": given.source, "terms": given.terms}]
    from cleanplate.training.export import export_checkpoint

    export_checkpoint(given.checkpoint, given.out, float16=not given.float32, **fields)
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.1f} MB, card beside it.")
    return 0


def _read_fields(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as fields of a card: {error}.") from error
    if not isinstance(fields, dict):
        raise UsageError(f"{path} must hold a JSON object, the fields of a card.")
    return fields


# ------------------------------------------------------------------ networks


def _networks(arguments: list[str]) -> int:
    parser = _parser("networks", "List the architectures and what they cost at full width.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--measure", action="store_true", help="time each on this CPU, too")
    parser.add_argument("--side", type=int, default=256, help="of the square input (256)")
    given = parser.parse_args(arguments)
    from cleanplate.training.networks.table import rows

    print(f"{'network':30s} {'million':>8s} {'kMAC/px':>8s} {'s/MP':>7s}  outputs")
    for row in rows(given.names or None, given.side, given.measure):
        timed = "-" if row.seconds_per_megapixel is None else f"{row.seconds_per_megapixel:.2f}"
        print(
            f"{row.name:30s} {row.parameters / 1e6:8.2f} {row.macs_per_pixel / 1e3:8.1f} "
            f"{timed:>7s}  {', '.join(row.outputs)}",
            flush=True,
        )
    return 0


# ------------------------------------------------------------------ evaluate


def _evaluate(arguments: list[str]) -> int:
    parser = _parser("evaluate", "Measure a task on pairs: PSNR, MS-SSIM, masks, time.")
    _add_pairs(parser)
    parser.add_argument("--task", default="watermark")
    parser.add_argument("--model", action="append", default=[], metavar="ROLE=MODEL")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--csv", type=Path, help="a row a picture, and the means")
    parser.add_argument("--sheet", type=Path, help=f"picture of the first {SHEET_ROWS} (PNG)")
    given = parser.parse_args(arguments)
    from cleanplate import tasks

    options = {"device": given.device, "threads": given.threads, **tasks.by_role(given.model)}
    if given.threshold is not None:
        options["threshold"] = given.threshold
    from cleanplate.batch import write_all
    from cleanplate.training import evaluate

    pairs = _pairs(given)
    task = tasks.create(given.task, **options)
    scores: list[Score] = []
    rows: list[Score] = []
    for score in _track(evaluate.evaluate(pairs, task), len(pairs), "pictures"):
        scores.append(evaluate.without_pictures(score))
        if given.sheet and len(rows) < SHEET_ROWS:
            rows.append(score)
    if given.csv:
        write_all({given.csv: evaluate.to_csv(scores)})
    if given.sheet:
        evaluate.draw(given.sheet, rows)
    for name, value in evaluate.means(scores).items():
        print(f"{name:12s} {'-' if math.isnan(value) else f'{value:.4f}'}")
    print(f"{'pictures':12s} {len(scores)}")
    return 0


# ------------------------------------------------------------------- prepare


def _prepare(arguments: list[str]) -> int:
    parser = _parser("prepare", "Make a training set from a folder of pairs.")
    verbs = parser.add_subparsers(dest="step", required=True)
    _step(verbs, "check", "name unreadable, unequal, partnerless and blank files", _check)
    _step(verbs, "masks", "make the masks of pairs that have none", _masks)
    _step(verbs, "thin", "list at most N versions of each clean picture", _thin)
    _step(verbs, "split", "list training and validation pairs, by clean picture", _split)
    options = verbs.choices
    options["check"].add_argument("--list", help="file for the names of the sound pairs")
    for step in ("check", "masks"):
        options[step].add_argument("--threshold", type=int, default=5, help="of 255 (5)")
    options["thin"].add_argument("--versions", type=int, required=True, metavar="N")
    options["thin"].add_argument("--out", help="list file (thin-N.txt)")
    options["split"].add_argument("--validation", type=float, default=0.05, metavar="SHARE")
    for step in ("thin", "split"):
        options[step].add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    call: Callable[[argparse.Namespace], int] = given.call
    return call(given)


def _check(given: argparse.Namespace) -> int:
    from cleanplate.training.data import curation
    from cleanplate.training.data.files import PairFiles

    found = _survey(given)
    sound, faults = [], 0
    checked = curation.check(found, PairFiles(found.pairs).read, given.threshold)
    for pair, fault in _track(checked, len(found.pairs) + len(found.orphans), "files"):
        if fault is not None:
            faults += 1
            print(fault)
        elif pair is not None:
            sound.append(pair)
    if given.list:
        curation.write_list(found.folder / given.list, sound)
    print(f"{len(sound)} sound pairs, {faults} faults.")
    return 1 if faults else 0


def _masks(given: argparse.Namespace) -> int:
    from cleanplate.training.data import curation
    from cleanplate.training.data.files import PairFiles

    pairs = _pairs(given)
    read = PairFiles(pairs).read
    written = curation.write_masks(pairs, read, given.threshold)
    count = sum(_track(written, len(pairs), "masks"))
    print(f"{count} masks made, {len(pairs) - count} were there.")
    return 0


def _thin(given: argparse.Namespace) -> int:
    from cleanplate.training.data import curation

    if given.versions < 1:
        raise UsageError("--versions must be 1 or more.")
    pairs = _pairs(given)
    kept = curation.thin(pairs, given.versions, given.seed)
    out = given.folder / (given.out or f"thin-{given.versions}.txt")
    curation.write_list(out, kept)
    print(f"{out}: {len(kept)} of {len(pairs)} pairs.")
    return 0


def _split(given: argparse.Namespace) -> int:
    from cleanplate.training.data import curation

    if not 0 < given.validation < 1:
        raise UsageError("--validation must lie between 0 and 1.")
    parts = curation.divide(_pairs(given), given.validation, given.seed)
    if not all(parts):
        raise UsageError(f"{given.folder} has one clean picture only; a split needs two.")
    for name, part in zip(("train.txt", "validation.txt"), parts, strict=True):
        curation.write_list(given.folder / name, part)
        print(f"{given.folder / name}: {len(part)} pairs.")
    return 0


# -------------------------------------------------------------------- shared


def _parser(verb: str, summary: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(f"cleanplate {verb}", description=summary, allow_abbrev=False)


def _step(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    call: Callable[[argparse.Namespace], int],
) -> None:
    parser = verbs.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    _add_pairs(parser)
    parser.set_defaults(call=call)


def _add_pairs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder of pairs")
    parser.add_argument("--pairs", metavar="LIST", help="only the pairs named in this file")
    parser.add_argument("--versions-folder", metavar="NAME", help="where versions lie")


def _survey(given: argparse.Namespace) -> Survey:
    from cleanplate.training.data.layouts import Survey, select, survey

    found = survey(given.folder, given.versions_folder)
    if given.pairs:
        return Survey(found.folder, select(found, given.pairs), [])
    return found


def _pairs(given: argparse.Namespace) -> list[Pair]:
    from cleanplate.training.data.layouts import select

    return select(_survey(given), None)


def _track(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """A progress bar on standard error where that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(items, what, total=total, console=console, disable=not console.is_terminal)
