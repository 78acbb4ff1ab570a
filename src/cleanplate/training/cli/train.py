"""`cleanplate train`."""

from __future__ import annotations

from cleanplate.training.cli.shared import new_parser


def run(arguments: list[str]) -> int:
    """Train by a recipe."""
    parser = new_parser("train", "Train a model by a recipe; any further option goes to Lightning.")
    parser.epilog = "Such as --trainer.max_epochs=3 --data.init_args.batch_size=4 --print_config."
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
    given, overrides = parser.parse_known_args(arguments)
    from cleanplate.training.train import train

    folder = train(
        given.recipe,
        overrides,
        data=given.data,
        run=given.run,
        start=given.start,
        resume=given.resume,
    )
    if folder is not None:
        print(f"Checkpoints, curves and sheets are in {folder}.")
    return 0
