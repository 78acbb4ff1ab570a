from __future__ import annotations

import threading

import pytest

from cleanplate.batch.gate import Gate, StoppedError


def test_closing_waits_for_those_inside_and_lets_nobody_in() -> None:
    gate, inside, leave, left = Gate(), threading.Event(), threading.Event(), []

    def work() -> None:
        with gate:
            inside.set()
            leave.wait(10)
            left.append(True)

    worker = threading.Thread(target=work)
    worker.start()
    assert inside.wait(10)
    threading.Timer(0.05, leave.set).start()
    gate.close()
    assert left == [True]
    with pytest.raises(StoppedError, match="stopped"), gate:
        raise AssertionError("it is closed")
    worker.join()
