"""How much memory a training takes, and could take."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch  # not at run time: evaluating shipped models needs none


class Memory:
    """The memory of a device: a GPU's own, or for all others this process's, where Linux tells."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.on_gpu = device, device.type == "cuda"

    def settle(self) -> None:
        """Wait until a GPU has done what it was told."""
        if self.on_gpu:
            self._cuda.synchronize(self.device)

    def forget(self) -> None:
        """Begin a new measurement."""
        if self.on_gpu:
            self._cuda.reset_peak_memory_stats(self.device)
        else:
            forget_peak()

    def peak(self) -> int:
        """Return the highest memory of this measurement in bytes; 0: unknown."""
        if self.on_gpu:
            return int(self._cuda.max_memory_allocated(self.device))
        return process_peak()

    def there(self) -> int:
        """Return the bytes that this process has and could have; 0: unknown."""
        if self.on_gpu:
            free, _ = self._cuda.mem_get_info(self.device)
            return int(free + self._cuda.memory_reserved(self.device))
        return _bytes("/proc/self/status", "VmRSS") + _bytes("/proc/meminfo", "MemAvailable")

    @property
    def _cuda(self) -> Any:
        from torch import cuda

        return cuda


def forget_peak() -> None:
    """Begin a new measurement of this process's highest memory, where Linux can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def process_peak() -> int:
    """Return this process's highest memory since in bytes; 0: unknown."""
    return _bytes("/proc/self/status", "VmHWM")


def _bytes(path: str, name: str) -> int:
    """Return what a file of the system says by a name in kilobytes; 0 where it does not."""
    with contextlib.suppress(OSError):
        for line in Path(path).read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{name}:"):
                return 1024 * int(line.split()[1])
    return 0
