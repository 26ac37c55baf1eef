"""Frozen weights from a file, `init=own weights=FILE`: pre-trained ones, say, in place of random ones."""

import os

import torch
from torch import Tensor

from fedsparse.errors import DataError, one_line
from fedsparse.models import MaskedNetwork


def state_dict_in(file: str) -> dict[str, Tensor]:
    """The tensors that `torch.save(module.state_dict(), file)` wrote.

    Raises:
        DataError: there is no such file, or it holds something else.
    """
    if not os.path.isfile(os.path.expanduser(file)):  # a file of a network may name anything
        raise DataError(f"weights={file}: no such file; torch.save(module.state_dict(), file) makes one")
    try:
        found = torch.load(os.path.expanduser(file), weights_only=True, map_location="cpu")
    except Exception as error:  # torch.load raises almost anything on a damaged file
        raise DataError(f"weights={file} cannot be read ({one_line(error, 100)})") from None
    if not isinstance(found, dict) or not all(isinstance(k, str) and isinstance(t, Tensor) for k, t in found.items()):
        raise DataError(f"weights={file} holds no state_dict: torch.save(module.state_dict(), file) makes one")
    return {name: tensor.detach() for name, tensor in found.items()}


def load_frozen(network: MaskedNetwork, file: str) -> None:
    """Freeze the weights and biases of a state_dict, in their order, in place of random ones. Raises `DataError`."""
    found, needed = state_dict_in(file), network.parts(torch.empty(network.layout.n))
    shapes, others = ([tuple(t.shape) for t in tensors] for tensors in (needed, found.values()))
    if shapes != others:
        model = network.architecture.model
        raise DataError(f"weights={file} holds tensors of {others}; {model} needs, in this order, {shapes}")
    flat = torch.cat([t.float().flatten() for t in found.values()])
    for layer, part in zip(network.layers(), flat.split(network.layout.sizes), strict=True):
        layer.frozen.copy_(part)
