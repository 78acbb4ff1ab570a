"""Tiny ONNX models, made on the spot, with their cards."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def identity(count: int) -> dict[str, Any]:
    """`picture` is the first three planes, `mask` the last of them all."""
    nodes = [
        helper.make_node("Slice", ["planes", "zero", "three", "axis"], ["picture"]),
        helper.make_node("Slice", ["planes", "last", "end", "axis"], ["mask"]),
    ]
    numbers = {"zero": 0, "three": 3, "last": count - 1, "end": count, "axis": 1}
    weights = {name: np.array([value], np.int64) for name, value in numbers.items()}
    return {
        "nodes": nodes,
        "weights": weights,
        "planes": count,
        "outputs": {"picture": 3, "mask": 1},
    }


def threshold(value: float = 0.5) -> dict[str, Any]:
    """`mask` is 1 where the mean of three planes is above `value`."""
    nodes = [
        helper.make_node("ReduceMean", ["planes"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Greater", ["mean", "value"], ["above"]),
        helper.make_node("Cast", ["above"], ["mask"], to=TensorProto.FLOAT),
    ]
    weights = {"value": np.array(value, np.float32)}
    return {"nodes": nodes, "weights": weights, "planes": 3, "outputs": {"mask": 1}}


def convolutions(count: int, side: int = 3, seed: int = 0) -> dict[str, Any]:
    """`count` random convolutions with ReLU: a receptive field of 1 + count * (side - 1)."""
    random = np.random.default_rng(seed)
    nodes, weights, name = [], {}, "planes"
    for i in range(count):
        into, out = (3 if i == 0 else 8), (3 if i == count - 1 else 8)
        kernel = random.normal(size=(out, into, side, side)) * np.sqrt(2 / (into * side * side))
        weights[f"kernel{i}"] = kernel.astype(np.float32)
        weights[f"bias{i}"] = random.normal(size=out).astype(np.float32) * np.float32(0.1)
        terms = [name, f"kernel{i}", f"bias{i}"]
        nodes.append(helper.make_node("Conv", terms, [f"conv{i}"], pads=[side // 2] * 4))
        name = f"relu{i}" if i < count - 1 else "picture"
        nodes.append(helper.make_node("Relu", [f"conv{i}"], [name]))
    return {"nodes": nodes, "weights": weights, "planes": 3, "outputs": {"picture": 3}}


def pooled(factor: int) -> dict[str, Any]:
    """`picture` holds the mean of each aligned block of `factor` by `factor` pixels."""
    nodes = [
        helper.make_node(
            "AveragePool", ["planes"], ["small"], kernel_shape=[factor] * 2, strides=[factor] * 2
        ),
        helper.make_node("Resize", ["small", "", "scales"], ["picture"], mode="nearest"),
    ]
    weights = {"scales": np.array([1, 1, factor, factor], np.float32)}
    return {"nodes": nodes, "weights": weights, "planes": 3, "outputs": {"picture": 3}}


def reshaped(side: int) -> dict[str, Any]:
    """`picture` is three planes of `side` by `side`, and no others."""
    nodes = [helper.make_node("Reshape", ["planes", "shape"], ["picture"])]
    weights = {"shape": np.array([1, 3, side, side], np.int64)}
    return {"nodes": nodes, "weights": weights, "planes": 3, "outputs": {"picture": 3}}


def guesses(seen: float) -> dict[str, Any]:
    """A filler: `fill` is the guess it is given, `seen` the same everywhere in the hole."""
    nodes = [
        helper.make_node("Slice", ["planes", "zero", "three", "axis"], ["fill"]),
        helper.make_node("Slice", ["planes", "six", "seven", "axis"], ["hole"]),
        helper.make_node("Mul", ["hole", "share"], ["seen"]),
    ]
    numbers = {"zero": 0, "three": 3, "six": 6, "seven": 7, "axis": 1}
    weights = {name: np.array([value], np.int64) for name, value in numbers.items()}
    weights["share"] = np.array(seen, np.float32)
    return {"nodes": nodes, "weights": weights, "planes": 7, "outputs": {"fill": 3, "seen": 1}}


def coarse_guesses() -> dict[str, Any]:
    """A filler of photographs: `fill` is the coarse fill that it is given, beside the hole."""
    node = helper.make_node("Slice", ["planes", "zero", "three", "axis"], ["fill"])
    numbers = {"zero": 0, "three": 3, "axis": 1}
    weights = {name: np.array([value], np.int64) for name, value in numbers.items()}
    return {"nodes": [node], "weights": weights, "planes": 4, "outputs": {"fill": 3}}


def write(folder: Path, name: str, graph: dict[str, Any], **fields: Any) -> Path:
    """Write `NAME.onnx` and its card `NAME.json`; `fields` replace those of the card."""
    outputs = [_value(key, planes) for key, planes in graph["outputs"].items()]
    weights = [numpy_helper.from_array(value, key) for key, value in graph["weights"].items()]
    made = helper.make_graph(
        graph["nodes"], name, [_value("planes", graph["planes"])], outputs, weights
    )
    opset = helper.make_opsetid("", 17)
    path = folder / f"{name}.onnx"
    onnx.save(helper.make_model(made, opset_imports=[opset], ir_version=8), path)
    values = card_values(name, path) | {
        "inputs": [f"plane{i}" for i in range(graph["planes"])],
        "outputs": list(graph["outputs"]),
    }
    path.with_suffix(".json").write_text(json.dumps(values | fields), encoding="utf-8")
    return path


def card_values(name: str, path: Path) -> dict[str, Any]:
    """The fields of a right card for the file `path`."""
    return {
        "name": name,
        "task": "test",
        "role": "filler",
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "inputs": ["red", "green", "blue"],
        "outputs": ["picture"],
        "tile": 64,
        "multiple": 1,
        "figures": {"psnr": 40.5},
        "recipe": "test",
        "data": [{"source": "made by the test", "terms": "CC0-1.0"}],
        "licence": "Apache-2.0",
        "parameters": {"threshold": 0.5},
    }


def _value(name: str, planes: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", planes, "height", "width"])
