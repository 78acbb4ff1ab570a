"""The arrays that training data are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""A picture or a mask, (H, W, C) in 0..255."""

Array = NDArray[Any]
"""Of the shape and type that stand beside it: the stubs of OpenCV and NumPy lose track of them."""
