"""Print what a run over many small files costs, and show that being killed changes nothing of it.

    python benchmarks/many_files.py [--files 20000] [--kills 20] [--seed 0]

A tree of pictures in all seven formats (HEIC with the extra `heif`) is made and cleaned in one run,
with a task that only paints what is red grey: seconds and CPU seconds per thousand files, and the
memory of the process while the run goes on. Its manifest must name every file once, as done. Then
the same is done in a run that is killed at random moments and resumed each time; results and
manifest must come to the same. The exit status is 1 where something differs. Linux only, as memory
is read from /proc.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

FORMATS = ("jpg", "png", "tif", "webp", "bmp", "avif", "heic")
SIDE = (48, 64)
FOLDER = 100  # files of a folder
TABLE = 10  # rows: a tenth of the files each


class Repaint:
    """A task without a model: what is red becomes grey."""

    def __init__(self, **_: Any) -> None:
        pass

    def clean(self, picture: Any, *, mask: Any = None) -> Any:
        """Find and paint."""
        import numpy as np

        from cleanplate.picture import Box
        from cleanplate.restoring import composite
        from cleanplate.tasks.base import Cleaned

        pixels = picture.pixels.astype(int)
        red = (pixels[..., 0] > 150) & (pixels[..., 1] < 90)
        box, grey = Box(0, 0, *red.shape), np.full((*red.shape, 3), 0.5, np.float32)
        composite(picture, box, grey, red.astype(np.float32))
        return Cleaned(picture, red.astype(np.uint8) * 255, {})


def child() -> None:
    """Run the command line with that task in the place of the watermark's."""
    from cleanplate import tasks
    from cleanplate.cli import main as run

    tasks.register(replace(tasks.info("watermark"), make=Repaint))
    sys.argv[1:] = ["watermark", *sys.argv[2:]]
    run()


def make(folder: Path, count: int, seed: int) -> None:
    """Draw so many small pictures, no two alike."""
    import numpy as np
    from PIL import Image
    from pillow_heif import register_heif_opener

    register_heif_opener()
    rng = np.random.default_rng(seed)
    for number in range(count):
        form = FORMATS[number % len(FORMATS)]
        pixels = rng.integers(90, 160, (*SIDE, 3), np.uint8)
        top, left = rng.integers(0, 30, 2)
        pixels[top : top + 16, left : left + 16] = (230, 20, 20)
        path = folder / f"{number // FOLDER:03}" / f"{number:05}.{form}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def start(source: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    """Begin a run; what it says on standard error goes to a file beside `out`."""
    command = [sys.executable, __file__, "child", str(source), "-o", str(out), *options]
    with said(out).open("w") as file:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True)


def said(out: Path) -> Path:
    """Name the file of what a run says on standard error."""
    return out.with_suffix(".txt")


def ended(process: subprocess.Popen[str], out: Path) -> bool:
    """Wait for the end of a run and print its last line; say whether it went well."""
    process.communicate()
    print(said(out).read_text().splitlines()[-1])
    return process.returncode == 0


def resident(process: subprocess.Popen[str]) -> float:
    """Return the memory of a process in megabytes (10^6 bytes)."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def whole(source: Path, out: Path, count: int) -> bool:
    """Clean all in one run and print what it costs; say whether it went well."""
    process = start(source, out)
    assert process.stdout is not None
    begin = time.monotonic()
    print(f"{'files':>8}{'seconds':>10}{'MB':>8}")
    first = last = 0.0
    for number, _ in enumerate(process.stdout, 1):
        if number % max(1, count // TABLE) == 0:
            last = resident(process)
            first = first or last
            print(f"{number:>8}{time.monotonic() - begin:>10.1f}{last:>8.0f}", flush=True)
    seconds = time.monotonic() - begin
    good = ended(process, out)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    each, cores = seconds / count, (used.ru_utime + used.ru_stime) / count
    print(f"{1000 * each:.1f} s per thousand, {1000 * cores:.1f} s of CPU", end="; ")
    print(f"memory grew by {last - first:.1f} MB after the first {max(1, count // TABLE)}")
    return good


def killed(source: Path, out: Path, count: int, kills: int, seed: int) -> bool:
    """Clean all, killed at random moments and resumed each time; say whether it went well."""
    rng = random.Random(seed)
    moments = sorted(rng.randrange(count) for _ in range(kills))
    had = 0
    for moment in moments:
        process = start(source, out, "--resume")
        assert process.stdout is not None
        for _ in zip(range(moment - had), process.stdout, strict=False):
            had += 1
        time.sleep(rng.random() / 20)
        process.kill()
        process.communicate()
        known = sum(1 for line in lines(out) if line["status"] == "done")
        print(f"killed with {known} of {count} recorded", flush=True)
        had = known
    return ended(start(source, out, "--resume"), out)


def lines(out: Path) -> Iterator[dict[str, Any]]:
    """Give what the manifest says last of each source; a half line, cut off by a kill, is none."""
    last = {}
    path = out / "manifest.jsonl"
    for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else ():
        told = json.loads(line)
        last[told["source"]] = told
    yield from last.values()


def wrong(source: Path, out: Path) -> list[str]:
    """Compare a manifest with the files; give what is wrong with it."""
    there = {path.relative_to(source).as_posix() for path in source.rglob("*.*") if path.is_file()}
    written = (out / "manifest.jsonl").read_bytes().count(b"\n")
    said = {line["result"]: line for line in lines(out)}
    troubles = [f"{name}: not in the manifest" for name in there - said.keys()]
    troubles += [
        f"{name}: {one['status']}" for name, one in said.items() if one["status"] != "done"
    ]
    for name, one in said.items():
        if (out / name).stat().st_size != one["result_size"]:
            troubles.append(f"{name}: of another size than the manifest says")
    if written != len(there):
        troubles.append(f"{written} lines for {len(there)} files")
    return troubles


def digests(out: Path) -> dict[str, str]:
    """Give every file of a folder but the manifest, hidden ones too, by what it holds."""
    files = (path for path in out.rglob("*") if path.is_file() and path.name != "manifest.jsonl")
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def main() -> int:
    """Make the pictures, clean them in both ways, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source, once, often = (Path(name) / part for part in ("photos", "once", "often"))
        make(source, given.files, given.seed)
        good = whole(source, once, given.files)
        good &= killed(source, often, given.files, given.kills, given.seed)
        troubles = wrong(source, once) + wrong(source, often)
        one, other = digests(once), digests(often)
        differing = [path for path in one.keys() | other.keys() if one.get(path) != other.get(path)]
    for trouble in (*troubles, *(f"{path}: differs" for path in differing)):
        print(trouble)
    if good and not troubles and not differing:
        print(f"both manifests are whole, and the {len(one)} results of both the same bytes")
        return 0
    return 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child()
    else:
        sys.exit(main())
