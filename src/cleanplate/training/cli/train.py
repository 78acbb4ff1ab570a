"""`cleanplate train`."""

from __future__ import annotations

import argparse
from pathlib import Path
from textwrap import fill

from cleanplate.errors import UsageError
from cleanplate.training.catalogue import by_system
from cleanplate.training.cli.shared import at_least, new_parser


def run(arguments: list[str]) -> int:
    """Train by a recipe."""
    parser = new_parser("train", "Train a model by a recipe; any further option goes to Lightning.")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _epilog()
    parser.add_argument("recipe", help="name of a recipe, or a YAML file")
    parser.add_argument("--data", metavar="DIR", help="folder of the training data")
    parser.add_argument("--run", metavar="DIR", help="checkpoints and curves (runs/RECIPE)")
    parser.add_argument(
        "--from",
        dest="start",
        metavar="MODEL",
        help="start from the weights of a checkpoint or a model",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint by the run's settings"
    )
    parser.add_argument(
        "--keep", type=at_least(0), default=0, metavar="N", help="checkpoints of the N best epochs"
    )
    parser.add_argument(
        "--patience",
        type=at_least(1),
        metavar="N",
        help="end after N validations without a better one",
    )
    tell = parser.add_mutually_exclusive_group()
    tell.add_argument(
        "--dry-run",
        action="store_true",
        help="write nothing; tell the data, memory and hours, and the batch that fits",
    )
    tell.add_argument(
        "--find-rate", action="store_true", help="write nothing; sweep the learning rate"
    )
    parser.add_argument(
        "--rate-curve", type=Path, metavar="FILE.png", help="where --find-rate draws its sweep"
    )
    given, overrides = parser.parse_known_args(arguments)
    if given.dry_run or given.find_rate:
        print(_told(given, overrides))
        return 0
    if given.rate_curve is not None:
        raise UsageError("--rate-curve goes with --find-rate.")
    from cleanplate.training.train import train

    folder = train(
        given.recipe,
        overrides,
        data=given.data,
        run=given.run,
        start=given.start,
        resume=given.resume,
        keep=given.keep,
        patience=given.patience,
    )
    if folder is not None:
        print(f"Checkpoints, curves and sheets are in {folder}.")
    return 0


def _told(given: argparse.Namespace, overrides: list[str]) -> str:
    """Return what a few steps tell of a training, which is not run."""
    if given.resume:
        raise UsageError("--dry-run and --find-rate are about a new run: leave out --resume.")
    of = {"data": given.data, "start": given.start}
    if given.dry_run:
        from cleanplate.training.dry_run import dry_run

        return dry_run(given.recipe, overrides, **of)
    from cleanplate.training.rate_finder import find_rate

    return find_rate(given.recipe, overrides, curve=given.rate_curve, **of)


def _epilog() -> str:
    """Return examples of further options, and the recipes by system."""
    lines = ["Such as --trainer.max_epochs=3 --data.init_args.batch_size=4 --print_config.", ""]
    lines.append("Recipes; NAME[-cpu]: there is a small variant NAME-cpu for a few CPU cores:")
    for system, names in by_system().items():
        text = f"{system}: {', '.join(names)}"
        lines.append(fill(text, 100, subsequent_indent="    ", break_on_hyphens=False))
    return "\n".join(lines)
