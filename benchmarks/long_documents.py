"""Print what a PDF of many scanned pages costs, and show that being killed changes nothing of it.

    python benchmarks/long_documents.py [--pages 1000] [--width 310] [--kills 3] [--seed 0]

A PDF is made whose pages are JPEGs of noisy paper with bars in the place of lines, a red stamp on
every other one, and cleaned with a task that only paints what is red grey: seconds a page, the
memory of the process while the run goes on, its peak, and that of a PDF of a twentieth of the
pages. Then the same is done in a run that is killed at random moments and resumed each time; the
results must be the same bytes, and nothing may be left beside them. The exit status is 1 where
something differs. Linux only, as memory is read from /proc.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from many_files import resident, start

TABLE = 10  # rows: a tenth of the pages each
FEW = 20  # the short PDF has one page of so many


def make(path: Path, pages: int, width: int, seed: int) -> None:
    """Write a PDF of so many scanned pages, no two alike."""
    import io

    import numpy as np
    import pikepdf
    from PIL import Image

    rng = np.random.default_rng(seed)
    height = round(width * 2**0.5)
    with pikepdf.Pdf.new() as pdf:
        for number in range(pages):
            pixels = rng.normal(235, 4, (height, width, 1)).clip(0, 255).repeat(3, 2)
            for top in range(height // 10, height * 9 // 10, 12):
                pixels[top : top + 5, width // 8 : rng.integers(width // 2, width * 7 // 8)] = 40
            if number % 2:
                top, left = rng.integers(0, width - 64, 2)
                pixels[top : top + 48, left : left + 48] = (230, 20, 20)
            coded = io.BytesIO()
            Image.fromarray(pixels.astype(np.uint8)).save(coded, "JPEG", quality=85)
            image = pikepdf.Stream(pdf, coded.getvalue())
            image.Type, image.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
            image.Width, image.Height, image.BitsPerComponent = width, height, 8
            image.ColorSpace, image.Filter = pikepdf.Name.DeviceRGB, pikepdf.Name.DCTDecode
            page = pdf.add_blank_page(page_size=(595, 842)).obj
            page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im=image))
            page.Contents = pdf.make_stream(b"q 595 0 0 842 0 0 cm /Im Do Q")
        path.parent.mkdir(parents=True)
        pdf.save(path)


def whole(source: Path, out: Path, pages: int) -> tuple[bool, float]:
    """Clean all in one run and print what it costs; give whether it went well, and the peak of the
    memory of all runs so far, in megabytes (10^6 bytes).
    """
    process = start(source, out)
    assert process.stdout is not None
    begin = time.monotonic()
    print(f"{'pages':>8}{'seconds':>10}{'MB':>8}")
    for number, _ in enumerate(process.stdout, 1):
        if number % max(1, pages // TABLE) == 0:
            seconds = time.monotonic() - begin
            print(f"{number:>8}{seconds:>10.1f}{resident(process):>8.0f}", flush=True)
    process.wait()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    print(f"{(time.monotonic() - begin) / pages:.3f} s a page; peak {peak:.0f} MB")
    return process.returncode == 0, peak


def killed(source: Path, out: Path, pages: int, kills: int, seed: int) -> bool:
    """Clean all, killed at random moments and resumed each time; say whether it went well."""
    rng = random.Random(seed)
    for moment in sorted(rng.randrange(pages) for _ in range(kills)):
        process = start(source, out, "--resume")
        assert process.stdout is not None
        for _ in zip(range(moment), process.stdout, strict=False):  # known pages are told again
            pass
        time.sleep(rng.random() / 20)
        process.kill()
        process.communicate()
        print(f"killed behind page {moment}", flush=True)
    process = start(source, out, "--resume")
    process.communicate()
    return process.returncode == 0


def main() -> int:
    """Make the PDFs, clean them in both ways, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--width", type=int, default=310, help="of a page in pixels, 64 at least")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    few = max(1, given.pages // FEW)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        short, long = place / "short" / "a.pdf", place / "long" / "a.pdf"
        make(short, few, given.width, given.seed)
        make(long, given.pages, given.width, given.seed)
        good, least = whole(short, place / "once-short", few)
        went, most = whole(long, place / "once", given.pages)
        good &= went & killed(long, place / "often", given.pages, given.kills, given.seed)
        one, other = (place / out / "a.pdf" for out in ("once", "often"))
        same = good and one.read_bytes() == other.read_bytes()
        left = [path for path in (place / "often").iterdir() if path.name.startswith(".cleanplate")]
        ratio = one.stat().st_size / long.stat().st_size if good else 0
    print(f"{most - least:.1f} MB more than for {few} pages; results of {ratio:.3f} times the size")
    print("the killed run gave the same bytes" if same else "the killed run gave other bytes")
    return 0 if good and same and not left else 1


if __name__ == "__main__":
    sys.exit(main())
