"""The models that ship and those that a user brings: what their cards say, and how they run.

A model is two files side by side: `NAME.onnx`, the weights, and `NAME.json`, its card. Only this
room reads weights, starts an ONNX Runtime session or chooses a device.
"""

from __future__ import annotations

from cleanplate.models.catalogue import Card, Source, card, cards, read_card
from cleanplate.models.sessions import DEVICES, Model, load, read, usable_cores

__all__ = [
    "DEVICES",
    "Card",
    "Model",
    "Source",
    "card",
    "cards",
    "load",
    "read",
    "read_card",
    "usable_cores",
]
