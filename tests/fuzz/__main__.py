"""Run the fuzzer; exit status 1 where something was found."""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import re
import signal
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random

from .mutations import mutated
from .seeds import seeds
from .worker import BYTES, work

PATIENCE = 600  # seconds by the clock after which a process is given up
STALE = 20_000  # files after which a process makes room for a fresh one


class Workshop:
    """The process that files are tried in, begun anew when it dies."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._line: Connection | None = None
        self._count = 0
        self.pictures = 0  # files that could be cleaned
        self.most = (0, "")  # bytes of memory used, and by which kind

    def tried(self, number: int, kind: str, data: bytes) -> str | None:
        """What is wrong with a file, or None."""
        if self._process is None or self._line is None:
            self._begin()
        assert self._line is not None and self._process is not None
        self._line.send((number, data))
        try:
            if not self._line.poll(PATIENCE):
                self.end()
                return "hang: no answer"
            found, read, used = self._line.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            code = -(self._process.exitcode or 0)
            self.end()
            return "hang: too much processor time" if code == signal.SIGPROF else f"crash: {code}"
        self._count += 1
        self.pictures += read
        self.most = max(self.most, (used, kind))
        if used > BYTES or self._count > STALE:
            self.end()
        return str(found) if found else None

    def end(self) -> None:
        """End the process."""
        if self._process is not None and self._line is not None:
            self._line.close()
            self._process.kill()
            self._process.join()
        self._process = self._line = None

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, other = context.Pipe()
        self._process = context.Process(target=work, args=(other,), daemon=True)
        self._process.start()
        other.close()
        self._count = 0


def main() -> int:
    """Fuzz for some minutes."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="Of the first file.")
    parser.add_argument("--formats", default="", help="Such as png,tiff; all, unless said.")
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    given = parser.parse_args()
    formats = set(given.formats.split(",")) - {""}
    files = [one for one in seeds() if not formats or one[0].split()[0] in formats]
    shop, end = Workshop(), time.monotonic() + 60 * given.minutes
    tried: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for kind, data in files:
        if wrong := shop.tried(0, kind, data):
            print(f"sound {kind}: {wrong}", flush=True)
            found[wrong] += 1
    number = given.seed
    while time.monotonic() < end:
        number += 1
        kind, data = files[number % len(files)]
        odd = mutated(kind, data, Random(number))
        wrong = shop.tried(number, kind, odd)
        tried[kind.split()[0]] += 1
        if wrong:
            _keep(kind, odd, wrong, found, given.out, number)
    shop.end()
    counts = ", ".join(f"{count} {format_}" for format_, count in sorted(tried.items()))
    print(f"{sum(tried.values())} files ({counts}), {shop.pictures} of them pictures still.")
    used, kind = shop.most
    print(f"{len(found)} kinds of findings; {used // 2**20} MiB of memory at most ({kind}).")
    return 1 if found else 0


def _keep(kind: str, data: bytes, wrong: str, found: Counter[str], out: Path, number: int) -> None:
    """Keep the first file of each kind of finding."""
    key = f"{kind.split()[0]} {re.sub(r'[0-9]+', '#', wrong)}"[:120]
    found[key] += 1
    if found[key] == 1:
        out.mkdir(exist_ok=True)
        digest = hashlib.sha256(data).hexdigest()[:12]
        path = out / f"{digest}.{kind.split()[0]}"
        path.write_bytes(data)
        print(f"{path} ({kind}, {number}): {wrong}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
