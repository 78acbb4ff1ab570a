"""Run the command line with the fake task, in a server's workers too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes import serve_blots

from cleanplate.cli import main
from cleanplate.serve.pool import Pool

if __name__ == "__main__":
    assert Pool.__init__.__defaults__ is not None
    Pool.__init__.__defaults__ = (serve_blots,)
    main()
