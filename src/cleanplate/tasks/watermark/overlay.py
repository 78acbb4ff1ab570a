"""The opacity and colour of a half-transparent overlay, and what can be seen through it.

An overlay of one opacity and one colour obeys `picture = (1 - alpha) * clean + alpha * colour`,
where `alpha = opacity * cover`. What lies just inside its outline and what lies just outside are
parts of the same clean picture, so that the mean and the spread of the one tell how the overlay
changed those of the other. That needs no training, and the more outline there is, the surer it is.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.tasks.maps import Floats

REACH = 4.0  # standard deviation in pixels of the neighbourhoods that are compared
LEAST_OUTLINE = 4.0  # sum of neighbourhood shares from which the two sides can be compared
LEAST_SEEN = 0.08  # share of the clean picture that must show through to be solved for


class Overlay(NamedTuple):
    """Opacity in [0, 1] where a pixel is wholly covered; colour (3,) in [0, 1], RGB."""

    opacity: float
    colour: Floats


NOTHING = Overlay(0.0, np.zeros(3, np.float32))


class Sides(NamedTuple):
    """What lies just inside an overlay's outline, against what lies just outside.

    Attributes:
        inside: mean colour (3,).
        outside: mean colour (3,).
        ratio: spread inside over spread outside.
        correlation: of the two sides, -1 to 1.
        outline: how much outline there is, as a sum of shares of neighbourhoods.
        spread: standard deviation outside.
    """

    inside: Floats
    outside: Floats
    ratio: float
    correlation: float
    outline: float
    spread: float


def compare(picture: Floats, cover: Floats) -> Sides | None:
    """Compare the two sides of an overlay's outline; None where there is too little of it.

    Args:
        picture: (H, W, 3) in [0, 1].
        cover: (H, W) in [0, 1], how far the overlay covers each pixel.
    """
    drawn = cover[cover > 0.3]
    if not drawn.size:
        return None
    # No pixel of a thin stroke is wholly covered: take those that are covered most.
    inside, within = _means(picture, cover > 0.9 * np.quantile(drawn, 0.9))
    outside, without = _means(picture, cover < 0.1)
    both = (within > 0.1) & (without > 0.1)
    weight = np.minimum(within, without)[both][:, None]
    outline = weight.sum()
    if outline < LEAST_OUTLINE:
        return None
    weight = weight / outline
    mean_in, mean_out = (weight * inside[both]).sum(0), (weight * outside[both]).sum(0)
    away_in, away_out = inside[both] - mean_in, outside[both] - mean_out
    spread_in, spread_out = (weight * away_in**2).sum(), (weight * away_out**2).sum() + 1e-8
    alike = (weight * away_in * away_out).sum() / np.sqrt(spread_in * spread_out + 1e-12)
    ratio = np.sqrt(spread_in / spread_out)
    spread = float(np.sqrt(spread_out))
    return Sides(mean_in, mean_out, float(ratio), float(alike), float(outline), spread)


def estimate(picture: Floats, cover: Floats) -> Overlay:
    """Estimate an overlay from the two sides of its outline.

    Inside, means are `(1 - opacity) * outside + opacity * colour` and spreads `1 - opacity` times
    those outside. The ratio of spreads, unlike a regression, is not biased by how much the clean
    picture itself differs between the two sides (reduced major axis; Kermack and Haldane,
    Biometrika 1950). Where the sides have little in common, or there is little outline, the ratio
    is raised by its standard error: taking off too little harms less than taking off too much.
    It is lowered where no colour could otherwise make the means meet.

    Args:
        picture: (H, W, 3) in [0, 1].
        cover: (H, W) in [0, 1], how far the overlay covers each pixel.

    Returns:
        The overlay; one of opacity 0 where there is too little outline to tell.
    """
    sides = compare(picture, cover)
    if sides is None:
        return NOTHING
    mean_in, mean_out = sides.inside, sides.outside
    places = max(sides.outline / (2 * np.pi * REACH**2), 1)  # independent neighbourhoods
    doubt = np.exp(np.sqrt(max(1 - sides.correlation**2, 0) / places))
    possible = np.minimum(mean_in / (mean_out + 1e-3), (1 - mean_in) / (1 - mean_out + 1e-3)).min()
    clear = float(np.clip(min(sides.ratio * doubt, possible), LEAST_SEEN, 0.97))
    colour = np.clip((mean_in - clear * mean_out) / (1 - clear), 0, 1)
    return Overlay(1 - clear, colour.astype(np.float32))


def seen_through(picture: Floats, alpha: Floats, colour: Floats) -> Floats:
    """Solve for the clean picture.

    Args:
        picture: (H, W, 3) in [0, 1].
        alpha: (H, W), opacity times cover.
        colour: (3,) in [0, 1].

    Returns:
        (H, W, 3) in [0, 1].
    """
    share = alpha[..., None]
    return np.clip((picture - share * colour) / np.maximum(1 - share, LEAST_SEEN), 0, 1)


def _means(picture: Floats, where: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the local mean colour (H, W, 3) of the pixels in `where`, and their local share."""
    share = np.asarray(cv2.GaussianBlur(where.astype(np.float32), (0, 0), REACH), np.float32)
    total = np.asarray(cv2.GaussianBlur(picture * where[..., None], (0, 0), REACH), np.float32)
    return total / (share[..., None] + np.float32(1e-6)), share
