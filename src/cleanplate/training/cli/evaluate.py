"""`cleanplate evaluate`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from cleanplate.training.cli.shared import add_pairs, new_parser, pairs_of, track

if TYPE_CHECKING:
    from cleanplate.training.evaluate import Score

SHEET_ROWS = 20


def run(arguments: list[str]) -> int:
    """Print the figures of a task on pairs."""
    parser = new_parser("evaluate", "Measure a task on pairs: PSNR, MS-SSIM, masks, time.")
    add_pairs(parser)
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

    pairs = pairs_of(given)
    task = tasks.create(given.task, **options)
    scores: list[Score] = []
    rows: list[Score] = []
    for score in track(evaluate.evaluate(pairs, task), len(pairs), "pictures"):
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
