"""What the samples of an image look like, and which samples look like given colours.

Codes are samples as the image holds them, (..., N) for N components; what they look like is grey
or RGB, (..., 1 or 3), of the same depth, 8 bits for codes of fewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.tasks.base import Remark

Codes = NDArray[Any]
_FAR = 40  # levels by which a colour of a palette may miss what was meant


@dataclass(frozen=True)
class Colours:
    """A colour space with the range that an image gives its samples.

    Attributes:
        kind: grey, rgb, cmyk or palette.
        components: samples a pixel.
        bits: of a sample.
        decode: for each component what the least and the greatest code mean, in [0, 1].
        palette: (K, 1 or 3) uint8, what each code looks like; of a palette alone.
    """

    kind: str
    components: int
    bits: int
    decode: tuple[tuple[float, float], ...]
    palette: NDArray[np.uint8] | None = None

    @property
    def plain(self) -> bool:
        """Whether codes are what is seen."""
        same = all(one == (0.0, 1.0) for one in self.decode)
        return self.kind in ("grey", "rgb") and self.bits >= 8 and same

    def shown(self, codes: Codes) -> Codes:
        """Return what codes (..., N) look like."""
        if self.plain:
            return codes
        if self.palette is not None:
            seen: Codes = self.palette[np.minimum(codes[..., 0], len(self.palette) - 1)]
            return seen
        values = self._values(codes)
        if self.kind == "cmyk":
            values = (1 - values[..., :3]) * (1 - values[..., 3:])
        return self._rounded(values)

    def codes(self, seen: Codes, black_share: float = 1.0) -> Codes:
        """Return the codes (..., N) that look like `seen` (..., 1 or 3), or are nearest to it.

        Args:
            seen: as `shown` gives it.
            black_share: how much of what is dark in a colour is black ink, of CMYK alone.
        """
        if self.plain:
            return seen
        if self.palette is not None:
            return _nearest(self.palette, seen)
        values = seen.astype(np.float64) / np.iinfo(seen.dtype).max
        if self.kind == "cmyk":
            values = _inks(values, black_share)
        low, high = (np.array([one[i] for one in self.decode]) for i in (0, 1))
        most = (1 << self.bits) - 1
        dtype = np.uint16 if self.bits > 8 else np.uint8
        codes: Codes = np.rint(np.clip((values - low) / (high - low), 0, 1) * most).astype(dtype)
        return codes

    def put(
        self, codes: Codes, where: NDArray[np.bool_], seen: Codes
    ) -> tuple[NDArray[np.bool_], tuple[Remark, ...]]:
        """Give codes (H, W, N), in place, the colours of `seen` (H, W, 1 or 3) where `where` (H, W)
        is true and they look otherwise; every other code stays.

        Returns:
            Where codes may be others now, (H, W), and what there is to say of it.
        """
        new, old = seen[where], codes[where]
        changed = (self.shown(old) != new).any(1)
        share = 1.0
        if self.kind == "cmyk":
            share = self.black_share(codes[~where][::7])
        old[changed] = self.codes(new[changed], share)
        codes[where] = old
        places = where.copy()
        places[where] = changed
        return places, self._misses(old[changed], new[changed])

    def _misses(self, codes: Codes, meant: Codes) -> tuple[Remark, ...]:
        """Say where a palette has no colours that are near to those meant."""
        if self.palette is None or not len(codes):
            return ()
        missed = np.abs(self.shown(codes).astype(int) - meant).max()
        text = f"the palette has no colour nearer than {missed} levels to some of the fill"
        return (Remark("palette-too-small", text),) if missed > _FAR else ()

    def black_share(self, codes: Codes) -> float:
        """Return how much of what is dark in codes (M, 4) of CMYK is black ink, 0 to 1."""
        values = self._values(codes)
        black = values[:, 3]
        dark = 1 - (1 - values[:, :3].min(1)) * (1 - black)
        known = dark > 0.1
        return float(np.median(black[known] / dark[known])) if known.any() else 1.0

    def _values(self, codes: Codes) -> NDArray[np.float32]:
        low, high = (np.array([one[i] for one in self.decode], np.float32) for i in (0, 1))
        most = np.float32((1 << self.bits) - 1)
        values = low + codes.astype(np.float32) * ((high - low) / most)
        return np.asarray(np.clip(values, 0, 1), np.float32)

    def _rounded(self, values: NDArray[np.float32]) -> Codes:
        most = 65535 if self.bits > 8 else 255
        return np.rint(values * most).astype(np.uint16 if self.bits > 8 else np.uint8)


def _inks(values: NDArray[np.float64], black_share: float) -> NDArray[np.float64]:
    """Return CMYK (..., 4) of RGB (..., 3) in [0, 1]; the inverse of what `shown` computes."""
    black = (1 - values.max(-1, keepdims=True)) * black_share
    inks = 1 - values / np.maximum(1 - black, 1e-6)
    return np.concatenate([np.clip(inks, 0, 1), black], -1)


def _nearest(palette: NDArray[np.uint8], seen: Codes) -> Codes:
    flat = seen.reshape(-1, seen.shape[-1])
    if flat.shape[1] != palette.shape[1]:
        raise ValueError(f"colours {flat.shape} for a palette {palette.shape}")
    unique, back = np.unique(flat, axis=0, return_inverse=True)
    nearest = np.empty(len(unique), np.uint8)
    entries = palette.astype(np.int32)
    for start in range(0, len(unique), 4096):
        some = unique[start : start + 4096].astype(np.int32)
        distance = ((some[:, None] - entries) ** 2).sum(2)
        nearest[start : start + 4096] = distance.argmin(1)
    return nearest[back.reshape(-1)].reshape(*seen.shape[:-1], 1)
