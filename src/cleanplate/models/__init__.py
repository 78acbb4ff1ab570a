"""The models that ship and those that a user brings: what their cards say, and how they run.

A model is two files side by side: `NAME.onnx`, the weights, and `NAME.json`, its card. Only this
room reads weights, starts an ONNX Runtime session or chooses a device.
"""

from __future__ import annotations

from cleanplate.models.catalogue import RGB, Card, Source, card, cards, is_current, read_card
from cleanplate.models.cores import usable_cores
from cleanplate.models.ensemble import Ensemble
from cleanplate.models.roles import by_role
from cleanplate.models.sessions import DEVICES, Model, check_device, load, noting, read

__all__ = [
    "DEVICES",
    "RGB",
    "Card",
    "Ensemble",
    "Model",
    "Source",
    "by_role",
    "card",
    "cards",
    "check_device",
    "is_current",
    "load",
    "noting",
    "read",
    "read_card",
    "usable_cores",
]
