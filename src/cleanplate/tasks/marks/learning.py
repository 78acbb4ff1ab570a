"""Learns the mark that many pictures share, whether it lies at one place in them or moves.

What pictures share is found on small copies of some of them (`seeding.py`), searched for in all
(`searching.py`), and solved for at full size (`solving.py`), twice, as a mark that is known better
is placed better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from cleanplate.errors import PictureError
from cleanplate.picture import Box, Picture
from cleanplate.tasks.maps import Floats
from cleanplate.tasks.marks.mark import Mark, Place
from cleanplate.tasks.marks.patches import PatchStore, covered, patch_of
from cleanplate.tasks.marks.searching import find, refine_at_full_size
from cleanplate.tasks.marks.seeding import Seed, any_position, same_position, smaller
from cleanplate.tasks.marks.solving import FAINT, GradientSums, Patch, solve

SEEDS = 24  # pictures that are held as small copies
SIDE = 512  # pixels of these
ENOUGH = 4  # pictures that must bear the mark
ROUNDS = 3  # of solving, each with weights from the solution before
MOST = 4_000_000  # pixels of a mark
RIM = 4  # pixels around it
SCALES = (0.3, 3.2)  # of a mark, relative to its size in the first picture


class _Done:
    """Counts what of the work is done, and tells its share."""

    def __init__(self, total: int, tell: Callable[[float], None] | None) -> None:
        self.total, self.tell, self.count = total, tell, 0

    def add(self, steps: int) -> None:
        self.count += steps
        if self.tell is not None:
            self.tell(self.count / self.total)


class Learnt(NamedTuple):
    """A mark, and the numbers of the pictures that bear it and of those that do not."""

    mark: Mark
    bearing: list[int]
    others: list[int]


def learn(
    pictures: Sequence[Callable[[], Picture]], progress: Callable[[float], None] | None = None
) -> Learnt:
    """Learn the mark that most of some pictures share.

    Args:
        pictures: each reads one; every picture is read three times, and held only while it is
            worked on.
        progress: is told now and then which share of the work, in [0, 1], is done.

    Raises:
        PictureError: one cannot be read, or they share no mark, or too few of them bear it.
    """
    count = len(pictures)
    if count < ENOUGH:
        raise PictureError(
            f"{count} {'picture is' if count == 1 else 'pictures are'} too few to learn a mark "
            f"from; give at least {ENOUGH} that bear it, better 10 or more."
        )
    chosen = np.unique(np.linspace(0, count - 1, min(SEEDS, count)).astype(int)).tolist()
    copies, heights = [], []
    done = _Done(2 * len(chosen) + 2 * count, progress)
    for number in chosen:
        picture = pictures[number]()
        copies.append(picture.shrunk(SIDE))
        heights.append(picture.height)
        done.add(1)
    copies, rough, places = _rough(copies)
    done.add(len(chosen))
    factors = [copy.shape[0] / height for copy, height in zip(copies, heights, strict=True)]
    scales = [place.scale_y / factors[number] for number, place in places.items()]
    scale = min(float(np.quantile(scales, 0.7)), np.sqrt(MOST / rough.alpha.size))
    mark = rough.scaled((round(rough.size[0] * scale), round(rough.size[1] * scale)))
    known: dict[int, Place | None] = {
        chosen[number]: place.of_copy(1 / factors[number]).of_mark(rough.size, mark.size)
        for number, place in places.items()
    }
    for number in set(chosen) - set(known):
        known[number] = None
    for _ in range(2):
        mark, known = _at_full_size(pictures, mark, known, done)
        bearing = [number for number, place in known.items() if place is not None]
        if len(bearing) < ENOUGH:
            raise _too_few(len(bearing), count)
    others = [number for number, place in known.items() if place is None]
    return Learnt(cropped(mark)[0], sorted(bearing), sorted(others))


def _rough(copies: list[Floats]) -> tuple[list[Floats], Mark, dict[int, Place]]:
    """Learn a mark from small copies; return copies, the mark and its places by their number."""
    found = 0
    for find_seed in (same_position, any_position):  # the first may take a likeness for a mark
        if find_seed is any_position:
            copies = [smaller(copy) for copy in copies]
        seed = find_seed(copies)
        rough = seed and _grown(copies, seed)
        if rough and len(rough[1]) >= ENOUGH:
            return copies, *rough
        found = max(found, len(rough[1]) if rough else 0)
    if found:
        raise _too_few(found, len(copies))
    raise PictureError(
        "No mark was found that these pictures share; give more of them that bear it, and leave "
        "out those that do not."
    )


def _grown(copies: Sequence[Floats], seed: Seed) -> tuple[Mark, dict[int, Place]] | None:
    """Learn a mark, starting from where some copies seem to share it; None where there is none."""
    places, size = seed.places, seed.size
    for _ in range(3):
        mark = learnt_from([patch_of(copies[n], place, size) for n, place in places.items()], size)
        if not mark.alpha.any():
            return None
        mark, _ = cropped(mark)
        size = mark.size
        fits = [find(copy, mark, SCALES) for copy in copies]
        places = {number: fit.place for number, fit in enumerate(fits) if fit is not None}
        if len(places) < ENOUGH:
            break
    return mark, places


def learnt_from(patches: Iterable[Patch], size: tuple[int, int], mark: Mark | None = None) -> Mark:
    """Solve for a mark of a size; the patches are gone through several times."""
    for _ in range(ROUNDS):
        sums = GradientSums(size)
        for patch in patches:
            sums.add(patch, mark)
        mark = solve(sums)
    assert mark is not None
    return mark


def cropped(mark: Mark) -> tuple[Mark, tuple[int, int]]:
    """Crop a mark to what is not empty, with a rim, and return where that begins, too."""
    box = Box.around(mark.alpha > FAINT)
    if box is None:
        return mark, (0, 0)
    rims = [(RIM, RIM), (RIM, RIM)]
    wide = Box(box.top, box.left, box.bottom + 2 * RIM, box.right + 2 * RIM)
    parts = (wide.cut(np.pad(part, rims + [(0, 0)] * (part.ndim - 2))) for part in mark)
    return Mark(*parts), (box.top - RIM, box.left - RIM)


def _at_full_size(
    pictures: Sequence[Callable[[], Picture]],
    mark: Mark,
    known: dict[int, Place | None],
    done: _Done,
) -> tuple[Mark, dict[int, Place | None]]:
    """Place a mark in every picture and solve for it anew; places that are known are refined."""
    patches, places = PatchStore(mark.size), dict[int, Place | None]()
    for number, read in enumerate(pictures):
        picture = read()
        done.add(1)
        if number in known:
            place = known[number]
        else:
            copy = picture.shrunk(SIDE)
            factor = copy.shape[0] / picture.height
            small = mark.scaled(
                (max(round(mark.size[0] * factor), 4), max(round(mark.size[1] * factor), 4))
            )
            fit = find(copy, small, SCALES)
            place = fit and fit.place.of_copy(1 / factor).of_mark(small.size, mark.size)
        fit = refine_at_full_size(picture, mark, place) if place else None
        places[number] = fit.place if fit else None
        box = fit and covered(fit.place, mark.size, (picture.height, picture.width))
        if fit is None or box is None:
            continue
        there = fit.place._replace(top=fit.place.top - box.top, left=fit.place.left - box.left)
        patches.add(patch_of(picture.rgb(box), there, mark.size))
    if len(patches) < ENOUGH:
        return mark, places
    mark, corner = cropped(learnt_from(patches, mark.size, mark))
    return mark, {number: place and _moved(place, corner) for number, place in places.items()}


def _moved(place: Place, corner: tuple[int, int]) -> Place:
    """Return the place of a mark whose corner was moved."""
    return place._replace(
        top=place.top + corner[0] * place.scale_y, left=place.left + corner[1] * place.scale_x
    )


def _too_few(found: int, count: int) -> PictureError:
    return PictureError(
        f"The mark was found in only {found} of {count} pictures, which are too few to learn it "
        f"from; give at least {ENOUGH} that bear it, better 10 or more."
    )
