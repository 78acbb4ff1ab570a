"""How many cores there are to compute with."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
"""Where Linux shows what a container is granted; a container sees its own group there."""


def usable_cores() -> int:
    """Return the number of cores that this process may use.

    Those that the system lets it run on, and no more than a container's quota of time makes up: on
    more threads than that, all of them are halted for a part of each period.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(cores, granted() or cores)


def granted() -> int | None:
    """Return the cores that a container's quota makes up, rounded up; None without a quota."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (CGROUP / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else _cores(int(quota), int(period))
    with contextlib.suppress(OSError, ValueError):  # the older kind of group
        quota, period = (
            (CGROUP / "cpu" / f"cpu.cfs_{name}_us").read_text(encoding="ascii")
            for name in ("quota", "period")
        )
        return _cores(int(quota), int(period))
    return None


def _cores(quota: int, period: int) -> int | None:
    return max(1, math.ceil(quota / period)) if quota > 0 and period > 0 else None
