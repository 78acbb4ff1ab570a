"""A training that is tried for some steps in the place of being run; it leaves nothing on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from cleanplate.training.callbacks import AveragedWeights
from cleanplate.training.data.loading import ResumableLoader
from cleanplate.training.data.on_the_fly import OnTheFlyData
from cleanplate.training.data.paired import PairedData
from cleanplate.training.former import Settings
from cleanplate.training.settings import resolved
from cleanplate.training.train import (
    RecipeCLI,
    arguments_of,
    check_data,
    find_recipe,
    told_in_one_line,
)

Data = PairedData | OnTheFlyData


class Trial:
    """A recipe's network, data and trainer, put together as for a run.

    Attributes:
        settings: of the recipe, with the overrides.
        model: the module that trains the network.
        data: the data module; its pictures are found.
        trainer: of the recipe's lengths, but validating `validated` batches each epoch, and
            without a folder.
    """

    def __init__(self, cli: RecipeCLI, settings: Settings) -> None:
        self.settings, self.model, self.trainer = settings, cli.model, cli.trainer
        self.data: Data = cli.datamodule

    def fit(self, loader: Any) -> None:
        """Train on the batches that `loader` gives until a callback stops the trainer."""
        self.trainer.fit(
            self.model, train_dataloaders=loader, val_dataloaders=self.data.val_dataloader()
        )


class TrialCLI(RecipeCLI):
    """A recipe's network, data and trainer without a run's folder, loggers and checkpoints."""

    def __init__(self, arguments: list[str], folder: Path, watch: Callback, validated: int) -> None:
        """Keep what the data must write in `folder`; `watch` the steps."""
        self.folder, self.watch, self.validated = folder, watch, validated
        super().__init__(arguments, run=False, save_config_callback=None)

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Leave out what writes."""
        given = self._get(self.config_init, "trainer")
        averaged = [one for one in given.get("callbacks") or [] if isinstance(one, AveragedWeights)]
        return super().instantiate_trainer(
            default_root_dir=self.folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            limit_val_batches=self.validated,
            check_val_every_n_epoch=1,
            val_check_interval=1.0,
            callbacks=[*averaged, self.watch],
            **kwargs,
        )


def tried(
    name: str,
    overrides: Sequence[str],
    watch: Callback,
    do: Callable[[Trial], str],
    *,
    data: str | None = None,
    start: str | None = None,
    validated: int = 0,
) -> str:
    """Put a recipe's training together, and return what `do` finds out about it.

    Args:
        name: of a recipe, or a path to one.
        overrides: further arguments for Lightning's command line.
        watch: a callback of the trainer.
        do: tries the training.
        data: the folder of the data module.
        start: what the weights start from.
        validated: batches that are validated at the end of an epoch.

    Raises:
        UsageError: see `train.train`.
        CleanplateError: the data cannot be used, or the loss is no longer a number.
    """
    settings = resolved(find_recipe(name), find_recipe)
    settings.pop("card", None)
    check_data(settings, data, overrides)
    arguments = [*arguments_of(settings, data, start), *overrides]
    with (
        TemporaryDirectory() as folder,
        told_in_one_line(settings, Path(folder), f"cleanplate train {name}"),
    ):
        cli = TrialCLI(arguments, Path(folder), watch, validated)
        if "store" in cli.datamodule.hparams:  # of decoded pictures
            cli.datamodule.hparams["store"] = str(Path(folder) / "store" / "decoded")
        cli.datamodule.prepare_data()
        cli.datamodule.setup("fit")
        return do(Trial(cli, cli.config.as_dict()))


class Parts:
    """The batches of a loader, over and over, each cut to a size of its own.

    `waited`: seconds that each batch was waited for.
    """

    def __init__(self, loader: ResumableLoader, sizes: Iterable[int | None]) -> None:
        """Cut batch after batch to these `sizes`, None for all of it; then there are no more."""
        self.loader = loader
        self._sizes = iter(sizes)
        self.waited: list[float] = []

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        before = self.loader.waited
        for batch in self.loader:
            size = next(self._sizes, 0)
            if size == 0:
                return
            self.waited.append(self.loader.waited - before)
            yield {name: value[:size] for name, value in batch.items()}
            before = self.loader.waited
