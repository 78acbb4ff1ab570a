"""Reading the weights in a checkpoint of `cleanplate train`, or in an exported model: no code."""

from __future__ import annotations

import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from cleanplate import models
from cleanplate.errors import ModelError, UsageError

PREFIX = "network."


def read_checkpoint(
    checkpoint: str | Path, prefix: str = PREFIX
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the (averaged) weights of the network in a checkpoint, and what is said of it.

    Only tensors and plain values are read from the file, never code.

    Args:
        checkpoint: the file.
        prefix: of another of the networks that were trained together.

    Raises:
        UsageError: the file is missing.
        ModelError: it is no such checkpoint.
    """
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        info = {**content["cleanplate"], **content["provenance"]}
        weights = {
            name.removeprefix(prefix): value
            for name, value in content["state_dict"].items()
            if name.startswith(prefix)
        }
    except FileNotFoundError:
        raise UsageError(f"{checkpoint} is missing: there is no such checkpoint.") from None
    except (OSError, EOFError, RuntimeError, LookupError, TypeError, ValueError) as error:
        raise ModelError(f"{checkpoint} is not a checkpoint of `cleanplate train`.") from error
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{checkpoint} is not a checkpoint of `cleanplate train`: it holds more than weights "
            "and plain values."
        ) from error
    return weights, info


def start_from(network: nn.Module, source: str | Path) -> None:
    """Put the weights of a checkpoint, of an exported model or of one that ships into `network`.

    Args:
        network: as large as the one that the weights are of.
        source: a checkpoint, an ONNX file beside its card, or the name of a model that ships.

    Raises:
        UsageError: the file is missing, or the weights are those of another network.
        ModelError: it cannot be used.
    """
    if Path(source).suffix == ".onnx" or str(source) in {card.name for card in models.cards()}:
        _fit(network, exported_weights(source, network), source)
    else:
        load_weights(network, source)


def average_with(network: nn.Module, source: str | Path) -> None:
    """Move a network's weights half way to those that it was trained on from.

    What was learnt first is forgotten less than what was learnt then is lost (Wortsman et al.,
    Robust Fine-Tuning of Zero-Shot Models, CVPR 2022).

    Args:
        network: trained on.
        source: what it started from; see `start_from`.

    Raises:
        UsageError, ModelError: see `start_from`.
    """
    first = deepcopy(network)
    start_from(first, source)
    given = first.state_dict()
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.lerp_(given[name], 0.5)


def exported_weights(model: str | Path, network: nn.Module) -> dict[str, Tensor]:
    """Return the weights of an exported model by the names that `network` gives them.

    What an export does not hold, such as the counters of batch normalisation, stays as it is; so
    does what it holds in another form, such as spectral norms, and that is then missing.

    Raises:
        ModelError: it cannot be read.
    """
    graph = onnx.load_from_string(models.read(model)[1]).graph
    held = {
        tensor.name.removeprefix(PREFIX).removesuffix(".half"): numpy_helper.to_array(tensor)
        for tensor in graph.initializer
    }
    weights = {}
    for name, value in network.state_dict().items():
        stem, _, leaf = name.rpartition(".")
        found = held.get(name, held.get(f"{stem}.1.{leaf}"))  # behind padding of its own
        if found is not None:
            weights[name] = torch.from_numpy(found.astype("float32"))
        elif leaf == "num_batches_tracked":
            weights[name] = value
    return weights


def load_weights(
    network: nn.Module, checkpoint: str | Path, prefix: str = PREFIX
) -> dict[str, Any]:
    """Put a checkpoint's weights into `network`; returns what the checkpoint says of its own.

    Raises:
        UsageError: the file is missing, or the weights are those of another network.
        ModelError: as `read_checkpoint`.
    """
    weights, info = read_checkpoint(checkpoint, prefix)
    _fit(network, weights, checkpoint)
    return info


def _fit(network: nn.Module, weights: dict[str, Tensor], source: str | Path) -> None:
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in weights]
    unlike = [n for n, x in wanted.items() if n in weights and x.shape != weights[n].shape]
    if missing or unlike or len(weights) > len(wanted):
        raise UsageError(
            f"{source} holds another network's weights: of the {len(wanted)} tensors of the one to "
            f"be trained {len(missing)} are missing and {len(unlike)} have other sizes. Give a "
            "model or checkpoint of the same network, as large."
        )
    network.load_state_dict(weights)
