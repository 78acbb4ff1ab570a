"""A frozen network as an ONNX graph, and how far ONNX Runtime's results are from PyTorch's."""

from __future__ import annotations

import copy
import logging
import warnings

import numpy as np
import onnx
import onnx_ir as ir
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx_ir.passes import common as passes
from onnxscript import optimizer
from timm.layers import Conv2dSame
from torch import Tensor, nn

INPUT = "planes"


def to_onnx(
    network: nn.Module,
    planes: int,
    outputs: tuple[str, ...],
    multiple: int,
    fixed: bool = False,
) -> onnx.ModelProto:
    """Return the graph of a network that returns a tuple, with any N, and H and W as multiples.

    Telling the exporter of the multiple keeps a network's own padding to it out of the graph, and
    its sizes simple: without it some networks take many minutes to trace. `fixed`: H and W are the
    multiple itself, for a network that does not compute alike at all sizes.
    """
    sides = [max(2, 96 // multiple) * multiple, max(3, 128 // multiple) * multiple]
    example = torch.rand(2, planes, *([multiple] * 2 if fixed else sides))
    count, height, width = (torch.export.Dim(name, max=4096) for name in ("n", "h", "w"))
    free = {0: count} if fixed else {0: count, 2: multiple * height, 3: multiple * width}
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network,
                (example,),
                None,
                dynamo=True,
                input_names=[INPUT],
                output_names=list(outputs),
                dynamic_shapes=(free,),
                verbose=False,
                optimize=False,
            )
    finally:
        quiet.setLevel(level)
    assert program is not None
    tidy(program.model)
    model = program.model_proto
    for node in model.graph.node:  # where each came from in our sources is of no use to a reader
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    return model


def tidy(model: ir.Model) -> None:
    """Fold constants and drop what is left over, in place.

    Not the exporter's own optimisation: that folds batch normalisation into weights, which then
    are no longer those that were rounded. ONNX Runtime does it when it loads the model.
    """
    optimizer.inline(model)
    for _ in range(2):  # some constants show only after the first round
        optimizer.fold_constants_ir(model)
        passes.RemoveUnusedNodesPass()(model)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    passes.CommonSubexpressionEliminationPass()(model)
    passes.DeduplicateInitializersPass()(model)
    passes.RemoveUnusedFunctionsPass()(model)
    passes.RemoveUnusedOpsetsPass()(model)


def fix_same_padding(network: nn.Module) -> None:
    """Replace the padding that timm's "same" convolutions work out from the size, in place.

    On sides that are multiples of the stride, as all are whose multiple the card states, it is a
    constant. Its formula would end up in the graph, and symbolic tracing does not get over it.
    """
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, Conv2dSame):
                setattr(module, name, _with_fixed_padding(child))


def _with_fixed_padding(conv: Conv2dSame) -> nn.Module:
    sides: list[int] = []
    for kernel, stride, dilation in zip(conv.kernel_size, conv.stride, conv.dilation, strict=True):
        total = max(dilation * (kernel - 1) + 1 - stride, 0)
        sides = [total // 2, total - total // 2, *sides]  # the last dimension comes first
    fixed = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        conv.stride,
        0,
        conv.dilation,
        conv.groups,
        conv.bias is not None,
    )
    fixed.weight, fixed.bias = conv.weight, conv.bias
    return nn.Sequential(nn.ZeroPad2d(sides), fixed)


def store_halves(model: onnx.ModelProto) -> None:
    """Store as float16, in place, each initialiser of two dimensions and more that it holds
    without loss, and cast it back to float32 for its users."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        exact = numpy_helper.to_array(tensor)
        if not np.array_equal(half := exact.astype(np.float16), exact):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    del model.graph.value_info[:]


@torch.no_grad()
def disagreement(
    network: nn.Module, content: bytes, planes: int, multiple: int, fixed: bool = False
) -> float:
    """Return how far ONNX Runtime's results are from PyTorch's, over inputs unlike the example.

    Relative to the largest value of an output where that is above 1, and beyond what PyTorch itself
    errs by in float32, as the processor's order of sums decides that; infinite where a value is not
    a number. The inputs: noise and flat black, white and grey, of one, two and three pictures.
    `fixed`: see `to_onnx`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    noise = torch.Generator().manual_seed(0)
    sides = [multiple * n for n in ((1, 1, 1) if fixed else _odd(multiple))]
    inputs = [
        torch.rand(1, planes, sides[0], sides[1], generator=noise),
        torch.rand(3, planes, sides[2], sides[0], generator=noise),
        torch.stack([torch.full((planes, sides[1], sides[2]), v) for v in (0.0, 1.0)]),
        torch.full((1, planes, sides[0], sides[0]), 0.5),
    ]
    exact = copy.deepcopy(network).double()
    worst = 0.0
    for given in inputs:
        found: tuple[Tensor, ...] = network(given)
        truth: tuple[Tensor, ...] = exact(given.double())
        results = session.run(None, {INPUT: given.numpy()})
        for ours, true, theirs in zip(found, truth, results, strict=True):
            if ours.shape != theirs.shape or not np.isfinite(theirs).all():
                return float("inf")
            scale = max(1.0, float(np.abs(theirs).max()))
            rounding = float((ours - true).abs().max())
            difference = (float(np.abs(true.numpy() - theirs).max()) - rounding) / scale
            worst = max(worst, float("inf") if np.isnan(difference) else difference)
    return worst


def _odd(multiple: int) -> tuple[int, int, int]:
    """Return small odd counts of `multiple`: three different sides, about 32 to 160 pixels."""
    base = max(1, 32 // multiple) | 1
    return base, base + 2, base + 4
