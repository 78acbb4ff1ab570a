"""`cleanplate experiments`."""

from __future__ import annotations

from pathlib import Path

from cleanplate.errors import UsageError
from cleanplate.training.cli.shared import above_zero, at_least, new_parser


def run(arguments: list[str]) -> int:
    """Train a claim of the write-ups again, and print what came out."""
    parser = new_parser(
        "experiments",
        "Train the forms of a claim again, at a budget; any further option goes to all trainings.",
    )
    parser.add_argument("name", nargs="?", help="of a claim, or a YAML file")
    parser.add_argument("--list", action="store_true", help="say which claims there are")
    parser.add_argument("--data", metavar="DIR", help="folder of the training data")
    parser.add_argument(
        "--minutes", type=above_zero, metavar="M", help="of training, for each form and seed"
    )
    parser.add_argument(
        "--seeds", type=at_least(1), default=3, metavar="N", help="trainings of each form (3)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="for runs and table (runs/experiments/NAME)"
    )
    given, overrides = parser.parse_known_args(arguments)
    from cleanplate.training import experiments

    if given.list:
        print(experiments.described())
        return 0
    if given.name is None:
        raise UsageError("Name a claim; `cleanplate experiments --list` says which there are.")
    claim = experiments.read_claim(given.name)
    if given.data is None:
        raise UsageError(f"Give the training data, --data DIR: {claim.needs}")
    if given.minutes is None:
        raise UsageError("Say what each form and seed may take: --minutes M.")
    folder = given.out or Path("runs") / "experiments" / claim.name
    minutes = experiments.cost(claim, given.seeds, given.minutes)
    print(f"{len(claim.forms)} forms, {given.seeds} seeds: {minutes:g} minutes of training.")
    train = experiments.trained_for(given.minutes, given.data, overrides)
    outcomes = experiments.try_claim(claim, range(given.seeds), folder, train)
    print(experiments.write(claim, outcomes, folder, given.minutes))
    return 0
