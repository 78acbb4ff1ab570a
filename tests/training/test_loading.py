"""Batches, crops and the cache."""

from __future__ import annotations

import pickle
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cleanplate.errors import CleanplateError, PictureError, UsageError
from cleanplate.training.data.augmentation import Augmentation, centre
from cleanplate.training.data.cache import PictureCache
from cleanplate.training.data.clean_crops import CleanData
from cleanplate.training.data.handwritten import Handwritten
from cleanplate.training.data.layouts import survey
from cleanplate.training.data.loading import Stream, generator
from cleanplate.training.data.occluded import Occluded
from cleanplate.training.data.paired import spread
from cleanplate.training.data.pairs import Pairs
from cleanplate.training.data.people import People
from cleanplate.training.data.synthetic import Synthetic
from cleanplate.training.data.watermarked import Watermarked


def test_crops_of_a_pair_stay_together() -> None:
    rows = np.arange(60, dtype=np.uint8)[:, None, None] * np.ones((60, 70, 3), np.uint8)
    columns = np.arange(70, dtype=np.uint8)[None, :, None] * np.ones((60, 70, 1), np.uint8)
    augment = Augmentation(crop=16, hflip=0.5, vflip=0.5)
    seen = set()
    for number in range(40):
        a, b = augment([rows, columns], generator(0, (0, number)))
        assert a.shape == (16, 16, 3) and b.shape == (16, 16, 1)
        assert set(np.diff(a[:, 0, 0].astype(int))) <= {1, -1}  # never resized
        seen.add((int(a[0, 0, 0]) - int(a[1, 0, 0]), int(b[0, 0, 0]) - int(b[0, 1, 0])))
    assert seen == {(1, 1), (1, -1), (-1, 1), (-1, -1)}


def test_small_pictures_are_padded_by_reflection() -> None:
    small = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    [cut] = Augmentation(crop=5, hflip=0)([small], generator(0, (0, 0)))
    assert cut[..., 0].tolist() == [
        [0, 1, 2, 1, 0],
        [3, 4, 5, 4, 3],
        [0, 1, 2, 1, 0],
        [3, 4, 5, 4, 3],
        [0, 1, 2, 1, 0],
    ]


def test_centre_is_the_middle() -> None:
    [cut] = centre([np.arange(7, dtype=np.uint8).reshape(1, 7, 1)], 3)
    assert cut[0, :, 0].tolist() == [2, 3, 4]


def test_every_round_holds_every_sample_once() -> None:
    stream = Stream(7, 2, seed=5)
    assert len(stream) == 3
    keys = [key for number in range(3) for key in stream.batch(number)]
    assert len({index for _, index in keys}) == 6
    assert stream.batch(3) != stream.batch(0)
    both = [set(Stream(8, 2, 5, rank, 2).batch(0)) for rank in (0, 1)]
    assert not both[0] & both[1]
    assert len(Stream(1, 4, 0).batch(0)) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_goes_on_where_it_was(plain: Path, workers: int) -> None:
    data = Pairs(str(plain), crop=16, batch_size=1, workers=workers, cache_gigabytes=0.001)
    data.setup("fit")
    whole = data.train_dataloader()
    expected = [batch for _ in range(2) for batch in whole]
    first = data.train_dataloader()
    for batch, _ in zip(first, range(3), strict=False):
        assert batch["input"].shape == (1, 3, 16, 16)
    state = first.state_dict()
    assert state == {"served": 3} or state == {"served": 4}  # zip may fetch one more
    second = data.train_dataloader()
    second.load_state_dict(state)
    for batch, wanted in zip(second, expected[state["served"] :], strict=False):
        assert batch["name"] == wanted["name"]
        assert torch.equal(batch["input"], wanted["input"])
        assert torch.equal(batch["mask"], wanted["mask"])
    assert whole.waited > 0


def test_cache_keeps_until_it_is_full() -> None:
    cache = PictureCache(3, limit=20)
    pictures = [np.full((2, 2, 2), value, np.uint8) for value in range(3)]
    read: list[int] = []

    def reader(number: int) -> np.ndarray:
        read.append(number)
        return pictures[number]

    for _ in range(2):
        for number in range(3):
            got = cache.get(number, lambda number=number: reader(number))
            assert np.array_equal(got, pictures[number])
    assert read == [0, 1, 2, 2]
    assert cache.used == 16
    alone = pickle.loads(pickle.dumps(cache))
    assert alone.used == 0 and alone.limit == 20


def test_lists_and_validation(competition: Path) -> None:
    (competition / "train.txt").write_text(
        "".join(f"{p.name}\n" for p in survey(competition).pairs[:12])
    )
    (competition / "validation.txt").write_text(
        "".join(f"{p.name}\n" for p in survey(competition).pairs[12:])
    )
    data = Pairs(str(competition), validation_pictures=2, validation_side=32, workers=0)
    data.setup("fit")
    assert len(data.training) == 12
    assert [p.name[-8:] for p in data.validation] == ["0000.png", "0003.png"]
    [first, _] = list(data.val_dataloader())
    assert first["target"].shape == (1, 3, 32, 32)
    assert first["mask"].dtype == torch.uint8
    assert spread(data.validation, None) == data.validation


@pytest.mark.parametrize("listed", ["pairs.txt", "train.txt"])
def test_a_list_that_names_what_is_gone_is_refused_or_skipped(plain: Path, listed: str) -> None:
    names = [pair.name for pair in survey(plain).pairs]
    (plain / listed).write_text("".join(f"{name}\n" for name in names[:5]))
    (plain / "validation.txt").write_text(f"{names[5]}\n")
    (plain / names[2]).unlink()
    pairs = None if listed == "train.txt" else listed
    with pytest.raises(CleanplateError, match=rf"1 pairs that .*{listed} names .*p2\.png"):
        Pairs(str(plain), pairs=pairs).setup("fit")
    data = Pairs(str(plain), pairs=pairs, faulty="skip", everything=True)
    with pytest.warns(UserWarning, match=rf"left out: 1 pairs that .*{listed} names .*p2\.png"):
        data.setup("fit")
    kept = {pair.name for pair in data.training}
    assert kept == {name for name in names[: 5 if pairs else 6] if name != names[2]}


def test_a_truncated_picture_is_named(plain: Path) -> None:
    data = Pairs(str(plain), crop=16, batch_size=1, workers=0)
    data.setup("fit")
    for pair in data.training:
        pair.input.write_bytes(pair.input.read_bytes()[:100])
    with pytest.raises(PictureError, match=r"input.p\d\.png"):
        next(iter(data.train_dataloader()))


def test_loader_leaves_the_random_numbers_alone(plain: Path) -> None:
    data = Pairs(str(plain), crop=16, batch_size=1, workers=0)
    data.setup("fit")
    state = torch.get_rng_state()
    assert len(list(data.train_dataloader())) == len(data.training)
    assert len(list(data.val_dataloader())) == len(data.validation)
    assert torch.equal(torch.get_rng_state(), state)


def test_an_epoch_of_a_stated_size_repeats_few_and_spreads_many() -> None:
    few = Stream(3, 2, seed=0, epoch_size=8)
    assert len(few) == 4
    keys = [key for number in range(6) for key in few.batch(number)]
    assert sorted(keys) == [(turn, index) for turn in range(4) for index in range(3)]
    many = Stream(100, 2, seed=0, epoch_size=8)
    many.start = len(many)
    seen = [key for batch in many for key in batch]
    assert len(seen) == 8
    assert not set(seen) & {key for number in range(4) for key in many.batch(number)}
    both = [Stream(3, 2, 0, rank, 2, epoch_size=8) for rank in (0, 1)]
    assert [len(one) for one in both] == [2, 2]
    together = sorted(key for one in both for number in range(3) for key in one.batch(number))
    assert together == keys_sorted(Stream(3, 4, 0, epoch_size=8), 3)


def keys_sorted(stream: Stream, batches: int) -> list[tuple[int, int]]:
    return sorted(key for number in range(batches) for key in stream.batch(number))


def test_epochs_of_a_data_module(plain: Path) -> None:
    data = Pairs(str(plain), batch_size=2, epoch_size=10, workers=0, validation_share=0.34, crop=16)
    data.setup("fit")
    assert len(list(data.train_dataloader())) == 5
    with pytest.raises(CleanplateError, match="epoch_size"):
        Pairs(str(plain), epoch_size=0)


KINDS = [Pairs, CleanData, Handwritten, Occluded, Synthetic, Watermarked]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        *((kind, "batch_size", 0) for kind in KINDS),
        *((kind, "workers", -1) for kind in [*KINDS, People]),  # whose phases have the batch size
    ],
)
def test_sizes_that_no_loader_can_have(kind: Any, name: str, value: int) -> None:
    needed = {
        given: given
        for given, one in signature(kind).parameters.items()
        if one.default is one.empty and one.kind is not one.VAR_KEYWORD
    }
    with pytest.raises(UsageError, match=f"{name} is . or more, not {value}"):
        kind(**needed, **{name: value})
