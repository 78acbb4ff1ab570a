"""What a wheel of the package would hold."""

from __future__ import annotations

from pathlib import Path

import pytest

wheel = pytest.importorskip("hatchling.builders.wheel")

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "cleanplate"


def test_a_wheel_holds_the_whole_package_and_nothing_else() -> None:
    builder = wheel.WheelBuilder(str(ROOT))
    held = {Path(file.distribution_path).as_posix() for file in builder.recurse_included_files()}
    assert held == {
        path.relative_to(ROOT / "src").as_posix()
        for path in SOURCES.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for model in SOURCES.glob("models/*.onnx"):
        assert {f"cleanplate/models/{model.stem}{end}" for end in (".onnx", ".json")} <= held
    assert {"cleanplate/py.typed", "cleanplate/training/recipes/_training.yaml"} <= held


def test_the_command_of_a_wheel_is_there() -> None:
    scripts = wheel.WheelBuilder(str(ROOT)).metadata.core.scripts
    assert scripts == {"cleanplate": "cleanplate.cli:main"}
