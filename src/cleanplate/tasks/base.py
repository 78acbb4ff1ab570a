"""What every task takes and gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import Box, Picture, RawPicture
from cleanplate.restoring import composite, feather

EDGE = 1.5  # pixels around a find in which the picture passes into the fill
REACH = int(EDGE)  # the same in whole rows
FOUND, NEAR = 255, 127  # values in a mask: of a find, and at most of its soft edge

Report = dict[str, float | int | str]


class Remark(NamedTuple):
    """What a picture that is done has to say, such as that something of it was left out.

    Attributes:
        code: for programs: lower-case words with hyphens, such as `gain-map-left-out`.
        text: for people: a sentence without the picture's name and without a full stop.
    """

    code: str
    text: str

    @property
    def grave(self) -> bool:
        """Whether it is about a mask, or something that is lost: a failure where all is to be
        strict.
        """
        return self.code.startswith("mask-") or self.code.endswith(("-left-out", "-again"))

    def of_page(self, number: int) -> Remark:
        """Return the remark as one about a document, which says of which page it is."""
        return self._replace(text=f"page {number}: {self.text}")


@dataclass
class Cleaned:
    """A picture after a task, and what the task did to it.

    Attributes:
        picture: the picture that the task was given, changed in place.
        mask: (H, W) uint8, how sure the task is of each pixel: above 127 is found, and exactly 0
            where the picture was left untouched. 255 throughout where a task has changed the whole
            picture; of a cut-out, what is kept.
        report: what there is to tell, such as the share of the picture that was filled in.
        steps: what the task went through, by name: small pictures (h, w, 1 or 3) in [0, 1].
        remarks: what the user should know.
        doubt: 0 to 1, how unsure the task is of what it found and did, so that a person can look at
            the worst first; None where it cannot tell.
        changed: (H, W) bool, where colours may have changed; None: where the mask is not 0.
    """

    picture: Picture | RawPicture
    mask: NDArray[np.uint8]
    report: Report
    steps: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    doubt: float | None = None
    changed: NDArray[np.bool_] | None = None

    @property
    def edited(self) -> NDArray[np.bool_]:
        """Where the picture may have changed, (H, W) bool: what `Picture.encode` wants to know."""
        return self.mask > 0 if self.changed is None else self.changed

    @property
    def unchanged(self) -> bool:
        """Whether the picture is what it was: there was nothing to do."""
        return not self.edited.any() and not self.picture.new_alpha

    def losses(self, *, strip_metadata: bool = False, format: str | None = None) -> list[Remark]:
        """Return what is lost when the picture is encoded so; see `Picture.encode`."""
        lost = self.picture.losses(self.edited, strip_metadata=strip_metadata, format=format)
        return [Remark(*one) for one in lost.items()]

    @property
    def filled(self) -> float:
        """The share of the picture's pixels, 0 to 1, that were found and filled in."""
        return share_filled(self.mask)

    @property
    def device(self) -> str | None:
        """What the models ran on; None where the report does not say."""
        device = self.report.get("device")
        return None if device is None else str(device)


def share_filled(mask: NDArray[np.uint8]) -> float:
    """Return the share of a picture's pixels, 0 to 1, that its mask (H, W) says were filled in."""
    count = sum(int(np.count_nonzero(row > 127)) for row in mask)  # no second map as large
    return round(count / mask.size, 6)


def doubt_of(probabilities: Iterable[float]) -> float:
    """Return the doubt about finds of which each is probably (0 to 1) what is searched for.

    That is the doubt about the most doubtful one: 1 at a probability of one half, 0 where all are
    certain, one way or the other.
    """
    return round(max((1 - abs(2 * float(one) - 1) for one in probabilities), default=0.0), 3)


class Task(Protocol):
    """A kind of cleaning: it holds models and options, and nothing of a picture.

    Several threads may clean with one task at a time.
    """

    def clean(self, picture: Picture, *, mask: NDArray[np.float32] | None = None) -> Cleaned:
        """Clean a picture in place, through the functions of `restoring` alone.

        Args:
            picture: is changed.
            mask: (H, W) in [0, 1], upright; what the user says is to be worked on, above 0.5. None:
                the task finds it by itself.

        Raises:
            UsageError: the task takes no mask, needs one, or cannot do with these models; what is
                wrong with one picture is wrong with all of them.
            CleanplateError: the picture cannot be cleaned.
        """
        ...


def write_found(
    picture: Picture,
    mask: NDArray[np.uint8],
    box: Box,
    fill: NDArray[np.float32],
    sure: NDArray[np.bool_],
) -> None:
    """Composite a fill (3, h, w) into a box where `sure` (h, w), and note it in the mask (H, W).

    A find that is written in several boxes, from top to bottom, still has one soft edge. What was
    found in the box above is read from the mask; where the edge reaches back into the last row of
    that box, it is filled with the first row of this fill.
    """
    above = box._replace(top=max(0, box.top - REACH), bottom=box.top)
    noted = above.cut(mask)
    share = feather(np.concatenate([noted == FOUND, sure]), EDGE)
    inner, outer = share[len(noted) :], share[: len(noted)]
    if outer.any():
        had = np.minimum(noted / np.float32(NEAR), 1)
        lacking = np.clip((outer - had) / np.maximum(1 - had, 1 / NEAR), 0, 1)
        composite(picture, above, fill[:, : len(noted)].transpose(1, 2, 0), lacking)
        _note(noted, outer)
    composite(picture, box, fill.transpose(1, 2, 0), inner)
    _note(box.cut(mask), inner)


def _note(mask: NDArray[np.uint8], share: NDArray[np.float32]) -> None:
    noted = np.where(share == 1, FOUND, np.ceil(share * NEAR)).astype(np.uint8)
    np.maximum(mask, noted, out=mask)
