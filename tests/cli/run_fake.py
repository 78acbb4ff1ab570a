"""Run the command line with the fake task; with BLOT_KILL=CALL:N:WHEN, kill it in the middle.

The N-th call of os.CALL kills the process, just before or just after (WHEN) it is carried out.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes import Blot, stand_in

from cleanplate.cli import main


def arm(call: str, number: int, when: str) -> None:
    original = getattr(os, call)
    calls = []

    def deadly(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(os, call, deadly)


if __name__ == "__main__":
    stand_in(Blot)
    if "BLOT_KILL" in os.environ:
        name, count, moment = os.environ["BLOT_KILL"].split(":")
        arm(name, int(count), moment)
    main()
