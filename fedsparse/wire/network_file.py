"""A trained network as one file: architecture, seed, coded mask. The random weights grow from the seed.

Where weights were trained, the file holds them as float32 in place of a mask. Frozen weights that do not grow from the
seed (`init=own`) are not in it: it names their file, and has a digest of them.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fedsparse.errors import DataError, MessageError, SettingError
from fedsparse.experiment import Experiment
from fedsparse.models import Architecture, MaskedNetwork, network_of
from fedsparse.own.arrays import batch_of
from fedsparse.own.exported import plain_module, shrunk, to_onnx
from fedsparse.own.names import is_own, name_of
from fedsparse.theta import Weights
from fedsparse.wire.frame import Kind, header_of
from fedsparse.wire.masks import decode_network, encode_network, network_description
from fedsparse.wire.weights import decode_weight_network, encode_weight_network

FREE, DENSEST = 2**25, 2**12
"""Parameters that any file may claim, more than the package's largest has at width 1, and those beside them for each
byte of it: what a reader may have to allocate is bounded before anything is. Masks of 0.002 bits per parameter pass."""


class TrainedNetwork(nn.Module):
    """A network with its mask in place, or its trained weights: `network(images)` gives logits.

    Attributes:
        architecture: what it is; with the mask, all there is to know.
        masked: the network of frozen weights.
        mask: (n,) float32 of 0 and 1; None where weights were trained.
        weights: (n,) float32: the frozen ones under the mask, or the trained ones.
    """

    mask: Tensor | None
    weights: Tensor

    def __init__(self, network: MaskedNetwork, trained: np.ndarray | Weights) -> None:
        super().__init__()
        self.architecture = network.architecture
        self.masked = network
        if isinstance(trained, Weights):
            mask, weights = None, torch.from_numpy(trained.values)
        else:
            mask = torch.from_numpy(trained).float()
            weights = self.masked.weights(mask)
        self.register_buffer("mask", mask)
        self.register_buffer("weights", weights)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (batch, classes), float32, of images (batch, channels, height, width): uint8, or floats in [−1, 1].

        NumPy's arrays and every float type will do. `network.half()` rounds the weights; arithmetic stays float32.

        Raises:
            DataError: images of another shape or scale.
        """
        images = batch_of(images, self.architecture.shape, self.weights.device)
        return self.masked.forward_with_weights(images, self.weights.float())

    def to_torch(self) -> nn.Module:
        """The same network as an ordinary module with a plain state_dict; it takes float images in [−1, 1]."""
        return plain_module(self.masked, self.weights.float())

    def shrink(self) -> nn.Sequential:
        """`to_torch` without units that are dead under the mask: smaller and dense, its logits the same.

        Raises:
            SettingError: it is not convolutions and dense layers in a row, as the package's own networks are.
        """
        return shrunk(self.to_torch())

    def to_onnx(self, file: str | Path) -> None:
        """Write `to_torch` as ONNX, for any size of batch. Raises `RunError` without onnxscript, or if it fails."""
        to_onnx(self.to_torch(), self.architecture.shape, file)

    @property
    def float32_bytes(self) -> int:
        """What the same network costs as 32-bit numbers."""
        return 4 * self.masked.layout.n


def encode(network: MaskedNetwork, trained: np.ndarray | Weights) -> bytes:
    """The content of a `.fsp` file: trained weights as they are, of a θ or a mask the entries above ½."""
    fields = {k: v for k, v in asdict(network.architecture).items() if k != "weights" or v}
    description = json.dumps(fields, separators=(",", ":")).encode()
    if isinstance(trained, Weights):
        return encode_weight_network(trained, network.layout, description)
    return encode_network((trained > 0.5).astype(np.uint8), network.layout, description)


def load_network(
    path: str | Path, model: Callable[..., nn.Module] | None = None, weights: str | Path | None = None
) -> TrainedNetwork:
    """The trained network in a `.fsp` file, ready for use.

    Args:
        model: of a network around a module of one's own, the function that makes it: a file names it, but nothing is
            imported because a file says so.
        weights: where the file of its frozen weights lies now, if it is not where it was (`init=own`).

    Raises:
        MessageError: the file is cut off, damaged, or was not written by fedsparse; it needs a `model`, or its frozen
            weights are other ones.
        DataError: the file of its frozen weights is not there, or does not fit.
        SettingError: the function that makes the module cannot be found, or fails.
        OSError: there is no such file, or it cannot be read.
    """
    content = Path(os.path.expanduser(path)).read_bytes()
    try:
        kind = Kind.WEIGHT_NETWORK if content[4:5] == bytes([Kind.WEIGHT_NETWORK]) else Kind.NETWORK
        header = header_of(content, kind)
        if header.n > FREE + DENSEST * len(content):
            raise MessageError(
                f"{header.n:,} parameters in {len(content):,} bytes: no network that learned is so small"
            )
        architecture = _architecture(network_description(content, kind), header.n)
        if is_own(architecture.model) and model is None:
            raise MessageError(f"a network around {architecture.model}: give that function as load_network(…, model=…)")
        if model is not None:
            architecture = replace(architecture, model=name_of("model", model))
        if weights is not None:
            architecture = replace(architecture, weights=str(weights))
        network = network_of(architecture, n=header.n)
        decode = decode_network if kind == Kind.NETWORK else decode_weight_network
        return TrainedNetwork(network, decode(content, network.layout))
    except MessageError as error:
        raise MessageError(f"{path}: {error}") from None
    except DataError as error:
        raise DataError(f"{path}: {error}; load_network(…, weights=…) says where that file is now") from None


def _architecture(description: bytes, n: int) -> Architecture:
    """The description of n parameters, checked by the schema's own ranges before anything is built from it."""
    try:
        values = json.loads(description)
        named = {"weights": "", **values}
        checked = Experiment(**{k: named[k] for k in ("model", "width", "init", "seed", "weights")})
        shape, classes = tuple(values["shape"]), values["classes"]
        whole = len(shape) == 3 and all(type(v) is int for v in (*shape, classes))
        if not whole or set(named) != set(Architecture.__dataclass_fields__):
            raise ValueError(f"images of {shape}, {classes} classes")
        own = checked.model, checked.width, shape, classes, checked.init, checked.seed, checked.weights
        architecture = Architecture(*own)
        if not is_own(checked.model) and architecture.layout().n != n:
            raise ValueError(f"{architecture.layout().n:,} parameters where the header announces {n:,}")
    except (ValueError, KeyError, TypeError, RecursionError, SettingError) as error:
        raise MessageError(f"a description that makes no network ({error})") from None
    return architecture
