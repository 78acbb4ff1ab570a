"""How much memory a training takes, and could take."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch


class Memory:
    """The memory of a device: a GPU's own, or for all others this process's, where Linux tells."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.on_gpu = device, device.type == "cuda"

    def settle(self) -> None:
        """Wait until a GPU has done what it was told."""
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    def forget(self) -> None:
        """Begin a new measurement."""
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            with contextlib.suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

    def peak(self) -> int:
        """Return the highest memory of this measurement in bytes; 0: unknown."""
        if self.on_gpu:
            return torch.cuda.max_memory_allocated(self.device)
        return _bytes("/proc/self/status", "VmHWM")

    def there(self) -> int:
        """Return the bytes that this process has and could have; 0: unknown."""
        if self.on_gpu:
            free, _ = torch.cuda.mem_get_info(self.device)
            return free + torch.cuda.memory_reserved(self.device)
        return _bytes("/proc/self/status", "VmRSS") + _bytes("/proc/meminfo", "MemAvailable")


def _bytes(path: str, name: str) -> int:
    """Return what a file of the system says by a name in kilobytes; 0 where it does not."""
    with contextlib.suppress(OSError):
        for line in Path(path).read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{name}:"):
                return 1024 * int(line.split()[1])
    return 0
