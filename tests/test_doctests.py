"""The examples in docstrings run as they stand."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = (
    "cleanplate",
    "cleanplate.library",
    "cleanplate.metrics",
    "cleanplate.picture.core",
    "cleanplate.picture.raster",
    "cleanplate.restoring",
    "cleanplate.tasks",
    "cleanplate.tasks.taskinfo",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0
    assert failed == 0
