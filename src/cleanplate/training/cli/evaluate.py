"""`cleanplate evaluate`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleanplate.errors import UsageError
from cleanplate.training.cli.shared import above_zero, add_pairs, new_parser, pairs_of, track

if TYPE_CHECKING:
    from cleanplate.training.evaluate import Score

SHEET_ROWS = 20


def run(arguments: list[str]) -> int:
    """Print the figures of a task on pairs."""
    parser = new_parser("evaluate", "Measure a task or a model on pairs: PSNR, SSIM, masks, time.")
    add_pairs(parser)
    parser.add_argument("--task", default="watermark")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="ROLE=MODEL",
        help="a model of the task, or a checkpoint (.ckpt); MODEL alone, without a role, is "
        "measured by itself",
    )
    parser.add_argument(
        "--method",
        choices=("model", "bilateral"),
        default="model",
        help="RAW pairs: the bilateral filter in the place of a model",
    )
    parser.add_argument(
        "--limit", type=float, default=8.0, metavar="MIB", help="of a model's size in MiB (8)"
    )
    parser.add_argument(
        "--seconds", type=above_zero, metavar="S", help="limit of a picture's seconds"
    )
    parser.add_argument("--threshold", type=float)
    parser.add_argument(
        "--ensemble",
        action="store_true",
        help="mean over flips and turns, of a model alone or a task that can (denoise)",
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another option of the task, such as classes=garment",
    )
    parser.add_argument(
        "--ocr", action="store_true", help="read the print on cleaned and true pages, and compare"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--csv", type=Path, help="a row a picture, and the means")
    parser.add_argument(
        "--sheet", type=Path, help=f"the {SHEET_ROWS} worst and best pictures (PNG), worst first"
    )
    given = parser.parse_args(arguments)
    from cleanplate import tasks
    from cleanplate.training import evaluate
    from cleanplate.training.ocr import Reader
    from cleanplate.training.raw_model import RawFilter
    from cleanplate.training.unexported import as_models
    from cleanplate.writing import write_all

    options: dict[str, Any] = {"device": given.device, "threads": given.threads}
    if given.ensemble:
        options["ensemble"] = True
    if given.threshold is not None:
        options["threshold"] = given.threshold
    options.update(named(one) for one in given.option)
    pairs = pairs_of(given)
    alone = given.method == "model" and len(given.model) == 1 and "=" not in given.model[0]
    with as_models(given.model) as chosen:
        task = (
            RawFilter()
            if given.method == "bilateral"
            else evaluate.open_task(given.task, chosen, **options)
        )
        size = _size(chosen[0], given.limit) if alone else ""
    masked = tasks.info(given.task).mask == "required"
    scores: list[Score] = []
    extremes = evaluate.Extremes(SHEET_ROWS)
    measured = evaluate.evaluate(pairs, task, masked=masked, reader=Reader() if given.ocr else None)
    for score in track(measured, len(pairs), "pictures"):
        scores.append(evaluate.without_pictures(score))
        if given.sheet:
            extremes.add(score)
    if given.csv:
        write_all({given.csv: evaluate.to_csv(scores)})
    if given.sheet:
        evaluate.draw(given.sheet, extremes.scores)
    for name, value in evaluate.means(scores).items():
        if not math.isnan(value):  # what none of the pictures has, such as a cut-out's PSNR
            print(f"{name:12s} {value:.4f}")
    print(f"{'pictures':12s} {len(scores)}")
    if given.seconds is not None:
        over = sum(score.figures["seconds"] > given.seconds for score in scores)
        print(f"{'over_limit':12s} {over} of {len(scores)} took more than {given.seconds:g} s")
    if size:
        print(f"{'model_mib':12s} {size}")
    return 0


def _size(model: str, limit: float) -> str:
    """Return the size of a model's file in MiB, and what it is beside a limit."""
    from cleanplate import models

    size = len(models.read(model)[1]) / 2**20
    word = "within" if size <= limit else "OVER"
    return f"{size:.4f} ({word} the limit of {limit:g} MiB)"


def named(text: str) -> tuple[str, str]:
    """Read NAME=VALUE.

    Raises:
        UsageError: the text is not of that form.
    """
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UsageError(f"--option {text}: give NAME=VALUE, such as classes=garment.")
    return name.replace("-", "_"), value
