"""Forms, exam papers and seals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cleanplate.training.data.synthesis.forms import Forms, FormSetter, ruled
from cleanplate.training.data.synthesis.lettering import Lettering
from cleanplate.training.data.synthesis.seals import Seals, framed, rounded, square


@pytest.fixture(scope="module")
def lettering(sources: Path) -> Lettering:
    return Lettering([sources / "fonts"])


@pytest.mark.parametrize("seed", range(6))
def test_forms_have_blanks_with_nothing_in_them(lettering: Lettering, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sheet, rules = (Image.new("L", (560, 800), 255) for _ in range(2))
    setter = FormSetter(rng, lettering, sheet, rules)
    (setter.exam if seed % 2 else setter.form)()
    both = np.minimum(np.asarray(sheet), np.asarray(rules))
    assert len(setter.blanks) > 5
    assert both.min() < 128
    printed = []
    for top, left, bottom, right in setter.blanks:
        assert 0 <= top < bottom <= 800 and 0 <= left < right <= 560
        inner = both[top + 2 : bottom - 3, left + 2 : right - 2]
        printed.append((inner < 128).mean() if inner.size else 0.0)
    assert np.median(printed) == 0 and np.mean(printed) < 0.03


def test_a_form_is_the_same_for_the_same_seed(lettering: Lettering) -> None:
    forms = Forms(lettering)
    one, two, other = (forms.draw(np.random.default_rng(s), 300) for s in (1, 1, 2))
    assert one.page.shape[0] == 300 and one.page.dtype == np.uint8
    assert np.array_equal(one.page, two.page) and one.blanks == two.blanks
    assert one.page.shape != other.page.shape or not np.array_equal(one.page, other.page)
    assert np.median(one.page) > 150


def test_rules_take_their_colour() -> None:
    page = np.full((4, 4, 3), 200, np.uint8)
    rules = np.full((4, 4), 255, np.uint8)
    assert ruled(page, rules, (0.5, 0.2, 0.2)) is page
    rules[1] = 0
    printed = ruled(page, rules, (0.5, 0.2, 0.2))
    assert printed[1, 0].tolist() == [100, 40, 40]
    assert np.array_equal(printed[[0, 2, 3]], page[[0, 2, 3]])


def test_seals_are_round_square_or_framed(lettering: Lettering) -> None:
    rng, (path, _) = np.random.default_rng(0), lettering.faces[0]
    ring = rounded(rng, path, "SOME COMPANY", 80, False)
    assert ring.shape == (80, 80)
    assert ring[:8, :8].max() == 0 and ring[:4, 30:50].max() > 0.5
    name = square(rng, path, "ABC", 40)
    assert name.shape == (40, 40) and name[0].mean() > 0.5
    stamp = framed(rng, path, "PAID", 80)
    assert stamp.shape[1] > 1.2 * stamp.shape[0]
    for seal in (ring, name, stamp):
        assert seal.min() >= 0 and 0.05 < seal.mean() < 0.8


def test_a_seal_is_printed_in_colour_on_the_page(lettering: Lettering) -> None:
    seals, page = Seals(lettering), np.full((400, 300, 3), 230, np.uint8)
    reds = 0
    for seed in range(10):
        stamped = seals.stamp(np.random.default_rng(seed), page, 300)
        changed = (stamped != page).any(-1)
        assert 0.001 < changed.mean() < 0.2
        assert (stamped <= page).all()
        reds += int(stamped[changed].mean(0).argmax() == 0)
    assert reds >= 5
