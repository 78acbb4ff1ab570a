"""The registry: every architecture states what it needs beside its code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from torch import nn

from cleanplate.errors import UsageError

N = TypeVar("N", bound=Callable[..., nn.Module])


@dataclass(frozen=True)
class NetworkCard:
    """What a caller must know of a network without reading it.

    A network takes one float tensor (N, planes, H, W) with values in [0, 1], of any height and
    width, and returns a dict of tensors (N, C, H, W) keyed by `outputs`; in training mode the
    dict may also hold `training_outputs`. A discriminator's score map has its own size.
    """

    name: str
    planes: int  # input channels
    multiple: int  # sides it works on; it pads to this inside, and a caller may pad before
    outputs: tuple[str, ...]  # in the order the ONNX export uses
    parameters: float  # count at full width, with the default options
    source: str  # paper
    logits: tuple[str, ...] = ()  # outputs that still want a sigmoid (softmax for many classes)
    training_outputs: tuple[str, ...] = ()  # present in training mode only
    role: str = "eraser"  # eraser, restorer, filler, locator or discriminator


def segmenter(name: str, parameters: float, **own: Any) -> NetworkCard:
    """Return the card of a network that finds a mask, as logits, on an RGB picture.

    `own`: the fields of the card that differ among such networks.
    """
    return NetworkCard(
        name,
        parameters=parameters,
        planes=3,
        outputs=("mask",),
        logits=("mask",),
        role="locator",
        **own,
    )


_builders: dict[str, Callable[..., nn.Module]] = {}
_cards: dict[str, NetworkCard] = {}


def register(card: NetworkCard, **defaults: Any) -> Callable[[N], N]:
    """Decorate a class: make it known as `card.name`, built with `defaults`.

    May be stacked, one card for each published configuration of an architecture.
    """

    def keep(network: N) -> N:
        if card.name in _cards:
            raise ValueError(f"two networks are called {card.name!r}")
        _cards[card.name] = card
        _builders[card.name] = partial(network, **defaults)
        return network

    return keep


def names(role: str | None = None) -> list[str]:
    """Return the registered names, sorted; of one role if `role` is given."""
    return sorted(name for name, card in _cards.items() if role in (None, card.role))


def card(name: str) -> NetworkCard:
    """Return the card of a network.

    Raises:
        UsageError: nobody registered this name.
    """
    if name not in _cards:
        raise UsageError(f"No network is called {name!r}; there are: {', '.join(names())}.")
    return _cards[name]


def create(name: str, **options: Any) -> nn.Module:
    """Build a network with random weights; `options` go to its constructor (all know `width`).

    Raises:
        UsageError: the name is not known.
    """
    return _builders[card(name).name](**options)
