"""A model that looks at every tile in all its flips and turns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cleanplate.models.sessions import Model

VIEWS = 8


class Ensemble(Model):
    """A model whose outputs are means over the eight flips and turns of its input.

    The geometric self-ensemble of Lim et al., "Enhanced Deep Residual Networks for Single Image
    Super-Resolution", CVPR workshops 2017. It takes eight times as long. All outputs must be maps
    without a direction.
    """

    def __init__(self, model: Model) -> None:
        """Run `model`; the card and the device stay its own."""
        self.card, self.device = model.card, model.device
        self._model = model

    def __call__(self, planes: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Run the model eight times; see `Model`."""
        sums: dict[str, NDArray[np.float32]] = {}
        for view in range(VIEWS):
            for name, seen in self._model(turned(planes, view)).items():
                value = turned_back(seen, view) * np.float32(1 / VIEWS)
                sums[name] = sums[name] + value if name in sums else value
        return sums


def turned(planes: NDArray[np.float32], view: int) -> NDArray[np.float32]:
    """Return one of the eight views (0: as it is) of planes (N, C, H, W)."""
    flipped = planes[..., ::-1] if view >= VIEWS // 2 else planes
    return np.rot90(flipped, view % 4, (2, 3))


def turned_back(planes: NDArray[np.float32], view: int) -> NDArray[np.float32]:
    """Undo `turned`.

    >>> planes = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    >>> all(np.array_equal(turned_back(turned(planes, n), n), planes) for n in range(VIEWS))
    True
    """
    upright = np.rot90(planes, -(view % 4), (2, 3))
    return upright[..., ::-1] if view >= VIEWS // 2 else upright
