from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from onnx_models import card_values

from cleanplate import models
from cleanplate.errors import ModelError, UsageError
from cleanplate.models import catalogue


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "small.onnx"
    path.write_bytes(b"weights")
    return card_values("small", path)


def read(tmp_path: Path, values: Any) -> models.Card:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return models.read_card(path)


def test_a_card_reads_back_as_it_was_written(tmp_path: Path, values: dict[str, Any]) -> None:
    card = read(tmp_path, values)
    assert card.inputs == ("red", "green", "blue")
    assert card.data[0]["terms"] == "CC0-1.0"
    (tmp_path / "again.json").write_text(card.to_json(), encoding="utf-8")
    assert models.read_card(tmp_path / "again.json") == card


WRONG = [
    ("name", "../small"),
    ("name", "Small"),
    ("task", ""),
    ("role", None),
    ("file", "sub/small.onnx"),
    ("file", "..\\small.onnx"),
    ("file", "small.pt"),
    ("sha256", "0" * 63),
    ("sha256", "A" * 64),
    ("inputs", []),
    ("inputs", ["red", "red"]),
    ("inputs", "red"),
    ("outputs", [["picture"]]),
    ("tile", 0),
    ("tile", True),
    ("tile", 64.0),
    ("multiple", -1),
    ("multiple", 48),
    ("figures", {"psnr": [1]}),
    ("recipe", 3),
    ("data", [{"source": "x"}]),
    ("data", ["x"]),
    ("licence", " "),
    ("parameters", []),
    ("format", "1"),
    ("format", 0),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_field_is_named_with_its_file(
    tmp_path: Path, values: dict[str, Any], field: str, value: Any
) -> None:
    with pytest.raises(ModelError, match=rf"small\.json.*'{field}'"):
        read(tmp_path, values | {field: value})


@pytest.mark.parametrize("field", sorted({*catalogue.Card.__dataclass_fields__} - {"format"}))
def test_a_missing_field_is_named(tmp_path: Path, values: dict[str, Any], field: str) -> None:
    del values[field]
    with pytest.raises(ModelError, match=f"'{field}' is missing"):
        read(tmp_path, values)


def test_a_card_without_a_format_has_the_first(tmp_path: Path, values: dict[str, Any]) -> None:
    values.pop("format", None)
    assert read(tmp_path, values).format == 1
    assert json.loads(read(tmp_path, values).to_json())["format"] == 1


def test_a_newer_format_is_refused_before_its_fields(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    newer = catalogue.FORMAT + 1
    with pytest.raises(ModelError, match=rf"small\.json has format {newer}.*install a newer"):
        read(tmp_path, values | {"format": newer, "tiles": 3})


def test_an_unknown_field_is_named(tmp_path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="'tiles' is not"):
        read(tmp_path, values | {"tiles": 3})


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b"\xff\xfe\x00", b"[" * 100_000])
def test_what_is_no_card_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "small.json"
    path.write_bytes(text)
    with pytest.raises(ModelError, match=r"small\.json"):
        models.read_card(path)


def test_parameters_are_numbers(tmp_path: Path, values: dict[str, Any]) -> None:
    card = read(tmp_path, values | {"parameters": {"threshold": 1, "kind": "soft"}})
    assert card.parameter("threshold") == 1.0
    for key in ("kind", "margin"):
        with pytest.raises(ModelError, match=rf"small.*parameters\.{key}"):
            card.parameter(key)


def test_models_that_ship_are_found_by_name(
    tmp_path: Path, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = read(tmp_path, values)
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    assert models.cards() == [card]
    assert models.card("small") == card
    with pytest.raises(UsageError, match=r"'large'.*small.*cleanplate train.*cleanplate export"):
        models.card("large")
    with pytest.raises(UsageError):
        models.card("../small")


def test_all_cards_that_ship_read() -> None:
    for card in models.cards():
        assert (catalogue.FOLDER / card.file).is_file()
        assert models.card(card.name) == card
