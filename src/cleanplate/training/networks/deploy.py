"""A network as the ONNX export wants it: frozen, without training-time machinery."""

from __future__ import annotations

from copy import deepcopy

from torch import Tensor, nn
from torch.nn.utils import parametrize


class Deployable(nn.Module):
    """A copy of `network` in evaluation mode that returns a tuple in the order of `outputs`.

    Spectral norms are folded into the weights. With `squash`, the outputs named there go through
    a sigmoid, so that they leave the graph as probabilities. The original is left as it was.
    """

    def __init__(
        self, network: nn.Module, outputs: tuple[str, ...], squash: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        self.network = fold_parametrizations(deepcopy(network).eval())
        self.outputs = outputs
        self.squash = squash
        self.eval()

    def forward(self, planes: Tensor) -> tuple[Tensor, ...]:
        found = self.network(planes)
        return tuple(
            found[name].sigmoid() if name in self.squash else found[name] for name in self.outputs
        )


def fold_parametrizations(network: nn.Module) -> nn.Module:
    """Replace every parametrised weight (spectral norm) by its present value, in place.

    Torch's own remove_parametrizations edits the module's class, which a copy shares with its
    original; here the copy gets its former class back instead.
    """
    for module in network.modules():
        if parametrize.is_parametrized(module):
            values = {name: getattr(module, name).detach() for name in module.parametrizations}
            plain = parametrize.type_before_parametrizations(module)
            del module.parametrizations
            module.__class__ = plain
            for name, value in values.items():
                module.register_parameter(name, nn.Parameter(value.clone()))
    return network
