from __future__ import annotations

import pytest

pytest.importorskip("pikepdf")
pytest.importorskip("pypdfium2")
