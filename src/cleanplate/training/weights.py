"""Reading the weights in a checkpoint of `cleanplate train`, and nothing but weights."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cleanplate.errors import ModelError

PREFIX = "network."


def read_checkpoint(
    checkpoint: str | Path, prefix: str = PREFIX
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The (averaged) weights of the network in a checkpoint, and what is said of it.

    Only tensors and plain values are read from the file, never code.

    Args:
        checkpoint: the file.
        prefix: of another of the networks that were trained together.

    Raises:
        ModelError: the file is missing or no such checkpoint.
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
        raise ModelError(f"{checkpoint} is missing: there is no such checkpoint.") from None
    except (OSError, EOFError, RuntimeError, LookupError, TypeError, ValueError) as error:
        raise ModelError(f"{checkpoint} is not a checkpoint of `cleanplate train`.") from error
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{checkpoint} is not a checkpoint of `cleanplate train`: it holds more than weights "
            "and plain values."
        ) from error
    return weights, info


def load_weights(
    network: nn.Module, checkpoint: str | Path, prefix: str = PREFIX
) -> dict[str, Any]:
    """Put a checkpoint's weights into `network`; returns what the checkpoint says of its own.

    Raises:
        ModelError: as `read_checkpoint`, or the weights are those of another network.
    """
    weights, info = read_checkpoint(checkpoint, prefix)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise ModelError(f"{checkpoint} holds another network's weights ({reason}).") from error
    return info
