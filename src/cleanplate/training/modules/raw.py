"""Training of RAW denoisers."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from cleanplate.errors import UsageError
from cleanplate.metrics import raw_score
from cleanplate.tasks.denoise.sensor_noise import UNIT, SensorNoise
from cleanplate.training.data.raw import LEVELS
from cleanplate.training.data.raw_files import BAYER
from cleanplate.training.losses import ssim
from cleanplate.training.modules.learner import Batch, Learner, Tensors, adam, psnr


class RawDenoising(Learner):
    """Learns noisy -> clean planes of a Bayer mosaic; the network predicts the noise.

    A batch holds `input` and `target` (N, 4, H, W), 0 for black and 1 for white. Validation logs
    `val/psnr`, `val/psnr_input`, `val/ssim` and the contest's `val/score` of their means.
    """

    def __init__(
        self,
        network: str,
        network_options: dict[str, Any] | None = None,
        loss: str | dict[str, float] = "l1",
        optimizer: OptimizerCallable = adam,
        schedule: LRSchedulerCallable | None = None,
        init_from: str | None = None,
        black: float = LEVELS.black,
        white: float = LEVELS.white,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network with 4 planes and the output `picture`.
            network_options: see `Learner`.
            loss: see `Learner`.
            optimizer: see `Learner`.
            schedule: see `Learner`.
            init_from: see `Learner`.
            black: the sensor's number for no light; the exported model's card states it.
            white: the sensor's number for full light, likewise.

        Raises:
            UsageError: unknown network or loss, or a network for other planes.
            ModelError: `init_from` cannot be used.
        """
        super().__init__(network, network_options, loss, optimizer, schedule, init_from)
        if self.card.planes != len(BAYER) or "picture" not in self.card.outputs:
            raise UsageError(f"{network} does not restore the four planes of a mosaic.")
        self.built_from |= {
            "planes": list(BAYER),
            "parameters": {"black": black, "white": white},
        }

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return noisy planes and clean ones."""
        return batch["input"], {"picture": batch["target"]}

    def measure(self, outputs: Tensors, batch: Batch) -> tuple[Tensors, Tensors]:
        """Measure PSNR, SSIM and the score."""
        noisy, clean = (batch[name].clamp(0, 1) for name in ("input", "target"))
        cleaned = outputs["picture"].clamp(0, 1)
        decibels = psnr(cleaned, clean)
        similarity = (1 - ssim(cleaned, clean)).expand(len(clean))
        score = raw_score(decibels, similarity)  # type: ignore[arg-type]
        figures = {
            "psnr": decibels,
            "psnr_input": psnr(noisy, clean),
            "ssim": similarity,
            "score": score,
        }
        shown = {"input": noisy, "cleaned": cleaned, "truth": clean}
        return figures, {name: planes[:, [0, 1, 3]] for name, planes in shown.items()}


class SensorDenoising(RawDenoising):
    """Learns to take known noise off planes that are normalised by it.

    A batch also holds `slope` and `offset` (N, 1, 1, 1) of the variance of the noise. The loss
    compares square roots, in which noise is as strong in the dark as in the light. Figures are
    those of planes of 0 to 1, as in `RawDenoising`.
    """

    def __init__(
        self,
        network: str = "lean-raw",
        network_options: dict[str, Any] | None = None,
        loss: str | dict[str, float] = "l1",
        optimizer: OptimizerCallable = adam,
        schedule: LRSchedulerCallable | None = None,
        init_from: str | None = None,
    ) -> None:
        """Put a network to its training; see `RawDenoising`.

        Raises:
            UsageError: unknown network or loss, or a network for other planes.
            ModelError: `init_from` cannot be used.
        """
        super().__init__(network, network_options, loss, optimizer, schedule, init_from)
        self.built_from["parameters"] = {"unit": UNIT}

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return noisy planes and clean ones, both normalised."""
        noise = noise_of(batch)
        return noise.normalised(batch["input"]), {"picture": noise.normalised(batch["target"])}

    def total(self, outputs: Tensors, truth: Tensors) -> tuple[Tensor, Tensors]:
        """Return the loss of the roots."""
        return super().total(*({"picture": root(x["picture"])} for x in (outputs, truth)))

    def measure(self, outputs: Tensors, batch: Batch) -> tuple[Tensors, Tensors]:
        """Measure as `RawDenoising` does."""
        restored = noise_of(batch).restored(outputs["picture"])
        return super().measure({"picture": restored}, batch)


def noise_of(batch: Batch) -> SensorNoise:
    """Return the noise of each item."""
    return SensorNoise(batch["slope"], batch["offset"])


def root(normalised: Tensor) -> Tensor:
    """Return the root of normalised planes, whose noise is as strong in the dark as in light."""
    return (normalised / UNIT + 1).clamp_min(1e-3).sqrt()
