"""Print the level that `cleanplate denoise` estimates beside the true one, of white noise.

python benchmarks/noise_levels.py PICTURES [--most N]

PICTURES is a folder of clean ones. Of each level the mean and the spread of the estimates are
printed, and at 0 what is left of the clean pictures: the PSNR between what went in and what came
out, and how many came back as they were.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

import cleanplate
from cleanplate.metrics import psnr

LEVELS = (0, 1, 2, 5, 10, 15, 20, 25, 30, 40, 50)


def main() -> None:
    """Add noise, estimate, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--most", type=int, default=0, help="pictures at most")
    given = parser.parse_args()
    paths = sorted(given.pictures.iterdir())[: given.most or None]
    pictures = [cv2.imread(str(path))[..., ::-1] for path in paths]
    denoise = cleanplate.Cleaner("denoise")
    print(f"{'true':>6}{'estimated':>11}{'spread':>8}")
    for sigma in LEVELS:
        rng = np.random.default_rng(sigma)
        noisy = [
            np.rint(one + sigma * rng.standard_normal(one.shape)).clip(0, 255).astype(np.uint8)
            for one in pictures
        ]
        results = [denoise(one) for one in noisy]
        found = [float(result.report["noise"]) for result in results]
        print(f"{sigma:>6}{np.mean(found):>11.2f}{np.std(found):>8.2f}", flush=True)
        if sigma == 0:
            arrays = [result.to_array() for result in results]
            kept = [np.array_equal(*pair) for pair in zip(arrays, noisy, strict=True)]
            left = [psnr(a / 255, b / 255) for a, b in zip(arrays, noisy, strict=True)]
            print(
                f"       clean pictures: {np.mean(np.minimum(left, 100)):.2f} dB "
                f"(least {min(left):.2f}), {sum(kept)} of {len(kept)} as they were"
            )


if __name__ == "__main__":
    main()
