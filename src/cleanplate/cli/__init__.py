"""The command line: arguments and messages, nothing else.

Exit status 0: every picture has its result; 1: some have not; 2: wrong usage; 130: interrupted.
Only typer is imported up here, so that `--help` answers before numpy would be loaded.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from json import dumps
from typing import Annotated, Any

import typer

from cleanplate import tasks
from cleanplate.cli.cleaning import add_task
from cleanplate.cli.learning import learn_mark
from cleanplate.cli.messages import explained
from cleanplate.cli.serving import serve
from cleanplate.cli.streams import OutputLostError, hold_places, say, watched

TRAINING = {
    "train": "Train a model from a recipe.",
    "evaluate": "Measure a model on pairs of pictures.",
    "experiments": "Train a claim of the write-ups again, and print what comes out.",
    "export": "Turn a checkpoint into an ONNX model with its card.",
    "mine": "List the pairs that a model does badly on.",
    "networks": "List the architectures that can be trained and what they cost.",
    "prepare": "Make a training set from pictures.",
    "show": "Draw what checkpoints or models do to one picture.",
    "synthesise": "Make pairs of pictures whose truth is known.",
}


def make_app() -> typer.Typer:
    """Make the command line of the tasks that are in the table now, and of all other verbs."""
    app = typer.Typer(
        help="Take off pictures what does not belong on them, and touch nothing else.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # rich would double the time that --help takes
        pretty_exceptions_enable=False,
    )
    app.callback()(_common)
    for name in tasks.names():
        add_task(app, tasks.info(name))
    app.command()(learn_mark)
    app.command()(serve)
    app.command()(models)
    for verb, summary in TRAINING.items():
        _add_training(app, verb, summary)
    return app


def main() -> None:
    """Run the command line; the entry point of the `cleanplate` command."""
    hold_places()
    try:
        with watched():  # as --help writes by itself
            make_app()()
    except OutputLostError as error:
        say(f"Standard output: {error}.")
        sys.exit(1)
    except SystemExit as end:
        if end.code == 130:
            # The interpreter would wait for the pictures in hand, which nobody will write.
            os._exit(130)
        raise


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"cleanplate {version('cleanplate')}")
        raise typer.Exit


def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def models(
    json: Annotated[bool, typer.Option("--json", help="One JSON line a model.")] = False,
) -> None:
    """List the models that ship: task, role, size, figures."""
    with explained():
        from cleanplate.models import cards
        from cleanplate.models.catalogue import FOLDER

        shipped = [
            {**asdict(card), "size": (FOLDER / card.file).stat().st_size} for card in cards()
        ]
        with watched():
            if json:
                for values in shipped:
                    typer.echo(dumps(values))
            else:
                _show_table(shipped)


def _show_table(shipped: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("task", "role", "name", "size", "figures")
    for card in shipped:
        figures = ", ".join(f"{name} {value}" for name, value in card["figures"].items())
        size = f"{card['size'] / 1e6:.1f} MB"
        table.add_row(card["task"], card["role"], card["name"], size, figures)
    Console().print(table if shipped else "No model ships with this installation.")


def _add_training(app: typer.Typer, verb: str, summary: str) -> None:
    """Add a verb of the training floor, which reads its arguments, `--help` too, by itself."""

    def pass_on(context: typer.Context) -> None:
        with explained():
            from cleanplate.errors import CleanplateError

            try:
                from cleanplate.training.cli import main as run

                status = run(verb, context.args)
            except ModuleNotFoundError as error:
                raise CleanplateError(
                    f"{verb} needs packages that are not installed ({error.name}): "
                    "pip install 'cleanplate[train]'."
                ) from error
            raise typer.Exit(status)

    app.command(
        verb,
        help=summary,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(pass_on)
