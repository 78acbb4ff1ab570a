"""The training floor's verbs. Arguments and messages only.

`main(verb, arguments)` returns the exit status and raises CleanplateError for the caller to tell.
A verb is a module here whose `run(arguments)` returns the status; each imports what it needs, so
that preparing and evaluating work without torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from cleanplate.errors import UsageError

VERBS = (
    "train",
    "evaluate",
    "experiments",
    "export",
    "mine",
    "networks",
    "prepare",
    "show",
    "synthesise",
)


def main(verb: str, arguments: Sequence[str]) -> int:
    """Run one verb; 0 is success, 1 a finding (faulty pairs), 2 wrong arguments."""
    if verb not in VERBS:
        raise UsageError(f"There is no verb {verb!r}; there are: {', '.join(VERBS)}.")
    module = import_module(f"cleanplate.training.cli.{verb}")
    try:
        status: int = module.run(list(arguments))
    except SystemExit as end:  # argparse has said what it had to say
        return end.code if isinstance(end.code, int) else 2
    return status
