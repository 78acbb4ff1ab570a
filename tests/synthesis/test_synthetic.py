"""Pairs drawn on the fly: what the recipes are given, and that it is the same again."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from cleanplate.errors import UsageError
from cleanplate.picture import Box
from cleanplate.training.cli import main
from cleanplate.training.data.files import read_rgb
from cleanplate.training.data.loading import generator
from cleanplate.training.data.synthesis.backgrounds import Background
from cleanplate.training.data.synthesis.sources import Settings, source_of
from cleanplate.training.data.synthetic import Synthetic

KINDS = ("watermark", "occlusion", "handwriting", "noise", "raw")
PHOTOS = {"backgrounds": ["photos"], "validation": ["validation"]}
OPTIONS: dict[str, dict[str, Any]] = {
    "watermark": {"fonts": ["fonts"], "logos": ["logos"], **PHOTOS},
    "occlusion": {"fonts": ["fonts"], "cutouts": ["cutouts"], "pages": 2, **PHOTOS},
    "handwriting": {"fonts": ["fonts"], "pens": ["fonts"], "pages": 2, "validation": []},
    "noise": PHOTOS,
    "raw": PHOTOS,
}
TRAINED = {
    "watermark": ("watermark-erasenet-cpu", "--model.init_args.network_options={width: 0.125}"),
    "occlusion": (
        "occlusion-nafnet-cpu",
        "--model.init_args.network_options={width: 4, encoder: [1], middle: 1, decoder: [1]}",
    ),
    "handwriting": ("handwriting-erasenet-cpu", "--model.init_args.network_options={width: 0.125}"),
    "noise": ("noise-lean-cpu", "--model.init_args.network_options.width=0.25"),
    "raw": ("raw-unet-cpu", "--model.init_args.network_options.width=0.125"),
}


@pytest.fixture(scope="session")
def sources(sources: Path) -> Path:
    """With a cut-out hand in `cutouts`, too."""
    patch = np.zeros((200, 150, 4), np.uint8)
    cv2.ellipse(patch, (75, 120), (50, 110), 0, 0, 360, (120, 150, 205, 255), -1)
    (sources / "cutouts").mkdir()
    cv2.imwrite(str(sources / "cutouts/hand.png"), patch)
    return sources


def drawn(kind: str, sources: Path, **more: Any) -> Synthetic:
    common = {"crop": 48, "size": 200, "batch_size": 2, "steps": 3, "workers": 0, "jpeg": 0.0}
    data = Synthetic(kind, folder=str(sources), **{**common, **OPTIONS[kind], **more})
    data.setup("fit")
    return data


def nearest(photo: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The place of a photo that is most like a part."""
    x, y = cv2.minMaxLoc(cv2.matchTemplate(photo, part, cv2.TM_SQDIFF))[2]
    return photo[y : y + part.shape[0], x : x + part.shape[1]]


def same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    return all(
        torch.equal(value, two[name]) if isinstance(value, torch.Tensor) else value == two[name]
        for name, value in one.items()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_batches_are_those_of_pairs_on_disk(kind: str, sources: Path) -> None:
    data = drawn(kind, sources)
    batches = list(data.train_dataloader())
    assert len(batches) == 3
    for batch in [*batches, next(iter(data.val_dataloader()))]:
        assert len(batch["name"]) == 2
        planes = 4 if kind == "raw" else 3
        for name in ("input", "target"):
            assert batch[name].shape == (2, planes, 48, 48)
            assert batch[name].dtype == (torch.float32 if kind == "raw" else torch.uint8)
        if kind != "raw":
            assert batch["mask"].shape == (2, 1, 48, 48)
            assert set(batch["mask"].unique().tolist()) <= {0, 255}


def test_ink_takes_light_and_is_all_that_changes(sources: Path) -> None:
    data = drawn("handwriting", sources, steps=24)
    items = [data.training[0, index] for index in range(48)]
    for item in items:
        dirty, clean, mask = (item[name].int() for name in ("input", "target", "mask"))
        assert (dirty <= clean).all()
        assert torch.equal((dirty != clean).any(0), mask[0] > 0)
    assert 24 <= sum(bool(item["mask"].any()) for item in items) < 48  # clean crops, too


@pytest.mark.parametrize("kind", ["watermark", "occlusion"])
def test_marks_are_those_that_are_synthesised(kind: str, sources: Path) -> None:
    data = drawn(kind, sources, fonts=["fonts"] if kind == "watermark" else [], crop=200, hflip=0.0)
    named = {n: (str(sources / n),) for n in ("logos", "cutouts")}
    named["fonts"] = (str(sources / "fonts"),) if kind == "watermark" else ()
    named["backgrounds"] = (str(sources / "photos"),)
    source = source_of(Settings(kind, size=200, jpeg=0.0, **named))
    for index in range(6):
        whole, item = source.draw(generator(0, (0, index))), data.training[0, index]
        assert whole.mask is not None and whole.mask.any()
        for name, array in (("input", whole.input), ("target", whole.target)):
            assert np.array_equal(item[name].permute(1, 2, 0)[:150], array)
        assert np.array_equal(item["mask"][0, :150] > 0, whole.mask)


def test_batches_and_crops_grow_by_phases(sources: Path) -> None:
    for kind, planes in (("occlusion", 3), ("handwriting", 3), ("raw", 4)):
        data = drawn(kind, sources, progressive=[(2, 3, 32), (9, 1, 64)])
        shapes = [tuple(batch["input"].shape) for batch in data.train_dataloader()]
        assert shapes == [(3, planes, 32, 32)] * 2 + [(1, planes, 64, 64)]
        assert next(iter(data.val_dataloader()))["input"].shape == (2, planes, 48, 48)


def test_noise_lies_about_a_part_of_a_clean_picture(sources: Path) -> None:
    photos = [read_rgb(path) for path in (sources / "photos").iterdir()]
    data = drawn("noise", sources, hflip=0.0, steps=8)
    for index in range(16):
        item = data.training[0, index]
        noisy, clean = (item[name].permute(1, 2, 0).numpy() for name in ("input", "target"))
        assert any(np.array_equal(nearest(photo, clean), clean) for photo in photos)
        noise = noisy.astype(float) - clean
        assert noise.any() and abs(noise.mean()) < 0.5 * noise.std() + 1


def test_raw_noise_grows_with_the_light_and_goes_below_black(sources: Path) -> None:
    data = drawn("raw", sources, steps=20)
    items = [data.training[0, index] for index in range(40)]
    noisy, clean = (torch.stack([item[name] for item in items]) for name in ("input", "target"))
    assert clean.min() >= 0 and clean.max() <= 1
    assert noisy.min() < 0
    noise = noisy - clean
    assert abs(noise.mean()) < 0.01
    dark, light = clean < 0.05, clean > 0.3
    assert noise[dark].std() < noise[light].std()


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_is_the_same_in_any_process(kind: str, sources: Path) -> None:
    data, other = drawn(kind, sources), drawn(kind, sources, seed=1)
    first = list(data.train_dataloader())
    for again in (drawn(kind, sources, workers=2), pickle.loads(pickle.dumps(data))):
        assert all(map(same, first, again.train_dataloader()))
    assert not same(first[0], next(iter(other.train_dataloader())))
    assert not same(data.training[0, 0], data.training[1, 0])
    assert all(map(same, data.val_dataloader(), data.val_dataloader()))


def test_two_processes_draw_different_items(sources: Path) -> None:
    names = []
    for rank in range(2):
        data = drawn("noise", sources, steps=4)
        data.trainer = SimpleNamespace(global_rank=rank, world_size=2)
        names.append({name for batch in data.train_dataloader() for name in batch["name"]})
    assert len(names[0]) == len(names[1]) == 4 and not names[0] & names[1]


def test_a_part_of_a_page_keeps_its_blanks_and_scale() -> None:
    picture = np.arange(100 * 80 * 3, dtype=np.uint32).astype(np.uint8).reshape(100, 80, 3)
    picture[30:40, 20:60] = 255
    page = Background(picture, [Box(30, 20, 40, 60), Box(95, 0, 100, 5)])
    for seed in range(20):
        part = page.part(np.random.default_rng(seed), 50)
        assert part.picture.shape == (50, 50, 3) and part.unit == 80
        for box in part.blanks:
            assert 0 < box.bottom < 60 and box.top < 50
            if box.right - box.left == 40:
                seen = part.picture[max(0, box.top) : box.bottom, max(0, box.left) : box.right]
                assert (seen == 255).all()
    assert len(page.part(np.random.default_rng(0), 200).blanks) == 2


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.slow if "erasenet" in TRAINED[kind][0] else [])
        for kind in KINDS
    ],
)
def test_the_recipes_for_pairs_train_on_them(
    kind: str, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, narrow = TRAINED[kind]
    options = {**OPTIONS[kind], "kind": kind, "size": 200, "crop": 32, "batch_size": 2}
    options |= {"steps": 2, "workers": 0, "validation_pictures": 2}
    if kind == "occlusion":
        options["progressive"] = [[3, 2, 32], [9, 1, 48]]
    data = [f"--data.init_args.{name}={value}" for name, value in options.items()]
    short = ["max_steps=-1", "limit_train_batches=2", "enable_progress_bar=false"]
    given = [recipe, "--data", str(sources), narrow]
    given += ["--data.class_path=cleanplate.training.data.synthetic.Synthetic", *data]
    given += [f"--trainer.{one}" for one in short]

    def trained(run: str, *more: str) -> dict[str, Any]:
        assert main("train", [*given, "--run", str(tmp_path / run), *more]) == 0
        return torch.load(tmp_path / run / "checkpoints/last.ckpt", weights_only=True)

    whole = trained("whole", "--trainer.max_epochs=2")
    trained("cut", "--trainer.max_epochs=1")
    cut = trained("cut", "--trainer.max_epochs=2", "--resume")
    assert cut["global_step"] == whole["global_step"] == 4
    assert same(whole["current_model_state"], cut["current_model_state"])
    assert "val/psnr" in whole["provenance"]["figures"]


def test_what_is_missing_is_named(sources: Path) -> None:
    with pytest.raises(UsageError, match="no fonts under"):
        drawn("handwriting", sources, pens=[])
    with pytest.raises(UsageError, match="are needed"):
        drawn("noise", sources, validation=[])
    with pytest.raises(UsageError, match="no logos"):
        drawn("watermark", sources, logos=[])
    with pytest.raises(UsageError, match="no cut-out hands"):
        drawn("occlusion", sources, cutouts=[])
    with pytest.raises(UsageError, match="1 or more"):
        drawn("noise", sources, progressive=[(9, 0, 32)])
