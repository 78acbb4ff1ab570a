"""What each network costs: the rows that `cleanplate networks` prints."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cleanplate.training.networks.deploy import Deployable
from cleanplate.training.networks.registry import card, create, names

REPEATS = 3  # runs that are timed


@dataclass(frozen=True)
class Row:
    """One network at full width."""

    name: str
    role: str
    parameters: int
    macs_per_pixel: float  # multiply-accumulates per position of the input
    outputs: tuple[str, ...]
    seconds_per_megapixel: float | None  # on one core of this machine; None where not measured
    source: str


def rows(
    chosen: Sequence[str] | None = None, side: int = 256, measure: bool = False
) -> Iterator[Row]:
    """Yield a row for every chosen network (all by default), as soon as it is known.

    MACs are counted at `side` x `side` without running anything; with `measure` each network is
    also built and timed there.

    Raises:
        UsageError: the name is not known.
    """
    for name in chosen if chosen is not None else names():
        entry = card(name)
        with torch.device("meta"):
            network = create(name)
            macs = count_macs(Deployable(network, entry.outputs), entry.planes, side)
        seconds = None
        if measure:
            ready = Deployable(create(name), entry.outputs)
            seconds = time_megapixel(ready, entry.planes, side)
        yield Row(
            name=name,
            role=entry.role,
            parameters=sum(p.numel() for p in network.parameters()),
            macs_per_pixel=macs / side**2,
            outputs=entry.outputs,
            seconds_per_megapixel=seconds,
            source=entry.source,
        )


def count_macs(network: nn.Module, planes: int, side: int) -> int:
    """Multiply-accumulates of convolutions and matrix products for one square input."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, planes, side, side))
    return counter.get_total_flops() // 2


def time_megapixel(network: nn.Module, planes: int, side: int) -> float:
    """Return one thread's CPU seconds per million input positions: the least of some runs.

    One run before warms up; other load on the machine hardly counts.
    """
    x = torch.rand(1, planes, side, side)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            network(x)
            times = []
            for _ in range(REPEATS):
                start = time.thread_time()
                network(x)
                times.append(time.thread_time() - start)
    finally:
        torch.set_num_threads(threads)
    return min(times) * 1e6 / side**2
