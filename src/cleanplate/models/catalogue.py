"""Model cards: a JSON file beside each ONNX file that says what the model is and what it needs."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from cleanplate.errors import ModelError, UsageError

FOLDER = Path(__file__).parent
"""Where the models that ship lie."""

FORMAT = 1
"""The newest format of cards that is read, and the one that is written."""

Scalar = float | int | str


class Source(TypedDict):
    """Where training data came from, and on which terms."""

    source: str
    terms: str


RGB = ("red", "green", "blue")
"""The inputs of a model that sees a picture and nothing else."""


@dataclass(frozen=True)
class Card:
    """What a model is and needs.

    Attributes:
        name: lower-case letters, digits, dots, hyphens and underscores; also the stem of the files.
        task: the task it was trained for, such as `watermark`.
        role: its part in the task: `locator`, `filler`, `eraser` and so on.
        file: name of the ONNX file, which lies beside the card.
        sha256: of the ONNX file, 64 hexadecimal digits.
        inputs: names of the planes of the one input tensor (N, planes, H, W), in order.
        outputs: names of the ONNX outputs, each (N, C, H, W).
        tile: longest side in pixels of a picture to run at once; a multiple of `multiple`.
        multiple: H and W of the input must be multiples of it.
        figures: what evaluation measured, by name.
        recipe: name of the recipe that trained it.
        data: what it was trained on.
        licence: of the weights, an SPDX name.
        parameters: what its task must know to use it, such as thresholds.
        format: version of the card's own format, 1 to `FORMAT`; a card that says none has 1.
    """

    name: str
    task: str
    role: str
    file: str
    sha256: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tile: int
    multiple: int
    figures: Mapping[str, Scalar]
    recipe: str
    data: tuple[Source, ...]
    licence: str
    parameters: Mapping[str, Scalar]
    format: int = FORMAT

    @property
    def painting(self) -> str | None:
        """The output that is a picture; None: the model gives none."""
        return next((name for name in ("picture", "fill") if name in self.outputs), None)

    def parameter(self, key: str) -> float:
        """Return the number `parameters[key]`.

        Raises:
            ModelError: the card has no such parameter, or a text.
        """
        value = self.parameters.get(key)
        if isinstance(value, str) or value is None:
            raise ModelError(f"The card of {self.name} needs a number parameters.{key}.")
        return float(value)

    def check(
        self, task: str, *, planes: int, outputs: Iterable[str], numbers: Iterable[str] = ()
    ) -> None:
        """Check that the model can play its part in a task.

        Args:
            task: the name of the task.
            planes: how many the task makes.
            outputs: those that the task reads.
            numbers: parameters that the task reads.

        Raises:
            UsageError: the model takes other planes, gives other outputs or says less of itself.
        """
        if len(self.inputs) != planes:
            lacking = f"it takes {len(self.inputs)} planes, and this task gives it {planes}"
        elif absent := [name for name in outputs if name not in self.outputs]:
            lacking = f"it gives {', '.join(self.outputs)}, but not {absent[0]}"
        elif absent := [name for name in numbers if isinstance(self.parameters.get(name, ""), str)]:
            lacking = (
                f"its card has no number parameters.{absent[0]}, as those of the task's own models "
                "have (`cleanplate export --card` adds it)"
            )
        else:
            return
        raise UsageError(
            f"{self.name} has the role {self.role} in {self.task}, and does not fit {task} in this "
            f"one: {lacking}."
        )

    def to_json(self) -> str:
        """Return the text of the card's file, which `read_card` reads back to an equal card."""
        fields = {"format": self.format, **dataclasses.asdict(self)}
        return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def cards() -> list[Card]:
    """Return the cards of the models that ship, by name.

    Raises:
        ModelError: one cannot be read.
    """
    return [read_card(path) for path in sorted(FOLDER.glob("*.json"))]


def card(name: str) -> Card:
    """Return the card of the model `name` that ships.

    Raises:
        UsageError: there is none.
        ModelError: its card cannot be read.
    """
    path = FOLDER / f"{name}.json"
    if not _NAME.fullmatch(name) or not path.is_file():
        names = ", ".join(path.stem for path in sorted(FOLDER.glob("*.json"))) or "none"
        raise UsageError(
            f"There is no model {name!r}; those that ship: {names}. Train and export others first, "
            "by a recipe such as occlusion-nafnet: cleanplate train RECIPE --data PAIRS, then "
            f"cleanplate export CHECKPOINT -o {name}.onnx, then --model {name}.onnx."
        )
    return read_card(path)


def is_current(name: str, sha256: str) -> bool:
    """Say whether a model of this name ships, and its weights are these.

    Raises:
        ModelError: its card cannot be read.
    """
    path = FOLDER / f"{name}.json"
    return path.is_file() and read_card(path).sha256 == sha256


def read_card(path: Path) -> Card:
    """Return the card in the JSON file `path`.

    Raises:
        ModelError: it is missing, is not JSON, has a newer format, or a field is missing, unknown
            or wrong; the text names the file and the field.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"{path} is missing: a model's card, a JSON file, lies beside its ONNX file."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read as a model's card: {error}.") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path} is not a model's card: it must hold a JSON object.")
    values = {"format": 1, **values}
    if _is_count(values["format"]) and values["format"] > FORMAT:
        raise ModelError(
            f"{path} has format {values['format']} of model cards, and this version of Cleanplate "
            f"reads up to {FORMAT}: install a newer one."
        )
    for field in [*_CHECKS, *values]:
        if field not in values:
            raise ModelError(f"{path}: the field {field!r} is missing.")
        if field not in _CHECKS:
            raise ModelError(f"{path}: the field {field!r} is not one of a card's.")
        wanted, check = _CHECKS[field]
        if not check(values[field]):
            raise ModelError(f"{path}: the field {field!r} must be {wanted}.")
    if values["tile"] % values["multiple"]:
        raise ModelError(f"{path}: the field 'tile' must be a multiple of 'multiple'.")
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return Card(**{**values, **lists})


_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_file(value: Any) -> bool:
    return _is_text(value) and value.endswith(".onnx") and not set(value) & set("/\\:")


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _is_names(value: Any) -> bool:
    return (
        isinstance(value, list) and all(map(_is_text, value)) and 0 < len(value) == len(set(value))
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_scalars(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(v, float | int | str) for v in value.values())


def _is_sources(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(v, dict) and set(v) == {"source", "terms"} and all(map(_is_text, v.values()))
        for v in value
    )


_TEXT = ("a text that is not empty", _is_text)
_NAMES = ("a list of different texts, at least one", _is_names)
_COUNT = ("a whole number above 0", _is_count)
_SCALARS = ("an object of numbers and texts", _is_scalars)

_CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "name": ("lower-case letters, digits, '.', '-' and '_'", _is_name),
    "task": _TEXT,
    "role": _TEXT,
    "file": ("the name of an .onnx file, without a folder", _is_file),
    "sha256": ("64 lower-case hexadecimal digits", _is_sha256),
    "inputs": _NAMES,
    "outputs": _NAMES,
    "tile": _COUNT,
    "multiple": _COUNT,
    "figures": _SCALARS,
    "recipe": _TEXT,
    "data": ("a list of objects with the texts 'source' and 'terms'", _is_sources),
    "licence": _TEXT,
    "parameters": _SCALARS,
    "format": _COUNT,
}
"""By field: what it must be, in words, and the test of it."""
