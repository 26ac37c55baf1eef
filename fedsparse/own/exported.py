"""Out again: a trained network as an ordinary PyTorch module, without its dead units, and as ONNX."""

import importlib.util
import os
import re
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fedsparse.errors import RunError, SettingError, one_line
from fedsparse.layers import Masked, MaskedConv2d
from fedsparse.models import MaskedNetwork
from fedsparse.own.module import OwnNetwork


def plain_module(network: MaskedNetwork, weights: Tensor) -> nn.Module:
    """The network with these weights, (n,), as layers of `torch.nn` alone; it takes images scaled to [−1, 1]."""
    parts = [part.detach().clone() for part in network.parts(weights)]
    if isinstance(network, OwnNetwork):
        module = deepcopy(network.module)
        named = dict(module.named_parameters())
        with torch.no_grad():
            for name, part in zip(network.names, parts, strict=True):
                named[name].copy_(part)
        return module
    layers: list[nn.Module] = []
    for stage in network.stages:
        if not isinstance(stage, Masked):
            layers.append(deepcopy(stage))
            continue
        weight, bias = parts.pop(0), parts.pop(0)
        if isinstance(stage, MaskedConv2d):
            size = weight.shape[-1]
            layer: Any = nn.Conv2d(weight.shape[1], len(weight), size, padding=size // 2)
        else:
            if not any(isinstance(before, nn.Linear) for before in layers):
                layers.append(nn.Flatten())
            layer = nn.Linear(weight.shape[1], len(weight))
        layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
        layers.append(layer)
    return nn.Sequential(*layers)


LETTERS = {nn.Conv2d: "c", nn.MaxPool2d: "p", nn.ReLU: "r", nn.Flatten: "f", nn.Linear: "l"}


def shrunk(module: nn.Module) -> nn.Sequential:
    """A smaller dense network with the same outputs, up to float rounding: `plain_module` without its dead units.

    A unit is removed if nothing reads it; or if it reads nothing, so that its output is the constant ReLU(bias): where
    that is 0, or where a dense layer reads it, whose bias takes it over. (A convolution pads a constant with zeros, so
    there it stays.) Each layer keeps one unit at least.

    Raises:
        SettingError: the module is not a sequence of convolutions and dense layers, each but the last with a ReLU.
    """
    kinds = [type(layer) for layer in module.children()] if isinstance(module, nn.Sequential) else []
    order = "".join(next((letter for kind, letter in LETTERS.items() if of is kind), "?") for of in kinds)
    simple = all(layer.bias is not None and getattr(layer, "groups", 1) == 1 for layer in module.children()
                 if isinstance(layer, (nn.Conv2d, nn.Linear)))  # fmt: skip
    if not re.fullmatch(r"(c(p?r|rp))*f?(lr)*l", order) or not simple:
        raise SettingError("shrink is for convolutions and dense layers in a row, with a ReLU after each but the last")
    small = nn.Sequential(*deepcopy(module).children())
    layers = [layer for layer in small if isinstance(layer, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        while sum(_remove(one, after) for one, after in pairwise(layers)):  # all of them, each time
            pass
    return small


def _remove(layer: Any, after: Any) -> bool:
    """Remove the dead units of a layer that the next one reads; whether there were any."""
    units = len(layer.weight)
    read = after.weight.reshape(len(after.weight), units, -1)  # of a dense layer after a convolution: its places
    constant = ~layer.weight.flatten(1).any(1)
    value = layer.bias.clamp(min=0) * constant
    dense = isinstance(after, nn.Linear)
    if dense:
        after.bias += (read.sum(2) * value).sum(1)
        layer.bias[constant] = 0  # it has been taken over
    dead = ~read.any(2).any(0) | (constant & ((value == 0) | dense))
    dead[0] &= not dead.all()
    if not dead.any():
        return False
    keep = ~dead
    layer.weight, layer.bias = nn.Parameter(layer.weight[keep]), nn.Parameter(layer.bias[keep])
    after.weight = nn.Parameter(read[:, keep].reshape(len(after.weight), -1, *after.weight.shape[2:]))
    for part in (layer, after):
        outputs, inputs = part.weight.shape[:2]
        if isinstance(part, nn.Linear):
            part.out_features, part.in_features = outputs, inputs
        else:
            part.out_channels, part.in_channels = outputs, inputs
    return True


def to_onnx(module: nn.Module, shape: tuple[int, int, int], file: str | Path) -> None:
    """Write an ONNX file: float images (batch, channels, height, width) in, logits out, for any size of batch.

    Raises:
        RunError: onnxscript is not installed, or the module cannot be exported.
    """
    if importlib.util.find_spec("onnxscript") is None:
        raise RunError("ONNX needs a package that is not installed: pip install onnxscript")
    images = torch.zeros(2, *shape)
    try:
        torch.onnx.export(
            module.eval(), (images,), os.path.expanduser(file), input_names=["images"], output_names=["logits"],
            dynamo=True, dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False, external_data=False,
        )  # fmt: skip
    except OSError as error:
        raise RunError(f"cannot write {file}: {error.strerror or error}") from None
    except Exception as error:  # whatever the exporter finds
        raise RunError(f"cannot be exported to ONNX: {one_line(error)}") from error
