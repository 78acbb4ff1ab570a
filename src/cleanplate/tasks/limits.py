"""Where the user lets a picture be changed: the one door to a task, whichever it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate import restoring
from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import Box, Picture, RawPicture
from cleanplate.tasks.base import Cleaned, Remark, Task, share_filled
from cleanplate.tasks.masks import Masks, remarks_of

SHARES = ("filled", "kept")  # of the picture, in reports

MASK_OUTSIDE = Remark(
    "mask-outside", "the mask names nothing in the region, or only what is protected"
)

Where = NDArray[np.bool_]


class Limits(NamedTuple):
    """Where a picture may be changed.

    Attributes:
        region: what the task is shown of it, upright; None: all.
        protect: masks of what is never touched.
    """

    region: Box | None = None
    protect: Masks | None = None

    def box(self, picture: Picture | RawPicture) -> Box:
        """Return the part of a picture that the task is shown.

        Raises:
            PictureError: the region lies beside the picture.
        """
        height, width = picture.height, picture.width
        if self.region is None:
            return Box(0, 0, height, width)
        top, left, bottom, right = self.region
        if top >= height or left >= width:
            raise PictureError(
                f"{picture.name}: the region begins at {left},{top}, outside of the picture, which "
                f"has {width}x{height} pixels."
            )
        return Box(top, left, min(bottom, height), min(right, width))


NONE = Limits()


def limits_of(
    region: Sequence[int] | None, protect: str | Path | NDArray[Any] | Picture | None
) -> Limits:
    """Return the limits that the user sets.

    Args:
        region: see `region_of`.
        protect: see `Masks`.

    Raises:
        UsageError: the region is none.
        PictureError: the mask cannot be read.
    """
    return Limits(
        None if region is None else region_of(region),
        None if protect is None else Masks(protect, role="the mask of what is protected"),
    )


def region_of(numbers: Sequence[int]) -> Box:
    """Return a region from its left and top edge, width and height, in pixels.

    Raises:
        UsageError: these are no four such numbers.
    """
    given = tuple(numbers) if isinstance(numbers, Iterable) else ()
    whole = all(isinstance(one, int | np.integer) for one in given)
    if len(given) != 4 or not whole or min(given) < 0 or min(given[2:]) < 1:
        shown = ",".join(map(str, given)) if given and whole else repr(numbers)
        raise UsageError(
            f"A region is x,y,width,height in whole pixels, such as 0,0,640,480, not {shown}."
        )
    left, top, width, height = map(int, given)
    return Box(top, left, top + height, left + width)


def clean_with(
    task: Task, picture: Any, masks: Masks | None = None, limits: Limits = NONE
) -> Cleaned:
    """Clean a picture in place, under its mask where there are masks, and within limits.

    Args:
        task: what cleans it.
        picture: a Picture, or a RawPicture for a task that takes such.
        masks: what is to be worked on.
        limits: where it may be changed.

    Raises:
        PictureError: a mask cannot be had, see `Masks.of`, or the region lies beside the picture.
        UsageError: the task makes another size of the part that it is shown.
        CleanplateError: what the task raises.
    """
    mask = None if masks is None else masks.of(picture)
    remarks = [] if mask is None else remarks_of(mask)
    if limits == NONE:
        done = task.clean(picture, mask=mask)
    else:
        box, free, said = _allowed(picture, limits)
        if mask is not None and not remarks and not box.cut(mask)[free].max(initial=0) > 0.5:
            said.append(MASK_OUTSIDE)
        remarks += said
        mask = None if mask is None else box.cut(mask) * free
        if isinstance(picture, RawPicture):
            done = _clean_mosaic(task, picture, box, free)
        else:
            done = clean_part(task, picture, mask, box, free)
    done.remarks[:0] = remarks
    return done


def _allowed(picture: Any, limits: Limits) -> tuple[Box, Where, list[Remark]]:
    """Return the part that is worked on, where in it (h, w) pixels may change, and what is odd."""
    box = limits.box(picture)
    if limits.protect is None:
        return box, np.ones(box.size, bool), []
    kept: Where = limits.protect.of(picture) > 0.5
    said = []
    if not kept.any():
        said.append(Remark("mask-protects-nothing", "the mask of what is protected names nothing"))
    elif kept.all():
        said.append(Remark("mask-protects-all", "all of the picture is protected"))
    if isinstance(picture, Picture):
        kept = picture.reach(kept)
    return box, ~box.cut(kept), said


def clean_allowed(
    task: Task,
    picture: Picture,
    mask: NDArray[np.float32] | None,
    box: Box,
    free: Where,
    remarks: list[Remark],
) -> Cleaned | None:
    """Do as `clean_part`, unless nothing may be changed; `remarks` get why a mask names nothing.

    Args:
        task: cleans the part.
        picture: is changed.
        mask: (H, W) in [0, 1], of the whole picture; None: the task finds by itself.
        box: the part.
        free: (h, w), where in the part pixels may change.
        remarks: of the picture.

    Raises:
        UsageError: see `clean_part`.
        CleanplateError: see `clean_part`.
    """
    if not free.any():
        return None
    if mask is not None:
        mask = box.cut(mask) * free
        if not (mask > 0.5).any():
            remarks.append(MASK_OUTSIDE)
            return None
    return clean_part(task, picture, mask, box, free)


def clean_part(
    task: Task, picture: Picture, mask: NDArray[np.float32] | None, box: Box, free: Where
) -> Cleaned:
    """Have a task clean a copy of a part of a picture, and put back what may be changed.

    Args:
        task: cleans the part.
        picture: is changed.
        mask: (h, w) in [0, 1], of the part; None: the task finds by itself.
        box: the part.
        free: (h, w), where in the part pixels may change.

    Raises:
        UsageError: the task makes another size of the part.
        CleanplateError: what the task raises.
    """
    part = picture.part(box)
    done = task.clean(part, mask=mask)
    if (part.height, part.width) != box.size:
        raise UsageError(
            "A picture is cut down as a whole: leave out the region and what to protect."
        )
    restoring.put_back(picture, box, part, done.edited & free)
    return _of_whole(done, picture, box, free)


def _clean_mosaic(task: Task, picture: RawPicture, box: Box, free: Where) -> Cleaned:
    """Have a task clean a mosaic, and give back the samples that may not be changed."""
    before = picture.mosaic.samples.copy()
    done = task.clean(picture)  # type: ignore[arg-type]
    changeable = np.zeros(before.shape, bool)
    box.cut(changeable)[:] = free
    restoring.give_back(picture.mosaic, before, ~changeable)
    picture.noise_left = 1.0  # here and there
    done.mask[~changeable] = 0
    return done


def _of_whole(done: Cleaned, picture: Picture, box: Box, free: Where) -> Cleaned:
    """Return what was done to a part as what was done to the picture."""
    mask = np.zeros((picture.height, picture.width), np.uint8)
    changed = None
    if done.changed is None:
        box.cut(mask)[:] = np.where(free, done.mask, 0)
    else:
        box.cut(mask)[:] = done.mask
        changed = np.zeros(mask.shape, bool)
        box.cut(changed)[:] = done.changed & free
    report = done.report
    report.update({name: share_filled(mask) for name in SHARES if name in report})
    return Cleaned(picture, mask, report, done.steps, done.remarks, done.doubt, changed)
