"""What happens around training: averaged weights, checkpoints, sheets, timing, watching for NaN."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, WeightAveraging
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor
from torch.nn.utils import parametrize

from cleanplate.batch.sheets import sheet
from cleanplate.errors import CleanplateError
from cleanplate.training.data.loading import ResumableLoader
from cleanplate.writing import write_all

QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 85]  # of sheets
LAST = "last.ckpt"  # what a run goes on from
TO_RESUME = (  # what a checkpoint holds for that alone
    "optimizer_states",
    "lr_schedulers",
    "loops",
    "callbacks",
    "current_model_state",
    "averaging_state",
    "place",
)


class AveragedWeights(WeightAveraging):
    """Exponential moving average of all weights and buffers: validated, and exported.

    The n-th update keeps min(decay, (1 + n) / (10 + n)) of the average, so that the random start
    is soon forgotten. A checkpoint holds the average under `state_dict` and the weights in
    training beside it.
    """

    def __init__(self, decay: float = 0.999) -> None:
        def average(averaged: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
            keep = min(decay, (1 + int(updates)) / (10 + int(updates)))
            return averaged + (1 - keep) * (current - averaged)

        super().__init__(avg_fn=average)

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Average, then put the average's spectral norms right."""
        before = self._latest_update_step
        super().on_train_batch_end(*args, **kwargs)
        if self._average_model is not None and self._latest_update_step > before:
            settle_spectral_norms(self._average_model)


@torch.no_grad()
def settle_spectral_norms(network: torch.nn.Module) -> None:
    """Run one power iteration in every spectral norm of a network whose weights were set by hand.

    Averaged singular vectors are shorter than 1 and belong to other weights; left as they are
    they would scale every layer.
    """
    for module in network.modules():
        if parametrize.is_parametrized(module):
            for name, steps in module.parametrizations.items():
                training = steps.training
                steps.train()  # a spectral norm iterates when it is read in training mode
                getattr(module, name)
                steps.train(training)


class ResumeState(Callback):
    """Keeps what a run needs to resume in step: random numbers, as of dropout, and data served.

    Lightning itself keeps the loader's place only in the middle of an epoch.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, Any] | None = None

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the state as `place`."""
        checkpoint["place"] = {
            "cpu": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "served": getattr(trainer.train_dataloader, "served", 0),
        }

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep it until training starts: setting up draws numbers, too."""
        self._loaded = checkpoint.get("place")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on where the checkpoint was."""
        if self._loaded is None:
            return
        torch.set_rng_state(self._loaded["cpu"].cpu())
        for device, state in enumerate(self._loaded["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(state.cpu(), device)
        if isinstance(trainer.train_dataloader, ResumableLoader):
            trainer.train_dataloader.load_state_dict(self._loaded)
        self._loaded = None


class DataWait(Callback):
    """Logs the share of the time of training that was spent waiting for data, and says it at the
    end.

    What is logged is the share since it was last logged. The time of validation is left out, and
    the first batch, for which processes start.
    """

    def __init__(self) -> None:
        self.waited = self.passed = 0.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the clock at the first batch."""
        if not hasattr(self, "_began"):
            self._mark(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        """Log, and start the clock anew."""
        loader = trainer.train_dataloader
        if not isinstance(loader, ResumableLoader):
            return
        if loader.served % trainer.log_every_n_steps == 0:
            share = self._count(trainer)
            pl_module.log("data/wait_share", share, prog_bar=True)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock."""
        if hasattr(self, "_began"):
            self._count(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the time of validation out."""
        if not trainer.sanity_checking:
            self._mark(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say the share of the whole training."""
        if hasattr(self, "_began"):
            self._count(trainer)
        if self.passed:
            rank_zero_info(
                f"{self.waited / self.passed:.1%} of the time of training was spent waiting for "
                "data."
            )

    def _count(self, trainer: pl.Trainer) -> float:
        """Add what passed since the clock was started; the share of it that was waited."""
        waited = getattr(trainer.train_dataloader, "waited", 0.0) - self._waited
        passed = time.perf_counter() - self._began
        self.waited, self.passed = self.waited + waited, self.passed + passed
        self._mark(trainer)
        return waited / max(passed, 1e-9)

    def _mark(self, trainer: pl.Trainer) -> None:
        self._began = time.perf_counter()
        self._waited = getattr(trainer.train_dataloader, "waited", 0.0)


class StopOnNan(Callback):
    """Stops at the first loss that is not a number, before it reaches the weights, and names the
    batch's files and the layer where it began."""

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Keep the batch: the loss does not say which it is of."""
        self._batch = batch

    def on_before_backward(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor
    ) -> None:
        """Look at the loss."""
        if torch.isfinite(loss).all():
            return
        names = self._batch.get("name") if isinstance(self._batch, dict) else None
        which = f" on {', '.join(names)}" if names else ""
        advice = ", or look at these pictures" if names else ""
        raise CleanplateError(
            f"The loss became {loss.item()} at step {trainer.global_step} "
            f"of epoch {trainer.current_epoch}{which}: {origin(pl_module, self._batch)}. "
            f"Lower the learning rate{advice}."
        )


class NotANumberError(Exception):
    """A layer, which the text names, gave what is no number."""


@torch.no_grad()
def origin(module: pl.LightningModule, batch: Any) -> str:
    """Locate the first NaN: in which weights, or in which layer on this batch.

    The module computes anew what it would `predict`, as far as that layer: what comes after it may
    not bear such numbers.
    """
    for name, parameter in module.named_parameters():
        if not torch.isfinite(parameter).all():
            return f"the weights {name} are no longer numbers since an earlier step"

    def watch(name: str) -> Any:
        def look(layer: Any, given: Any, result: Any) -> None:
            planes = result.values() if isinstance(result, dict) else [result]
            if any(isinstance(x, Tensor) and not torch.isfinite(x).all() for x in planes):
                raise NotANumberError(name)

        return look

    layers = [(n, m) for n, m in module.named_modules() if n and not list(m.children())]
    hooks = [layer.register_forward_hook(watch(name)) for name, layer in layers]
    try:
        if hasattr(module, "predict"):
            module.predict(batch)
    except NotANumberError as found:
        return f"it begins in the layer {found}"
    finally:
        for hook in hooks:
            hook.remove()
    return "no layer, but the loss itself"


class StopOnSignal(Callback):
    """Saves at the start, and when the process is told to end (SIGINT, SIGTERM), and then ends it.

    The step that is under way is finished first, and so is a validation. A second signal ends the
    process at once.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, path: Path, command: str) -> None:
        """Take the checkpoint's path, and the command that goes on from it."""
        self.path, self.command = path, command
        self.caught = self.began = False
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save where nothing is saved yet, and listen."""
        self.began = True
        if trainer.global_step == 0 and not self.path.is_file():
            trainer.save_checkpoint(self.path)
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in self.SIGNALS}
            for number in self.SIGNALS:
                signal.signal(number, self._catch)

    def _catch(self, number: int, frame: Any) -> None:
        if self.caught:
            raise KeyboardInterrupt
        self.caught = True
        print("Stopping after this step; once more to stop at once.", file=sys.stderr)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        """Save and end, where a signal came.

        Raises:
            CleanplateError: the training was stopped; it says how to go on.
        """
        if trainer.world_size > 1:  # all processes end at the same step
            self.caught = trainer.strategy.reduce_boolean_decision(self.caught, all=False)
        if self.caught:
            trainer.save_checkpoint(self.path)
            raise CleanplateError(
                f"Stopped after step {trainer.global_step}, which is saved. Go on with: "
                f"{self.command}"
            )

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Listen no longer."""
        self._restore()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Listen no longer."""
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


class WorseThanNothing(Callback):
    """Says at the end of a run when no validation was better than leaving the pictures alone."""

    def __init__(self) -> None:
        self.best: float | None = None
        self.untouched = 0.0

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the best PSNR, where that of the input is measured, too."""
        found = trainer.callback_metrics
        if trainer.sanity_checking or not {"val/psnr", "val/psnr_input"} <= set(found):
            return
        self.untouched = float(found["val/psnr_input"])
        self.best = max(float(found["val/psnr"]), self.best or -math.inf)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare."""
        if self.best is not None and self.best <= self.untouched:
            rank_zero_warn(
                f"This run made the validation pictures no better: {self.best:.2f} dB at best, "
                f"{self.untouched:.2f} dB as they are. Train longer, or on more pairs."
            )


class ValidationSheet(Callback):
    """Draws the first validation pictures each epoch: input, result, truth, mask, true mask.

    The module's `validation_step` returns a dict of tensors (N, C, H, W) in [0, 1] by column. The
    sheet goes to TensorBoard and to `sheets/epoch-NNN.jpg` in the run's folder: JPEG, as noise in
    PNG would take more room than the checkpoints.
    """

    def __init__(self, pictures: int = 5, side: int = 256) -> None:
        """Draw so many `pictures`, a row each; `side`: of a cell in pixels, at most."""
        self.pictures = pictures
        self.side = side
        self._rows: list[dict[str, Tensor]] = []

    def on_validation_epoch_start(self, *args: Any) -> None:
        """Begin a new sheet."""
        self._rows = []

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *args: Any
    ) -> None:
        """Keep the first rows."""
        count = len(next(iter(outputs.values()))) if outputs else 0
        for row in range(min(count, self.pictures - len(self._rows))):
            self._rows.append({name: column[row].cpu() for name, column in outputs.items()})

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw what was kept."""
        if trainer.sanity_checking or not self._rows or not trainer.is_global_zero:
            return
        drawn = sheet([[cell.numpy() for cell in row.values()] for row in self._rows], self.side)
        folder = Path(trainer.default_root_dir) / "sheets"
        coded = cv2.imencode(".jpg", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR), QUALITY)[1].tobytes()
        write_all({folder / f"epoch-{trainer.current_epoch:03d}.jpg": coded})
        writer = getattr(getattr(trainer.logger, "experiment", None), "file_writer", None)
        if writer is not None:
            size = {"height": drawn.shape[0], "width": drawn.shape[1], "colorspace": 3}
            image = Summary.Image(encoded_image_string=coded, **size)
            value = Summary.Value(tag="validation", image=image)
            writer.add_summary(Summary(value=[value]), trainer.global_step)


class Provenance(Callback):
    """Notes in each checkpoint by which recipe it came about and what validation last measured.

    `card`: fields of a model's card that the recipe gives, such as the task. Where the data are
    seen at one size, that is the model's tile whatever the recipe says.
    """

    def __init__(self, recipe: str, card: dict[str, Any] | None = None) -> None:
        self.recipe, self.card = recipe, card or {}

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add `provenance`."""
        figures = {
            name: round(float(value), 4)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val/")
        }
        checkpoint["provenance"] = {
            "recipe": self.recipe,
            "figures": figures,
            "card": self.card_of(getattr(getattr(trainer, "datamodule", None), "tile", None)),
        }

    def card_of(self, tile: int | None) -> dict[str, Any]:
        """Return the card's fields, for data that are seen with a longer side of `tile` pixels."""
        if tile is None:
            return self.card
        parameters = dict(self.card.get("parameters", {}))
        if "side" in parameters:
            parameters["side"] = tile
        return {**self.card, "tile": tile, **({"parameters": parameters} if parameters else {})}


class LeanCheckpoints(TorchCheckpointIO):
    """Writes checkpoints; all but `last.ckpt` hold the averaged weights and what is said of them.

    The optimiser's state and the weights in training are three quarters of a checkpoint, and only a
    run that goes on needs them.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write one."""
        if Path(path).name != LAST:
            checkpoint = {name: x for name, x in checkpoint.items() if name not in TO_RESUME}
        super().save_checkpoint(checkpoint, path, storage_options)


class EpochCheckpoint(ModelCheckpoint):
    """Keeps the best epochs; a class of its own, as Lightning tells two by class and figure."""


def checkpoints(
    folder: Path, monitor: tuple[str, str] | None, minutes: float, keep: int = 0
) -> list[Callback]:
    """Return what keeps `last.ckpt`, each epoch and every few minutes, and `best.ckpt`.

    `monitor`: the logged figure that says which is best, and "max" or "min". `keep`: how many of
    the best epochs are kept besides, with their number and figure in the name.
    """
    common: dict[str, Any] = {"dirpath": folder, "enable_version_counter": False}
    kept: list[Callback] = [
        ModelCheckpoint(filename="last", **common),
        ModelCheckpoint(filename="last", train_time_interval=timedelta(minutes=minutes), **common),
    ]
    if monitor is not None:
        judged = {"monitor": monitor[0], "mode": monitor[1], **common}
        kept.insert(0, ModelCheckpoint(filename="best", **judged))
        if keep:
            name = f"epoch-{{epoch:03d}}-{monitor[0].rpartition('/')[2]}-{{{monitor[0]}:.2f}}"
            named = {"filename": name, "auto_insert_metric_name": False}
            kept.insert(0, EpochCheckpoint(save_top_k=keep, **named, **judged))
    return kept
