"""People with labels or masks, on their own ground or another, and how the locator learns them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cleanplate.errors import UsageError
from cleanplate.training.data.dressed import GROUPS, as_pairs, group_of
from cleanplate.training.data.layouts import survey_any
from cleanplate.training.data.people import People, planes_of
from cleanplate.training.modules.people import MAPS, PeopleLocating

LABELS = "0\tnull\n1\thair\n2\tjeans\n3\tskin\n4\tbag\n"

LOSS = {"person": 1.0, "garment": 0.5, "hair": 0.2, "skin": 0.25, "accessory": 0.1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two labelled people in red, one with a mask alone in blue, and a green picture without."""
    draw(tmp_path / "ccp" / "train", "labels", (200, 30, 30), [1, 2, 3, 4])
    draw(tmp_path / "ccp" / "val", "labels", (200, 30, 30), [1, 2, 3, 4])
    draw(tmp_path / "busts", "masks", (30, 30, 200), [255] * 4)
    (tmp_path / "ccp" / "labels.txt").write_text(LABELS)
    Image.new("RGB", (80, 60), (20, 180, 20)).save(tmp_path / "empty.png")
    (tmp_path / "empty.txt").write_text("empty.png\n")
    return tmp_path


def draw(folder: Path, kind: str, colour: tuple[int, int, int], labels: list[int]) -> None:
    for name in ("photos", kind):
        (folder / name).mkdir(parents=True)
    for number in range(2):
        mask = np.zeros((80, 60), np.uint8)
        for band, label in enumerate(labels):
            mask[10 + 15 * band : 25 + 15 * band, 15:45] = label
        photo = np.where(mask[..., None] > 0, np.uint8(colour), np.uint8(128))
        Image.fromarray(photo).save(folder / "photos" / f"{number}.png")
        Image.fromarray(mask).save(folder / kind / f"{number}.png")


def data_of(folder: Path, **options: object) -> People:
    shares = {"labelled": {"ccp/train": 0.5}, "masked": {"busts": 0.3}} | options
    data = People(empty="empty.txt", validation="ccp/val", folder=str(folder), workers=0, **shares)
    data.setup("fit")
    return data


def test_every_label_has_a_group() -> None:
    assert [group_of(name) for name in ("null", "jeans", "shoes", "hair", "skin", "bag")] == [
        0,
        1,
        1,
        2,
        3,
        4,
    ]


def test_a_crop_tells_who_is_what(folder: Path) -> None:
    data = data_of(folder, labelled={"ccp/train": 1.0}, masked={}, moved=0.0)
    item = data.training[(0, 3, 64)]
    person = item["maps"][0] > 127
    assert 0.02 < person.float().mean() < 0.9
    red = (item["input"][0].int() - item["input"][1] > 60) | (item["input"][0] == item["input"][1])
    assert red[person].float().mean() > 0.8
    assert (item["maps"][1:].sum(0)[item["maps"][0] == 255] > 200).float().mean() > 0.95
    again = data.training[(0, 3, 64)]
    assert torch.equal(item["input"], again["input"])


def test_people_are_laid_on_empty_pictures(folder: Path) -> None:
    data = data_of(folder, labelled={"ccp/train": 1.0}, masked={}, moved=1.0)
    items = [data.training[(0, n, 64)] for n in range(6)]
    green = [(item["input"][1][item["maps"][0] == 0].float().mean() > 120).item() for item in items]
    assert sum(green) >= 5


def test_empty_pictures_and_masks_alone(folder: Path) -> None:
    data = data_of(folder, labelled={"ccp/train": 0.0}, masked={"busts": 0.5}, moved=0.0)
    items = [data.training[(0, n, 64)] for n in range(12)]
    empty = [item for item in items if not item["maps"].any()]
    assert 0 < len(empty) < 12
    assert all((item["known"] == 255).all() for item in empty)
    for item in items:
        assert not item["maps"][1:].any()
        inner = item["maps"][0] == 255
        assert (item["known"][0][inner] == 0).all()


def test_edges_of_labels_are_soft() -> None:
    labels = np.zeros((8, 8), np.uint8)
    labels[:, 3:] = 1
    planes = planes_of(labels)
    assert planes.shape == (4, 4, 2 + len(GROUPS))
    assert planes[0, :, 0].tolist() == pytest.approx([0, 128, 255, 255], abs=1)


def test_the_store_is_made_once_and_anew_for_others(folder: Path) -> None:
    data_of(folder)
    store = folder / "store" / "people.pixels"
    first = store.stat().st_mtime_ns
    data_of(folder)
    assert store.stat().st_mtime_ns == first
    data_of(folder, longest=40)
    assert store.stat().st_mtime_ns != first


def test_a_step_counts_groups_only_where_they_are_told(folder: Path) -> None:
    data = data_of(folder)
    module = PeopleLocating(loss=LOSS)
    items = [data.training[(0, n, 64)] for n in range(2)]
    batch = {name: torch.stack([item[name] for item in items]) for name in items[0]}
    batch["known"] = torch.zeros_like(batch["known"])
    outputs = module(module.unpack(batch)[0])
    assert set(outputs) == set(MAPS)
    total, parts = module.total(outputs, module.unpack(batch)[1])
    assert torch.isfinite(total)
    assert parts["garment"] < 0.01
    assert parts["person"] > 0.1
    total.backward()
    figures, _ = module.measure(outputs, batch)
    assert set(figures) == {f"{name}_iou" for name in MAPS}


def test_the_encoder_learns_more_slowly() -> None:
    module = PeopleLocating(encoder_rate=1e-4)
    groups = module.configure_optimizers()["optimizer"].param_groups
    assert [group["lr"] for group in groups] == [1e-4, 2e-3]


def test_pairs_for_the_ruler(folder: Path) -> None:
    assert as_pairs(folder / "ccp" / "val", folder / "out", ["garment", "hair"]) == 2
    pairs = survey_any(folder / "out").pairs
    assert len(pairs) == 2
    mask = np.asarray(Image.open(pairs[0].mask))
    assert (mask[12, 30], mask[30, 30], mask[45, 30], mask[5, 5]) == (255, 255, 0, 0)
    with pytest.raises(UsageError, match=r"labels\.txt"):
        as_pairs(folder / "busts", folder / "other", ["person"])
