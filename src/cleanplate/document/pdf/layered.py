"""What a task has changed on a page as it is seen, put into the images that show there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.document.finished import Key, Part, mask_png
from cleanplate.document.pdf import page_masks
from cleanplate.document.pdf.images import Embedded
from cleanplate.document.pdf.layers import Layers
from cleanplate.document.pdf.spots import PageSpots, Spot, box_of
from cleanplate.picture import Box, Picture
from cleanplate.restoring import composite
from cleanplate.tasks.base import Remark

Where = NDArray[np.bool_]
Floats = NDArray[np.float32]
Seen = NDArray[np.uint8]

_MARGIN = 32  # pixels around what is changed, as pixels of a coarse image reach beyond it
_PLAIN_TO_SEE = 8  # levels; less is not missed where it stays
_ALIKE = 24  # levels between what lies beneath ink and what is wanted there
_TURNS = 3
_TOLD = 0.01  # of what was found, what may stay without a word


class Drawn:
    """A page as it is seen, in the shape of an image."""

    def __init__(self, pixels: Seen, name: str) -> None:
        """Copy what is seen, (H, W, 3)."""
        self.picture = Picture.from_array(pixels, name=name)

    def reach(self, mask: Where) -> Where:
        """Return what changes when some pixels do: these alone."""
        return mask


class Opened(NamedTuple):
    """An image that can be edited, and where it may be, (h, w) upright."""

    image: Embedded
    free: Where


class Change(NamedTuple):
    """How a page looked, what a task made of that, both (H, W, 3), and its mask (H, W)."""

    before: Seen
    after: Seen
    mask: Seen


class LayerEdits:
    """The edits of a page's images that a change of what is seen takes.

    Where something is painted through a stencil or a mask, and what lies beneath is about what is
    wanted, nothing is painted any more. Then each pixel of an image, of which most is to change,
    changes by the mean change of all places where it shows; a few times, as what is drawn of a
    coarse image is smooth.

    Attributes:
        parts: the images that are others now.
    """

    def __init__(
        self,
        layers: Layers,
        page: PageSpots,
        change: Change,
        opened: Callable[[Spot], Opened | None],
    ) -> None:
        """Edit the images.

        Args:
            layers: of the page, drawn as it was; afterwards as it is.
            page: its images.
            change: what is wanted.
            opened: opens an image; None where it stays as it is.

        Raises:
            PictureError: the page cannot be drawn.
        """
        self.parts: dict[Key, Part] = {}
        self._layers, self._page, self._mask, self._open = layers, page, change.mask, opened
        self._known: dict[Key, Opened | None] = {}
        self._edited: dict[Key, Where] = {}
        self._said: dict[Key, tuple[Remark, ...]] = {}
        self._stays = 0.0
        changed = Box.around((change.before != change.after).any(2))
        if changed is None:
            return
        self._box = changed.grown(_MARGIN, layers.size)
        before, self._after = self._box.cut(change.before), self._box.cut(change.after)
        self._wanted = (self._after != before).any(2)
        masks: list[Spot] = []
        images: list[Spot] = []
        for spot in filter(self._is_near, page.layers):
            (images if spot.bare is None else masks).append(spot)
        self._take_ink_off(masks, before)
        now = layers.seen(self._box) if self.parts else before
        # Once ink is off, no image is touched for the rest of its edges.
        self._least = _ALIKE if self.parts else 0
        self._stays = self._staying(before, self._change(images, now))

    @property
    def remarks(self) -> list[Remark]:
        """What there is to say of the images."""
        said = [
            one._replace(text=f"image {key[0]}: {one.text}")
            for key, some in self._said.items()
            for one in some
        ]
        if self._stays > _TOLD:
            text = (
                f"{self._stays:.0%} of what was found in its layers together stays, as it lies in "
                "an image or a stencil that is not to be changed there"
            )
            said.append(Remark("layers-left-out", text))
        return said

    def _is_near(self, spot: Spot) -> bool:
        """Return whether an image lies where something is to be changed."""
        scale = np.array(self._layers.size[::-1]) / self._page.shape.size
        (left, top), (right, bottom) = (corner * scale for corner in box_of(spot, self._page.shape))
        box = self._box
        return bool(left < box.right and right > box.left and top < box.bottom and bottom > box.top)

    def _take_ink_off(self, masks: list[Spot], before: Seen) -> None:
        """Paint no more through masks where what lies beneath is about what is wanted."""
        if not masks:
            return
        beneath = self._layers.without(masks, self._box)
        better = 2 * _distance(beneath, self._after) < _distance(before, self._after)
        better &= np.abs(beneath.astype(int) - self._after).max(2) <= _ALIKE
        plane = better.astype(np.float32)
        for spot in masks if better.any() else ():
            over = np.max([self._averaged(plane, spot, place) for place in spot.places], 0) > 0.5
            opened = self._opened(spot) if over.any() else None
            if opened is not None:
                picture = opened.image.picture
                painted = picture.pixels[..., 0] != spot.bare
                edited = picture.upright(over) & painted & opened.free
                bare = np.full((*edited.shape, 3), bool(spot.bare), np.float32)
                self._put(spot, opened.image, bare, edited)

    def _change(self, spots: list[Spot], now: Seen) -> Seen:
        """Change images so that what is seen is what is wanted; return what is seen then."""
        wanted = (self._after != now).any(2)
        shares = {one.key: self._layers.share(one.key, self._box) for one in spots if wanted.any()}
        total = np.zeros(wanted.shape, np.float32)
        for share in shares.values():
            total += share * np.float32(1 / 255)
        for turn in range(_TURNS):
            step = self._after.astype(np.float32) - now
            far = np.abs(step).max(2)
            step[far <= self._least] = 0
            if not step.any() or (turn and far.max() <= _PLAIN_TO_SEE):
                break
            step /= 255 * np.maximum(total, 1)[..., None]  # some are mixed, as by multiplying
            moved = [
                self._move(spot, shares[spot.key], step)
                for spot in spots
                if shares[spot.key][wanted].any()
            ]
            if not any(moved):
                break
            now = self._layers.seen(self._box)
        return now

    def _move(self, spot: Spot, shows: Seen, step: Floats) -> bool:
        """Change an image by the mean step where it shows, and half of that is to change at least;
        return whether it is another now.
        """
        opened = self._opened(spot)
        if opened is None:
            return False
        share = np.multiply(shows, np.float32(1 / 255), dtype=np.float32)
        weight, found, moved = (
            np.sum([self._averaged(plane, spot, place) for place in spot.places], 0)
            for plane in (share, share * self._wanted, share[..., None] * step)
        )
        picture = opened.image.picture
        mean = picture.upright(moved / np.maximum(weight, 1e-6)[..., None])
        known = picture.upright(found >= 0.5 * np.maximum(weight, 1e-6))
        edited = (np.abs(mean) > 0.5 / 255).any(2) & known & opened.free
        return self._put(spot, opened.image, picture.rgb() + mean, edited)

    def _opened(self, spot: Spot) -> Opened | None:
        if spot.key not in self._known:
            self._known[spot.key] = self._open(spot)
        return self._known[spot.key]

    def _averaged(self, plane: Floats, spot: Spot, place: NDArray[np.float64]) -> Floats:
        return page_masks.averaged(
            plane, self._page.shape, place, spot.size, self._layers.size, self._box
        )

    def _put(self, spot: Spot, image: Embedded, fill: Floats, edited: Where) -> bool:
        """Give an image other colours where it is `edited`, and keep it; return whether it is
        anywhere.
        """
        if not edited.any():
            return False
        picture = image.picture
        composite(picture, Box(0, 0, *edited.shape), fill, edited.astype(np.float32))
        edited |= self._edited.get(spot.key, False)
        self._edited[spot.key] = edited
        coded = image.coded(edited)
        self._layers.put(spot.key, coded)
        shape, name = self._page.shape, picture.name
        found = page_masks.taken_from(self._mask, shape, spot.seen, spot.size, name)
        mask = np.where(picture.lying(edited), np.maximum(found, 1), 0).astype(np.uint8)
        self.parts[spot.key] = coded.part(mask_png(mask))
        self._said[spot.key] = coded.remarks
        return True

    def _staying(self, before: Seen, now: Seen) -> float:
        """Return the share, 0 to 1, of what was plain to see and is about as it was."""
        plain = np.abs(self._after.astype(int) - before).max(2) > _PLAIN_TO_SEE
        stays = plain & (np.abs(self._after.astype(int) - now).max(2) > self._least)
        stays &= 2 * _distance(now, self._after) > _distance(before, self._after)
        return int(np.count_nonzero(stays)) / max(int(np.count_nonzero(plain)), 1)


def _distance(one: Seen, other: Seen) -> Floats:
    return np.asarray(np.abs(one.astype(np.float32) - other).sum(2), np.float32)
