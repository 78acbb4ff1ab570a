"""Print what cleaning a picture costs: seconds and peak memory of the whole process.

    python benchmarks/speed.py [--photograph PICTURE] [--runs 3]

Pictures are made, from the photograph or from a synthetic texture: a 12-megapixel JPEG with one
logo, the same with the mark tiled all over, a 100-megapixel PNG with one logo; and a 10-megapixel
page with a finger on it, which `cleanplate occlusion` cleans, the others `watermark`. Beside each
stands what a process takes in which Pillow only decodes and encodes the file; of several runs the
median of each is printed. POSIX only, as memory is read by wait4: there a process starts with the
peak of the one that starts it, so this one imports nothing large.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PILLOW = """
import sys
from PIL import Image
Image.MAX_IMAGE_PIXELS = None
image = Image.open(sys.argv[1])
image.load()
options = {"quality": "keep"} if image.format == "JPEG" else {}
image.save(sys.argv[2], format=image.format, **options)
"""


class Cost(NamedTuple):
    """Of one process: wall seconds and peak memory in megabytes (10^6 bytes)."""

    seconds: float
    megabytes: float


def main() -> None:
    """Make the pictures, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photograph", help="instead of a synthetic texture")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    command = shutil.which("cleanplate", path=str(Path(sys.executable).parent)) or "cleanplate"

    shown = median([cost([command, "--help"]) for _ in range(arguments.runs)])
    print(f"cleanplate --help: {shown.seconds:.2f} s, {shown.megabytes:.0f} MB\n")
    print(f"{'picture':<22}{'cleanplate':>20}{'Pillow':>20}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as name:
        make = [sys.executable, str(Path(__file__).with_name("marked_pictures.py")), name]
        subprocess.run([*make, *filter(None, [arguments.photograph])], check=True)
        for path in sorted(Path(name).iterdir()):
            result = str(path.with_name(f"result{path.suffix}"))
            verb = "occlusion" if "finger" in path.name else "watermark"
            clean = [command, verb, str(path), "-o", result, "--overwrite"]
            pillow = [sys.executable, "-c", PILLOW, str(path), result]
            ours = median([cost(clean) for _ in range(arguments.runs)])
            theirs = median([cost(pillow) for _ in range(arguments.runs)])
            print(
                f"{path.name:<22}{spelt(ours):>20}{spelt(theirs):>20}"
                f"{ours.seconds / theirs.seconds:>7.1f}x",
                flush=True,
            )


def cost(command: list[str]) -> Cost:
    """Run a command and give its cost; leave where it fails."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with status {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(seconds, usage.ru_maxrss * unit / 1e6)


def median(costs: list[Cost]) -> Cost:
    """Give the median of each figure."""
    return Cost(*(statistics.median(figures) for figures in zip(*costs, strict=True)))


def spelt(figures: Cost) -> str:
    """Give a cost in words."""
    return f"{figures.seconds:.2f} s {figures.megabytes:.0f} MB"


if __name__ == "__main__":
    main()
