"""From a trained network to an ONNX file and its card, or to nothing at all.

Weights may be stored as float16: the file is half as large, and the graph casts them back, so that
all arithmetic stays float32. The rounding happens before the comparison of ONNX Runtime with
PyTorch: what is compared is the same weights in both, so a difference is a fault of the export.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cleanplate.errors import ModelError, UsageError
from cleanplate.models import RGB, Card
from cleanplate.training import networks
from cleanplate.training.graphs import disagreement, fix_same_padding, store_halves, to_onnx
from cleanplate.training.modules.segmentation import Foreground
from cleanplate.training.networks.backbones import Normalised
from cleanplate.training.networks.deploy import Deployable
from cleanplate.training.networks.registry import NetworkCard
from cleanplate.training.weights import average_with, load_weights, read_checkpoint
from cleanplate.writing import write_all

TOLERANCE = 1e-4
HALF_MAX = float(np.finfo(np.float16).max)


def export_network(
    network: nn.Module,
    path: str | Path,
    *,
    planes: Sequence[str],
    outputs: Sequence[str],
    card: Mapping[str, Any],
    float16: bool = True,
    tile: int,
    multiple: int,
    squash: Sequence[str] = (),
    fixed: bool = False,
) -> None:
    """Write `path` (.onnx) and its card (.json) beside it.

    Args:
        network: maps (N, C, H, W) to a dict of tensors; it is left as it was.
        path: where to; its stem is the model's name.
        planes: a name for each of the C input planes, in order.
        outputs: which tensors of the dict become ONNX outputs.
        card: the other fields of `cleanplate.models.Card`: task, role, figures, recipe, data,
            licence, parameters.
        float16: store weights of two dimensions and more as float16.
        tile: longest side in pixels to run at once.
        multiple: what H and W must be multiples of.
        squash: outputs that are logits and leave the graph through a sigmoid.
        fixed: the graph takes inputs of the tile's size alone, for a network that does not compute
            alike at all sizes; the card says so by the parameter `fixed`.

    Raises:
        ModelError: ONNX Runtime and PyTorch differ by more than 1e-4; nothing is written.
        UsageError: the path does not end in .onnx, or the card lacks a field.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise UsageError(f"{path}: a model's file ends in .onnx.")
    frozen = Deployable(network.cpu().float(), tuple(outputs), tuple(squash))
    fix_same_padding(frozen)
    if float16:
        round_weights(frozen)
    side = multiple
    if fixed:
        side = tile = -(-tile // multiple) * multiple
        card = {**card, "parameters": {**card.get("parameters", {}), "fixed": 1}}
    model = to_onnx(frozen, len(planes), tuple(outputs), side, fixed)
    if float16:
        store_halves(model)
    content = model.SerializeToString()
    difference = disagreement(frozen, content, len(planes), side, fixed)
    if not difference <= TOLERANCE:
        raise ModelError(
            f"{path} was not written: ONNX Runtime and PyTorch differ by {difference:.2g}, which "
            f"is more than {TOLERANCE:g}."
        )
    described = _card(path, content, planes, outputs, tile, multiple, card)
    write_all({path: content, path.with_suffix(".json"): described.to_json().encode()})


def export_checkpoint(
    checkpoint: str | Path,
    path: str | Path,
    *,
    float16: bool = True,
    average: str | Path | None = None,
    **card: Any,
) -> None:
    """Export the network in a checkpoint of `cleanplate train`, with its averaged weights.

    Args:
        checkpoint: the file.
        path: see `export_network`.
        float16: see `export_network`.
        average: what it was trained on from; the weights are moved half way back to that, see
            `weights.average_with`.
        card: fields of the card, and `tile`, in the place of those that the checkpoint gives.

    Raises:
        ModelError: the file is no such checkpoint, or see `export_network`.
        UsageError: the file is missing, or see `export_network` and `weights.average_with`.
    """
    network, info = load_checkpoint(checkpoint)
    if average is not None:
        average_with(network[-1] if isinstance(network, nn.Sequential) else network, average)
    found = networks.card(info["network"])
    fields: dict[str, Any] = {
        "task": "watermark",
        "role": found.role,
        "figures": info["figures"],
        "recipe": info["recipe"],
        "data": [{"source": "the user's own pairs", "terms": "the user's own"}],
        "licence": "LicenseRef-own",
        "parameters": {
            "threshold": info["figures"].get("val/threshold", 0.5),
            **info.get("parameters", {}),
        },
    }
    recipe = dict(info.get("card", {}))
    fields["parameters"].update(recipe.pop("parameters", {}))
    fields.update({**recipe, **card})
    tile = fields.pop("tile", 512)
    planes = info.get("planes", RGB)
    export_network(
        network,
        path,
        planes=planes,
        outputs=_given(network, found, len(planes)),
        card=fields,
        float16=float16,
        tile=tile,
        multiple=found.multiple,
        squash=(*found.logits, *info.get("logits", ())),
        fixed="tlc" in info,
    )


def load_checkpoint(checkpoint: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network of a checkpoint, as it was in validation, and what is said of it:
    `network`, `options`, `recipe`, `figures`, and where they apply `planes`, `logits`,
    `parameters`, `card`, `tlc`, `normalise` and `softmax`.

    Only tensors and plain values are read from the file, never code.

    Raises:
        UsageError: the file is missing.
        ModelError: it is no such checkpoint.
    """
    _, info = read_checkpoint(checkpoint)
    try:
        network = networks.create(info["network"], **info["options"])
        load_weights(network, checkpoint)
        if "tlc" in info:
            network.use_tlc((info["tlc"], info["tlc"]))
    except (UsageError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"{checkpoint} is not a checkpoint of `cleanplate train`.") from error
    if info.get("normalise"):
        network = nn.Sequential(Normalised(), network)
    return nn.Sequential(network, Foreground()) if info.get("softmax") else network, info


@torch.no_grad()
def _given(network: nn.Module, found: NetworkCard, planes: int) -> tuple[str, ...]:
    """Return the outputs that the network gives: options may leave some of the card's out, or add
    some.
    """
    sides = [max(found.multiple, 64)] * 2
    outputs = network.eval()(torch.zeros(1, planes, *sides))
    known = [name for name in found.outputs if name in outputs]
    return (*known, *(name for name in outputs if name not in known))


def round_weights(network: nn.Module) -> None:
    """Round every weight of two dimensions and more to what float16 can hold, in place.

    A tensor that float16 cannot hold at all stays; so do biases and statistics, which are small
    and which rounding would hurt more.
    """
    for tensor in itertools.chain(network.parameters(), network.buffers()):
        if tensor.dtype == torch.float32 and tensor.ndim >= 2 and tensor.abs().max() <= HALF_MAX:
            tensor.data = tensor.data.half().float()


def _card(
    path: Path,
    content: bytes,
    planes: Sequence[str],
    outputs: Sequence[str],
    tile: int,
    multiple: int,
    fields: Mapping[str, Any],
) -> Card:
    given: dict[str, Any] = {
        "name": path.stem,
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "inputs": tuple(planes),
        "outputs": tuple(outputs),
        "tile": -(-tile // multiple) * multiple,
        "multiple": multiple,
    }
    try:
        return Card(**{**given, **fields})
    except TypeError as error:
        raise UsageError(f"The card of {path.name} is not complete: {error}.") from error
