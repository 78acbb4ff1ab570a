"""Compare denoisers on pairs: PSNR, and seconds a megapixel of one thread.

    python benchmarks/denoisers.py PAIRS [--most N]

PAIRS holds `input/` and `target/` with pictures of the same names. Beside what `cleanplate denoise`
offers stands BM3D where the package bm3d (for non-commercial use only) is installed, which is told
the level that non-local means estimates.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

import cleanplate
from cleanplate.metrics import psnr
from cleanplate.tasks.denoise.filters import noise_level
from cleanplate.training.data.arrays import Pixels


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--most", type=int, default=0, help="pairs at most")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    paths = sorted((given.pairs / "input").iterdir())[: given.most or None]
    pairs = [(read(path), read(given.pairs / "target" / path.name)) for path in paths]
    print(f"{'as they are':<14}{np.mean([score(*pair) for pair in pairs]):>7.2f} dB")
    for name, denoise in methods().items():
        begin = time.process_time()
        cleaned = [denoise(noisy) for noisy, _ in pairs]
        spent = time.process_time() - begin
        megapixels = sum(noisy.size for noisy, _ in pairs) / 3e6
        mean = np.mean([score(one, truth) for one, (_, truth) in zip(cleaned, pairs, strict=True)])
        print(f"{name:<14}{mean:>7.2f} dB{spent / megapixels:>8.2f} s/MP", flush=True)


def methods() -> dict[str, Callable[[Pixels], Pixels]]:
    """Return what can be run here, by name."""
    found: dict[str, Callable[[Pixels], Pixels]] = {}
    for method in ("model", "bilateral", "nlm"):
        task = cleanplate.Cleaner("denoise", method=method, threads=1, device="cpu")
        found[method] = lambda noisy, task=task: task(noisy).to_array()
    try:
        from bm3d import bm3d_rgb
    except ImportError:
        print("bm3d is not installed: left out")
        return found

    def block_matching(noisy: Pixels) -> Pixels:
        view = noisy.astype(np.float32) / 255
        return np.rint(255 * bm3d_rgb(view, noise_level(view)).clip(0, 1)).astype(np.uint8)

    return found | {"bm3d": block_matching}


def read(path: Path) -> Pixels:
    """Decode a picture, RGB."""
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def score(picture: Pixels, truth: Pixels) -> float:
    """Return the PSNR in dB."""
    return psnr(picture / 255, truth / 255)


if __name__ == "__main__":
    main()
