"""Frozen weights from a file, `init=own weights=FILE`: pre-trained ones, say, in place of random ones."""

import os

import torch
from torch import Tensor

from fedsparse.errors import DataError
from fedsparse.models import MaskedNetwork

MADE = "torch.save(module.state_dict(), file) makes one that can be read"


def state_dict_in(file: str) -> dict[str, Tensor]:
    """The tensors that `torch.save(module.state_dict(), file)` wrote.

    Raises:
        DataError: there is no such file, or it holds something else.
    """
    if not os.path.isfile(os.path.expanduser(file)):  # a file of a network may name anything
        raise DataError(f"weights={file}: no such file; {MADE}")
    try:
        found = torch.load(os.path.expanduser(file), weights_only=True, map_location="cpu")
    except Exception:  # torch.load raises almost anything on a damaged file, and on a whole module
        raise DataError(f"weights={file} cannot be read; {MADE}") from None
    if not isinstance(found, dict) or not all(isinstance(k, str) and isinstance(t, Tensor) for k, t in found.items()):
        inner = [k for k, v in found.items() if isinstance(v, dict)] if isinstance(found, dict) else []
        raise DataError(f"weights={file} holds no state_dict{f' but one at {inner[0]!r}' if inner else ''}; {MADE}")
    for name, tensor in found.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_complex() or not tensor.isfinite().all():
            raise DataError(f"weights={file}: {name} must be an ordinary tensor of finite numbers")
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
