"""A checkpoint as ONNX: the averaged weights, half the size, the same figures, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from cleanplate.errors import ModelError, UsageError
from cleanplate.models import RGB, load
from cleanplate.picture import Box
from cleanplate.restoring import run_in_bands, run_tiled
from cleanplate.training.cli import main
from cleanplate.training.export import export_network, load_checkpoint
from cleanplate.training.networks.nafnet import NAFNet

if TYPE_CHECKING:
    from conftest import Run

CARD = {
    "task": "watermark",
    "role": "eraser",
    "figures": {},
    "recipe": "none",
    "data": [{"source": "noise", "terms": "none"}],
    "licence": "Apache-2.0",
    "parameters": {},
}


class Small(nn.Module):
    """Convolution, batch normalisation, and a side that depends on the size where `fault` is."""

    def __init__(self, fault: float = 0.0) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 64, 3, padding=1), nn.BatchNorm2d(64)
        self.second = nn.Conv2d(64, 64, 3, padding=1)
        self.last = nn.Conv2d(64, 4, 1)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)
        nn.init.normal_(self.norm.running_mean)
        self.fault = fault

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = self.last(self.second(self.norm(self.first(x)).relu()))
        if not torch.compiler.is_exporting():
            maps = maps + self.fault
        return {"picture": maps[:, :3], "mask": maps[:, 3:]}


def export(network: nn.Module, path: Path, float16: bool = True, fixed: bool = False) -> None:
    export_network(
        network,
        path,
        planes=("red", "green", "blue"),
        outputs=("mask", "picture"),
        card=CARD,
        float16=float16,
        tile=64,
        multiple=8,
        squash=("mask",),
        fixed=fixed,
    )


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[Small, Path, Path]:
    """A network and its files, as float16 and as float32."""
    torch.manual_seed(0)
    network = Small().eval()
    folder = tmp_path_factory.mktemp("export")
    for name in ("small", "large"):
        export(network, folder / f"{name}.onnx", float16=name == "small")
    return network, folder / "small.onnx", folder / "large.onnx"


def test_float16_halves_the_file_and_casts_back(halves: tuple[Small, Path, Path]) -> None:
    network, small, large = halves
    assert small.stat().st_size < 0.57 * large.stat().st_size
    graph = onnx.load(small).graph
    stored = {
        t.name: t.data_type for t in graph.initializer if len(t.dims) >= 2 and len(t.raw_data) > 100
    }
    assert stored and set(stored.values()) == {onnx.TensorProto.FLOAT16}
    assert sum(node.op_type == "Cast" for node in graph.node) >= len(stored)
    x = torch.rand(2, 3, 40, 24)
    with torch.no_grad():
        expected = network(x)
    for path, tolerance in ((small, 3e-3), (large, 1e-5)):
        found = load(path, device="cpu")(x.numpy())
        assert np.abs(found["picture"] - expected["picture"].numpy()).max() < tolerance
        assert np.abs(found["mask"] - expected["mask"].sigmoid().numpy()).max() < tolerance


def test_network_is_left_as_it_was(halves: tuple[Small, Path, Path]) -> None:
    torch.manual_seed(0)
    fresh = Small().state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in halves[0].state_dict().items())


@pytest.mark.parametrize("size", [(100, 140), (64, 65), (40, 30)])
def test_parts_of_a_fixed_size_overlap_without_a_seam(
    size: tuple[int, int], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = Small().eval()
    export(network, tmp_path / "fixed.onnx", float16=False, fixed=True)
    model = load(tmp_path / "fixed.onnx", device="cpu", threads=1)
    assert (model.card.tile, model.card.multiple, model.card.parameter("fixed")) == (64, 8, 1)
    x = torch.rand(1, 3, *size)
    with torch.no_grad():
        expected = network(x)["picture"][0].numpy()
    seen = []

    def planes(box: Box) -> np.ndarray:
        seen.append(box)
        return x[0, :, box.top : box.bottom, box.left : box.right].numpy()

    found = run_tiled(model, planes, size, outputs=("picture",))["picture"]
    inner = np.s_[:, : size[0] - 4, : size[1] - 4]  # beyond it padding differs from PyTorch's
    assert np.abs(found - expected)[inner].max() < 1e-4
    if size == (100, 140):
        rows = sorted({box.top for box in seen})
        assert rows[1] - rows[0] <= 64 - 16


def worst_step(found: np.ndarray) -> float:
    """Greatest step between columns of a map (C, H, W), beside the median; the borders left out."""
    steps = np.abs(np.diff(found[:, 16:48], axis=2)).mean((0, 1))
    return float(steps[20:-20].max() / np.median(steps))


def test_seams_of_tlc_vanish_in_the_overlap(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = NAFNet(8, (1, 1), 1, (1, 1)).eval()
    for name, weight in network.named_parameters():
        if name.endswith(("beta", "gamma")):
            torch.nn.init.constant_(weight, 0.3)
    network.use_tlc((48, 48))
    card = {**CARD, "role": "restorer"}
    given = {"planes": RGB, "outputs": ("picture",), "tile": 64, "multiple": 4, "fixed": True}
    export_network(network, tmp_path / "tlc.onnx", card=card, float16=False, **given)
    model = load(tmp_path / "tlc.onnx", device="cpu", threads=1)
    slope = np.linspace(0, 1, 256, dtype=np.float32)  # what pools see differs from part to part
    picture = np.stack([np.broadcast_to(slope**power, (64, 256)) for power in (1, 2, 3)])

    def joined(overlap: int | None) -> np.ndarray:
        def planes(box: Box) -> np.ndarray:
            return picture[:, box.top : box.bottom, box.left : box.right]

        bands = run_in_bands(model, planes, (64, 256), overlap=overlap)
        return np.concatenate([maps["picture"] for _, maps in bands], 1)

    assert worst_step(joined(0)) > 2.3, "without an overlap there are seams"
    assert worst_step(joined(None)) < 1.6


@pytest.mark.parametrize("fault", [0.01, float("nan")])
def test_disagreement_leaves_nothing_behind(tmp_path: Path, fault: float) -> None:
    with pytest.raises(ModelError, match="differ"):
        export(Small(fault), tmp_path / "wrong.onnx")
    assert not list(tmp_path.iterdir())


def test_paths_and_cards_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.onnx"):
        export(Small(), tmp_path / "model.pt")


def test_checkpoint_to_onnx(whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine.onnx"
    terms = ["--source", "squares", "--terms", "CC0-1.0", "--tile", "99"]
    assert main("export", [str(whole.best), "-o", str(out), *terms]) == 0
    assert "mine.onnx" in capsys.readouterr().out
    model = load(out, device="cpu", threads=1)
    assert (model.card.role, model.card.recipe) == ("eraser", "tiny")
    assert (model.card.tile, model.card.multiple) == (100, 4)
    assert model.card.data == ({"source": "squares", "terms": "CC0-1.0"},)
    assert model.card.figures["val/psnr"] > 0
    x = torch.rand(1, 3, 64, 96)
    network, _ = load_checkpoint(whole.best)
    with torch.no_grad():
        expected = network.eval()(x)
    found = model(x.numpy())
    assert np.abs(found["picture"] - expected["picture"].numpy()).max() < 5e-3
    assert np.abs(found["mask"] - expected["mask"].sigmoid().numpy()).max() < 5e-3
    averaged = torch.load(whole.best, weights_only=True)["state_dict"]
    name = "mask.weight"
    assert torch.equal(network.state_dict()[name], averaged[f"network.{name}"])


def test_checkpoints_are_seen_and_measured_before_export(
    whole: Run, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, sheet = next((plain / "input").iterdir()), tmp_path / "sheet.png"
    assert main("show", [str(picture), "--model", str(whole.best), "-o", str(sheet)]) == 0
    assert "before, mask, result" in capsys.readouterr().out
    with Image.open(picture) as one, Image.open(sheet) as drawn:
        assert drawn.width > 3 * one.width
    out = tmp_path / "mine.onnx"
    assert main("export", [str(whole.best), "-o", str(out)]) == 0
    capsys.readouterr()
    printed = []
    for model in (whole.best, out):
        assert main("evaluate", [str(plain), "--model", str(model)]) == 0
        lines = capsys.readouterr().out.splitlines()
        printed.append([line for line in lines if not line.startswith(("sec", "peak"))])
    assert printed[0] == printed[1] and any(line.startswith("psnr ") for line in printed[0])
    with pytest.raises(UsageError, match=r"\.png"):
        main("show", [str(picture), "--model", str(out), "-o", str(tmp_path / "sheet.jpg")])


def test_two_logits_leave_as_the_foregrounds_softmax(plain: Path, tmp_path: Path) -> None:
    given = ["cutout-unet-cpu", "--data", str(plain), "--run", str(tmp_path / "run")]
    given += ["--data.init_args.size=[32,32]", "--data.init_args.batch_size=2"]
    given += ["--data.init_args.workers=0", "--data.init_args.validation_share=0.34"]
    given += ["--trainer.max_epochs=1", "--trainer.enable_model_summary=false"]
    given += ["--model.init_args.network_options={width: 0.0625, classes: 2}"]
    with pytest.raises(UsageError, match="alone"):
        main("train", [*given, "--model.init_args.loss={cross_entropy: 1, dice: 3}"])
    assert main("train", [*given, "--model.init_args.loss=cross_entropy"]) == 0
    last, out = tmp_path / "run/checkpoints/last.ckpt", tmp_path / "two.onnx"
    assert main("export", [str(last), "-o", str(out)]) == 0
    network, info = load_checkpoint(last)
    x = torch.rand(1, 3, 48, 64)
    with torch.no_grad():
        logits = network.eval()[0](x)["mask"]
    assert logits.shape == (1, 2, 48, 64) and 0 <= info["figures"]["val/miou"] <= 1
    found = load(out, device="cpu", threads=1)(x.numpy())["mask"]
    assert np.abs(found - logits.softmax(1)[:, 1:].numpy()).max() < 5e-3
    assert info["card"]["tile"] == 32  # as trained, not as the recipe has it


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name, content in (("none", None), ("text", b"no checkpoint"), ("other", {"a": 1})):
        path = tmp_path / f"{name}.ckpt"
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is not None:
            torch.save(content, path)
        wrong = UsageError if content is None else ModelError
        with pytest.raises(wrong, match=f"{name}.ckpt"):
            main("export", [str(path), "-o", str(tmp_path / "out.onnx")])
    assert not list(tmp_path.glob("out*"))
