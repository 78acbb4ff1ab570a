"""What the edge of a cut-out is worth, on pictures with true mattes.

    python scripts/mattes.py MATTES

MATTES holds the 27 training pictures of alphamatting.com, as `Training-Images-GT01.png`,
`Training-GroundTruth-GT01.png` and `Training-Trimap1-GT01.png`. Printed are, as means over the
pictures:

- of the true alpha, shrunk to an eighth and restored: the mean absolute error, in the trimap's
  unknown zone and in all, and SAD / 1000 and MSE there, enlarged bilinearly, and fine;
- of alpha solved from the trimap on a copy of 400 pixels: the same, fine;
- of the colours of the subject before a green screen, with its true alpha: PSNR where alpha is
  neither 0 nor 1, weighted by alpha, as they are and estimated.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from cleanplate.tasks.cutout import edge, foreground, matting
from cleanplate.tasks.cutout.task import MATTE_SIDE

GREEN = np.array([0, 204, 26], np.float32)


def main(folder: Path) -> None:
    """Print the figures."""
    rows: dict[str, list[tuple[float, ...]]] = {}
    for path in sorted(folder.glob("Training-Images-*.png")):
        name = path.stem.removeprefix("Training-Images-")
        picture = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
        alpha = cv2.imread(str(folder / f"Training-GroundTruth-{name}.png"), 0) / np.float32(255)
        trimap = cv2.imread(str(folder / f"Training-Trimap1-{name}.png"), 0)
        unknown = (trimap > 0) & (trimap < 255)
        for way, found in restored(picture, alpha, trimap).items():
            off = np.abs(found - alpha)
            there = off[unknown]
            figures = (there.mean(), off.mean(), there.sum() / 1000, (there**2).mean())
            rows.setdefault(way, []).append(figures)
        for way, decibels in colours(picture, alpha).items():
            rows.setdefault(way, []).append((decibels,))
    for way, values in rows.items():
        print(f"{way:32s}", *(f"{value:9.4f}" for value in np.mean(values, 0)))


def restored(picture: np.ndarray, alpha: np.ndarray, trimap: np.ndarray) -> dict[str, np.ndarray]:
    """Alpha as each way gives it back."""
    size = [max(1, round(side / 8)) for side in alpha.shape[::-1]]
    copy, small = (
        cv2.resize(one, size, interpolation=cv2.INTER_AREA)
        for one in (picture / np.float32(255), alpha)
    )
    scale = MATTE_SIDE / max(alpha.shape)
    size = [max(1, round(side * scale)) for side in alpha.shape[::-1]]
    look, marks = (
        cv2.resize(one / np.float32(255), size, interpolation=cv2.INTER_AREA)
        for one in (picture, trimap)
    )
    solved = edge.fine(picture, look, matting.solve(look, *matting.trimap_of(marks)))
    return {
        "an eighth, bilinear": edge.plain(small, alpha.shape),
        "an eighth, fine": edge.fine(picture, copy, small),
        "a trimap, solved and fine": np.where(
            trimap == 255, np.float32(1), np.where(trimap == 0, np.float32(0), solved)
        ),
    }


def colours(picture: np.ndarray, alpha: np.ndarray) -> dict[str, float]:
    """PSNR of the subject's colours before a green screen."""
    share = alpha[..., None]
    screen = np.rint(picture * share + GREEN * (1 - share)).astype(np.uint8)
    rows, columns, found = foreground.estimate(screen, alpha)
    estimated = screen / np.float32(255)
    estimated[rows, columns] = found
    mixed = (alpha > 0) & (alpha < 1)

    def psnr(one: np.ndarray) -> float:
        off = ((one - picture / np.float32(255)) * share)[mixed]
        return float(-10 * np.log10((off**2).mean()))

    return {"colours, left": psnr(screen / np.float32(255)), "colours, estimated": psnr(estimated)}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
