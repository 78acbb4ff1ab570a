"""`cleanplate train`: a recipe, run by Lightning's command line in a folder of its own."""

from __future__ import annotations

import errno
import re
from argparse import ArgumentError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import yaml
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger

from cleanplate.errors import CleanplateError, UsageError
from cleanplate.training.arguments import in_one_line, nearest
from cleanplate.training.callbacks import (
    LAST,
    LeanCheckpoints,
    Provenance,
    ResumeState,
    StopOnSignal,
    WorseThanNothing,
    checkpoints,
)
from cleanplate.training.catalogue import FOLDER, recipes
from cleanplate.training.data.paired import PairedData
from cleanplate.training.figure_files import FigureFiles
from cleanplate.training.former import Settings
from cleanplate.training.settings import merged, resolved

MINUTES = 5.0  # between two checkpoints within an epoch
STOPPING = "lightning.pytorch.callbacks.EarlyStopping"
CONFIG = "config.yaml"  # all settings of a run, in its folder


def find_recipe(name: str) -> Path:
    """Return a recipe that ships, or the YAML file of that path.

    Raises:
        UsageError: there is neither.
    """
    shipped = recipes()
    if name in shipped:
        return shipped[name]
    hidden = FOLDER / f"{name}.yaml"
    if name.startswith("_") and hidden.is_file():
        return hidden
    if Path(name).suffix in (".yaml", ".yml") and Path(name).is_file():
        return Path(name)
    raise UsageError(
        f"{name} is neither a recipe nor a recipe's YAML file{nearest(name, shipped) or '.'} "
        "`cleanplate train --help` lists the recipes."
    )


def train(
    name: str,
    overrides: Sequence[str] = (),
    *,
    data: str | None = None,
    run: str | None = None,
    start: str | None = None,
    resume: bool = False,
    keep: int = 0,
    patience: int | None = None,
) -> Path | None:
    """Train by a recipe; returns the run's folder, or None where the overrides only asked.

    Args:
        name: of a recipe, or a path to one.
        overrides: further arguments for Lightning's command line, such as
            `--trainer.max_epochs=3`.
        data: the folder of the data module.
        run: where checkpoints, curves and sheets go; `runs/NAME` without it.
        start: what the weights start from (see `weights.start_from`), in the place of the
            recipe's own `init_from`.
        resume: go on from the run's last checkpoint, by the run's own settings; of the recipe only
            the card's fields are read again.
        keep: how many of the best epochs' checkpoints are kept, with their figure in the name.
        patience: end after so many validations in which the best figure was not bettered.

    Raises:
        UsageError: no such recipe, wrong overrides, a run that is there or (resuming) is not,
            no weights to start from or those of another network.
        CleanplateError: the data cannot be used, the loss is no longer a number, the disk is full,
            or the training was stopped by a signal.
    """
    recipe = find_recipe(name)
    folder = Path(run) if run else Path("runs") / recipe.stem
    last = folder / "checkpoints" / LAST
    if resume and not (last.is_file() and (folder / CONFIG).is_file()):
        raise UsageError(f"{folder} holds no checkpoint to resume from; leave out --resume.")
    asked = any(argument.startswith("--print_config") for argument in overrides)
    if not resume and not asked and last.is_file():
        raise UsageError(
            f"{folder} holds a run already: go on with --resume, or name another folder with --run."
        )
    settings = resolved(recipe, find_recipe)
    card = settings.pop("card", {})
    if resume:
        settings = _of_run(folder)
    if patience is not None:
        settings = _patient(settings, patience)
    if not resume and not asked:
        check_data(settings, data, overrides)
    arguments = ["fit", *arguments_of(settings, data, start)]
    if resume:
        arguments += [f"--ckpt_path={last}", "--weights_only=true"]
    go_on = StopOnSignal(last, f"cleanplate train {name} --run {folder} --resume")
    kept = [Provenance(recipe.stem, card), go_on, WorseThanNothing(), FigureFiles()]
    try:
        with told_in_one_line(settings, folder, go_on.command):
            trained = RunCLI(folder, kept, [*arguments, *overrides], keep)
    except SystemExit:
        return None  # printing the settings ends so
    for stop in trained.trainer.early_stopping_callbacks:
        if stop.stopped_epoch:
            print(f"{stop.monitor} was not bettered in {stop.patience} validations: ended early.")
    if resume and not go_on.began:
        print(_finished(trained.trainer))
    elif not last.with_name("best.ckpt").is_file():
        print(f"Nothing was validated, so none is the best; `cleanplate export` takes {last}.")
    return folder


def _finished(trainer: pl.Trainer) -> str:
    """Say that nothing was trained, and which higher limit trains on."""
    epochs = trainer.fit_loop.epoch_progress.current.processed  # also where steps ended it
    steps = trainer.global_step
    ended = {
        "steps": (steps, 0 <= trainer.max_steps <= steps),
        "epochs": (epochs, 0 <= (trainer.max_epochs or -1) <= epochs),
    }
    done = {unit: count for unit, (count, reached) in ended.items() if reached}
    done = done or {"epochs": epochs}
    after = " and ".join(f"{count} {unit}" for unit, count in done.items())
    higher = " ".join(f"--trainer.max_{unit}={2 * count}" for unit, count in done.items())
    return f"This run was finished already, after {after}: nothing was trained. {higher} trains on."


def arguments_of(settings: Settings, data: str | None, start: str | None) -> list[str]:
    """Return Lightning's arguments for a recipe's settings, its data and what its weights start
    from."""
    arguments = [f"--config={yaml.safe_dump(settings)}"]
    if start is not None:
        arguments.append(f"--model.init_args.init_from={start}")
    if data is not None:
        arguments.append(f"--data.init_args.folder={data}")
    return arguments


@contextmanager
def told_in_one_line(settings: Settings, folder: Path, command: str) -> Iterator[None]:
    """Turn what Lightning and jsonargparse raise into errors of one line.

    Args:
        settings: of the recipe, see `in_one_line`.
        folder: that the run writes into.
        command: that goes on with the run.

    Raises:
        UsageError: wrong arguments.
        CleanplateError: see `train`.
        SystemExit: the settings were printed.
    """
    try:
        yield
    except ArgumentError as error:
        raise UsageError(in_one_line(str(error), settings)) from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise CleanplateError(
            f"{folder}: {error.strerror}. Make room there, and go on with: {command}"
        ) from error
    except (CleanplateError, ValueError) as error:
        found = _known(error)
        if found is None:
            raise
        raise found from error
    except SystemExit as end:
        if end.code == 1:  # Lightning's, of a KeyboardInterrupt
            raise CleanplateError(f"Stopped. Go on from the last checkpoint: {command}") from None
        raise


def check_data(settings: Settings, data: str | None, overrides: Sequence[str]) -> None:
    """Refuse a training without data before anything is made or loaded for it.

    Raises:
        UsageError: no folder is named, or there is none of that name.
    """
    given = settings.get("data", {}).get("init_args", {})
    named = any(one.startswith(("--data.init_args.folder", "--data.folder")) for one in overrides)
    if data is None and not named and given.get("folder") is None:
        unknown = [one for one in overrides if one.startswith("--") and "." not in one]
        if unknown:  # it may have been meant for --data
            raise UsageError(in_one_line(f"unrecognized arguments: {unknown[0]}", settings))
        raise UsageError("No training data are named: give their folder, --data DIR.")
    if data is not None and not Path(data).is_dir():
        raise UsageError(f"--data {data}: there is no such folder.")


def _patient(settings: Settings, patience: int) -> Settings:
    """Have a run end early; the callback goes into its settings, so that --resume keeps it.

    Raises:
        UsageError: the recipe's module does not say by which figure it is judged.
    """
    module, _, member = settings["model"]["class_path"].rpartition(".")
    monitor = getattr(getattr(import_module(module), member), "monitor", None)
    if monitor is None:
        raise UsageError(f"{member} does not say which figure is best: leave out --patience.")
    options: dict[str, Any] = {"monitor": monitor[0], "mode": monitor[1], "patience": patience}
    options["strict"] = False  # resumed, an epoch may end again without having been validated
    early = {"class_path": STOPPING, "init_args": options}
    callbacks = settings.get("trainer", {}).get("callbacks") or []
    others = [one for one in callbacks if one["class_path"] != STOPPING]
    return merged(settings, {"trainer": {"callbacks": [*others, early]}})


def _of_run(folder: Path) -> Settings:
    """Return the settings of the run in `folder`, without what its weights once started from."""
    settings = resolved(folder / CONFIG, find_recipe)
    if "init_from" in settings["model"].get("init_args", {}):
        settings = merged(settings, {"model": {"init_args": {"init_from": None}}})
    return settings


class KeepConfig(SaveConfigCallback):
    """Saves a run's settings in its folder, whichever logger it has and wherever that writes."""

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Replace those of the call before."""
        path = Path(trainer.default_root_dir) / CONFIG
        self.parser.save(self.config, path, skip_none=False, overwrite=True, multifile=False)


class RecipeCLI(LightningCLI):
    """Lightning's command line for a recipe, whose errors are raised."""

    def __init__(self, arguments: list[str], *, run: bool, **options: Any) -> None:
        """Take Lightning's `arguments`; `run`: the first of them is `fit`, which is done at once.

        Further `options` are LightningCLI's.
        """
        quiet: dict[str, Any] = {"exit_on_error": False}  # errors are told in one line
        strict = {"allow_abbrev": False, **quiet}
        super().__init__(
            args=arguments,
            run=run,
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            seed_everything_default=0,
            parser_kwargs={**quiet, "fit": strict} if run else strict,
            **options,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return those for training alone."""
        return {"fit": LightningCLI.subcommands()["fit"]}

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse `args`."""
        # Lightning's own warns when the process has arguments too, which ours always has.
        self.config = parser.parse_args(args)

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Leave bfloat16 to processors that have it."""
        given = self._get(self.config_init, "trainer")
        if in_vain(str(given.get("precision")), str(given.get("accelerator"))):
            print(
                "This processor has no bfloat16 instructions: trained in float32, which is faster."
            )
            kwargs["precision"] = "32-true"
        return super().instantiate_trainer(**kwargs)


class RunCLI(RecipeCLI):
    """A training with a folder and what belongs into it."""

    def __init__(
        self, folder: Path, kept: list[Callback], arguments: list[str], keep: int = 0
    ) -> None:
        self.folder, self.kept, self.keep = folder, kept, keep
        super().__init__(
            arguments,
            run=True,
            save_config_callback=KeepConfig,
            save_config_kwargs={"save_to_log_dir": False},
        )

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Add the logger, the checkpoints and what resuming needs."""
        if isinstance(self.datamodule, PairedData):
            self.datamodule.setup("fit")  # before a folder is made: the data may not do
        self.folder.mkdir(parents=True, exist_ok=True)
        given = self._get(self.config_init, "trainer")
        if given.get("logger") is None:
            kwargs["logger"] = TensorBoardLogger(self.folder, name="", version="")
        kept: list[Callback] = [ResumeState(), *self.kept]
        monitor = getattr(self.model, "monitor", None)
        kept += checkpoints(self.folder / "checkpoints", monitor, MINUTES, self.keep)
        kwargs["callbacks"] = [*(given.get("callbacks") or []), *kept]
        if given.get("plugins") is None:
            kwargs["plugins"] = [LeanCheckpoints()]
        return super().instantiate_trainer(default_root_dir=self.folder, **kwargs)


def in_vain(precision: str, accelerator: str) -> bool:
    """Say whether bfloat16 is asked for on a CPU that can only emulate it, many times slower."""
    if not precision.startswith("bf16"):
        return False
    if accelerator == "auto" and (torch.cuda.is_available() or torch.backends.mps.is_available()):
        return False
    on_cpu = accelerator in ("auto", "cpu", "None")
    return on_cpu and not torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _known(error: BaseException | None) -> CleanplateError | None:
    """Return the CleanplateError in a chain of causes: jsonargparse wraps what a constructor
    raises.

    Where a data worker's traceback was wrapped round it, the error itself.
    """
    while error is not None and not isinstance(error, CleanplateError):
        error = error.__cause__ or error.__context__
    if error is None:
        return None
    found = re.search(r"\n(?:\w+\.)*\w+Error: (.*)\s*\Z", str(error), re.DOTALL)
    if str(error).startswith("Caught ") and found:
        return type(error)(found[1].strip())
    return error
