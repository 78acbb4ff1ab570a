"""What validation of a segmentation says of its threshold."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from cleanplate import models
from cleanplate.training.cli import main
from cleanplate.training.modules.segmentation import Segmentation


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Segmentation:
    found = Segmentation("u2net-p", {"width": 0.25})
    monkeypatch.setattr(found, "log", lambda name, value, **_: logged.update({name: float(value)}))
    logged.clear()
    return found


logged: dict[str, float] = {}


@pytest.mark.parametrize(("level", "best"), [(0.32, 0.3), (0.9, 0.5), (0.02, 0.5)])
def test_the_threshold_with_the_greatest_miou_is_logged(
    module: Segmentation, monkeypatch: pytest.MonkeyPatch, level: float, best: float
) -> None:
    truth = torch.zeros(1, 1, 8, 8)
    truth[..., :4] = 1
    mask = truth * level + (1 - truth) * min(level - 0.01, 0.27)

    def predict(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"mask": mask.logit(1e-4)}

    monkeypatch.setattr(module, "predict", predict)
    module.on_validation_epoch_start()
    module.validation_step({"input": truth.expand(1, 3, 8, 8), "mask": truth, "name": ["a"]}, 0)
    module.on_validation_epoch_end()
    assert logged["val/threshold"] == pytest.approx(best)
    assert module.of_pictures["a"]["miou"] == pytest.approx(logged["val/miou"], abs=1e-4)


@pytest.mark.slow
def test_the_export_writes_it_into_the_card(plain: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "mine.onnx"
    given = ["cutout-u2net-p-cpu", "--data", str(plain), "--run", str(run)]
    small = ["size=[32,32]", "batch_size=2", "workers=0", "validation_share=0.3", "epoch_size=2"]
    given += [f"--data.init_args.{one}" for one in small]
    given += ["--model.init_args.network_options={width: 0.125}", "--trainer.max_epochs=1"]
    assert main("train", [*given, "--trainer.enable_progress_bar=false"]) == 0
    last = run / "checkpoints/last.ckpt"
    content = torch.load(last, weights_only=True)
    content["provenance"]["figures"]["val/threshold"] = 0.35
    torch.save(content, last)
    assert main("export", [str(last), "-o", str(out), "--tile", "64"]) == 0
    assert models.load(out, device="cpu", threads=1).card.parameter("threshold") == 0.35
