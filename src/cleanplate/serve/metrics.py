"""What a server counts, as Prometheus reads it."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from cleanplate.serve.refusals import RefusedError

MEDIA = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts of requests, and how long they took."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: Counter[str] = Counter()

    def count(self, task: str, status: int, seconds: float) -> None:
        """Note a request and what it ended with; only names of the table are given as tasks."""
        self._requests[task, status] += 1
        self._seconds[task] += seconds  # type: ignore[assignment]  # counters hold any number

    @contextlib.contextmanager
    def counting(self, task: str) -> Iterator[Callable[[int], None]]:
        """Count a request; what is given is told the status of its answer, where it has one."""
        began, statuses = time.monotonic(), [500]
        try:
            yield statuses.append
        except RefusedError as error:
            statuses.append(error.status)
            raise
        finally:
            self.count(task, statuses[-1], time.monotonic() - began)

    def text(self, gauges: Mapping[str, float], counts: Mapping[str, float]) -> str:
        """Return all counts, those of others by name, and what is measured now, by name."""
        lines = ["# TYPE cleanplate_requests_total counter"]
        for (task, status), count in sorted(self._requests.items()):
            lines.append(f'cleanplate_requests_total{{task="{task}",status="{status}"}} {count}')
        lines.append("# TYPE cleanplate_request_seconds_total counter")
        for task, seconds in sorted(self._seconds.items()):
            lines.append(f'cleanplate_request_seconds_total{{task="{task}"}} {seconds:.3f}')
        for name, value in counts.items():
            kind = f"# TYPE cleanplate_{name.partition('{')[0]} counter"
            lines += [kind] if kind not in lines else []
            lines.append(f"cleanplate_{name} {value:g}")
        for name, value in gauges.items():
            lines += [f"# TYPE cleanplate_{name} gauge", f"cleanplate_{name} {value:g}"]
        return "\n".join(lines) + "\n"
