"""ONNX models with 8-bit integers, kept only where they are measured to do as well.

Two ways: `weights` stores the weights as integers, one scale an output channel, and computes in
float32, so that the file is a quarter as large; `static` also computes the convolutions in
integers, with scales found on pictures (Jacob et al., "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018), which is faster where the
processor has the instructions.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cleanplate import metrics
from cleanplate.errors import ModelError
from cleanplate.models import read_card
from cleanplate.picture import Picture
from cleanplate.tasks.exported import Exported
from cleanplate.training import evaluate
from cleanplate.training.data.curation import mask_of_pair
from cleanplate.training.data.files import read_pair
from cleanplate.training.data.layouts import Pair
from cleanplate.training.data.paired import spread
from cleanplate.training.data.raw_files import read_raw_pair, to_unit
from cleanplate.training.graphs import INPUT
from cleanplate.training.raw_model import RawModel
from cleanplate.writing import write_all

Model = Exported | RawModel
WAYS = ("weights", "static")
ALLOWED = 0.1  # dB
MEASURED = 100  # pairs that are measured, at most
SAMPLES = 16  # pictures that scales are found on, at most
SMALL = 1024  # samples; a weight with fewer stays as it is
FLOOR = 1e-8  # least scale: a channel of zeros has none


class Measured(NamedTuple):
    """What a model does on pairs."""

    decibels: float
    seconds_mp: float


def keep_int8(model: str | Path, out: str | Path, way: str, pairs: Sequence[Pair]) -> str:
    """Write an 8-bit form of a model and its card, if it does as well as the model on `pairs`.

    Args:
        model: an ONNX file with its card beside it.
        out: where to, ending in .onnx.
        way: one of WAYS.
        pairs: what is measured on, a hundred of them at most, evenly spread; for `static` the
            scales are found on some of them.

    Returns:
        What was measured, in words.

    Raises:
        ModelError: it loses more than 0.1 dB, of the result or of the mask that it finds, or
            `static` is no faster here; nothing is written.
    """
    out, pairs = Path(out), spread(list(pairs), MEASURED)
    card = read_card(Path(model).with_suffix(".json"))
    task = evaluate.open_model(model)
    graph = onnx.load(model)
    made = whole_numbers(graph) if way == "weights" else static(graph, task, spread(pairs, SAMPLES))
    content = made.SerializeToString()
    before = measure(task, pairs)
    digest = hashlib.sha256(content).hexdigest()
    described = replace(card, name=out.stem, file=out.name, sha256=digest)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / out.name
        trial.write_bytes(content)
        trial.with_suffix(".json").write_text(described.to_json(), encoding="utf-8")
        after = measure(evaluate.open_model(trial), pairs)
    if refusal := _refusal(way, before, after):
        raise ModelError(f"{out} was not written: measured on {len(pairs)} pairs, {refusal}.")
    loss = before.decibels - after.decibels
    figures = {**card.figures, "int8": way, "int8_loss_db": round(loss, 3)}
    final = replace(described, figures=figures)
    write_all({out: content, out.with_suffix(".json"): final.to_json().encode()})
    return (
        f"8-bit {way}: {before.decibels:.2f} to {after.decibels:.2f} dB, "
        f"{before.seconds_mp:.2f} to {after.seconds_mp:.2f} s/MP on {len(pairs)} pairs"
    )


def _refusal(way: str, before: Measured, after: Measured) -> str:
    """Say why a form of a model is not worth writing; nothing where it is."""
    loss = before.decibels - after.decibels
    if not loss <= ALLOWED:
        return (
            f"8-bit {way} loses {loss:.2f} dB ({before.decibels:.2f} to {after.decibels:.2f}), "
            f"which is more than {ALLOWED:g}"
        )
    if way == "static" and not after.seconds_mp < before.seconds_mp:
        return (
            f"8-bit static is no faster here ({before.seconds_mp:.2f} to {after.seconds_mp:.2f} "
            "s/MP), which is what it is for; 8-bit weights make the file as small"
        )
    return ""


def measure(task: Model, pairs: Sequence[Pair]) -> Measured:
    """Measure the mean PSNR in dB of the picture that the model gives, or else of its mask."""
    decibels, seconds = [], []
    for score in evaluate.evaluate(pairs, task):  # one at a time: each holds whole pictures
        gives_picture = isinstance(task, RawModel) or task.picture is not None
        found = score.figures["psnr"] if gives_picture else metrics.psnr(*score.columns[-2:])
        decibels.append(min(evaluate.EQUAL, found))
        seconds.append(score.figures["seconds_mp"])
    return Measured(float(np.mean(decibels)), float(np.median(seconds)))


def whole_numbers(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a model with the weights of its convolutions as 8-bit integers."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    casts = {node.output[0]: node for node in graph.node if node.op_type == "Cast"}
    nodes = []
    for node in list(graph.node):
        if node.op_type not in ("Conv", "ConvTranspose"):
            continue
        name = node.input[1]
        cast = casts.get(name)
        tensor = tensors.get(cast.input[0] if cast else name)
        if tensor is None or int(np.prod(tensor.dims)) < SMALL:
            continue
        axis = 0 if node.op_type == "Conv" else 1
        if any(group.name == "group" and group.i > 1 for group in node.attribute) and axis:
            continue  # the channels of a grouped transposed convolution are not on one axis
        weights = numpy_helper.to_array(tensor).astype(np.float32)
        whole, scale = rounded(weights, axis)
        parts = {f"{name}.int8": whole, f"{name}.scale": scale}
        graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in parts.items())
        nodes.append(
            helper.make_node("DequantizeLinear", list(parts), [f"{name}.float"], axis=axis)
        )
        node.input[1] = f"{name}.float"
    kept = nodes + list(graph.node)
    del graph.node[:]
    graph.node.extend(kept)
    del graph.value_info[:]
    _drop_unused(graph)
    return made


def rounded(
    weights: NDArray[np.float32], axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return weights as -127..127 and the scale of each channel along `axis`."""
    others = tuple(dim for dim in range(weights.ndim) if dim != axis)
    scale = np.maximum(np.abs(weights).max(axis=others), FLOOR) / 127
    shape = [-1 if dim == axis else 1 for dim in range(weights.ndim)]
    return np.rint(weights / scale.reshape(shape)).astype(np.int8), scale.astype(np.float32)


def static(model: onnx.ModelProto, task: Model, pairs: Sequence[Pair]) -> onnx.ModelProto:
    """Return a copy of a model whose convolutions compute in 8-bit integers."""
    from onnxruntime import quantization

    class Pictures(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.inputs = inputs(task, pairs)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            return next(self.inputs, None)

    quiet = logging.getLogger()
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as folder:
            plain, made = Path(folder) / "plain.onnx", Path(folder) / "made.onnx"
            onnx.save(_with_float_weights(model), plain)
            quantization.quantize_static(
                plain,
                made,
                Pictures(),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
            return onnx.load(made)
    finally:
        quiet.setLevel(level)


def inputs(task: Model, pairs: Sequence[Pair]) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield what the model sees of each pair's middle, (1, C, H, W), at most a tile."""
    card = task.model.card
    multiple = card.tile if card.parameters.get("fixed") else card.multiple
    for pair in pairs:
        planes = seen(task, pair)
        missing = [(0, max(0, multiple - length)) for length in planes.shape[:2]]
        planes = np.pad(planes, [*missing, (0, 0)], mode="edge")
        sides = [min(card.tile, n // multiple * multiple) for n in planes.shape[:2]]
        top, left = ((planes.shape[i] - sides[i]) // 2 for i in (0, 1))
        part = planes[top : top + sides[0], left : left + sides[1]]
        yield {INPUT: np.ascontiguousarray(part.transpose(2, 0, 1)[None], np.float32)}


def seen(task: Model, pair: Pair) -> NDArray[np.float32]:
    """Return the planes (H, W, C) of a pair that the model would be given."""
    if isinstance(task, RawModel):
        return task.given(to_unit(read_raw_pair(pair, task.levels)[0], task.levels))
    picture = Picture.read(pair.input)
    if task.picture is None:
        return picture.shrunk(task.model.card.tile)
    if not task.given_mask:
        return picture.rgb()
    arrays = read_pair(pair)
    mask = arrays[2] if pair.mask else mask_of_pair(arrays[0], arrays[1])
    hole = (mask > 0).astype(np.float32)
    return np.concatenate([picture.rgb() * (1 - hole), hole], 2)


def _with_float_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy without halves: their casts would hide the weights."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    halves = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT16}
    casts = [n for n in graph.node if n.op_type == "Cast" and n.input[0] in halves]
    for node in casts:
        values = numpy_helper.to_array(halves[node.input[0]]).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        graph.node.remove(node)
    _drop_unused(graph)
    return made


def _drop_unused(graph: Any) -> None:
    """Take out, in place, casts and initialisers that nobody reads any more."""
    read = {name for node in graph.node for name in node.input}
    for node in [n for n in graph.node if n.op_type == "Cast" and n.output[0] not in read]:
        graph.node.remove(node)
    read = {name for node in graph.node for name in node.input}
    for tensor in [t for t in graph.initializer if t.name not in read]:
        graph.initializer.remove(tensor)
