"""A trained network as one file: architecture, seed, coded mask. The random weights grow from the seed.

Where weights were trained, the file holds them as float32 in place of a mask.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fedsparse.errors import DataError, MessageError, SettingError
from fedsparse.experiment import Experiment
from fedsparse.models import Architecture, MaskedNetwork
from fedsparse.theta import Weights
from fedsparse.wire.frame import Kind
from fedsparse.wire.masks import decode_network, encode_network, network_description
from fedsparse.wire.weights import decode_weight_network, encode_weight_network


class TrainedNetwork(nn.Module):
    """A network with its mask in place, or its trained weights: `network(images)` gives logits.

    Attributes:
        architecture: what it is; with the mask, all there is to know.
        mask: (n,) float32 of 0 and 1; None where weights were trained.
        weights: (n,) float32: the frozen ones under the mask, or the trained ones.
    """

    mask: Tensor | None
    weights: Tensor

    def __init__(self, architecture: Architecture, trained: np.ndarray | Weights) -> None:
        super().__init__()
        self.architecture = architecture
        self.masked = MaskedNetwork(architecture)
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
        try:
            images = np.ascontiguousarray(images) if isinstance(images, np.ndarray) else images
            images = torch.as_tensor(images, device=self.weights.device)
        except (TypeError, ValueError, RuntimeError):
            raise DataError(f"images are a tensor or an array of numbers, not {type(images).__name__}") from None
        shape = self.architecture.shape
        if tuple(images.shape[1:]) != shape:
            raise DataError(
                f"images are (batch, {', '.join(map(str, shape))}) for this network, not {tuple(images.shape)}"
            )
        if images.dtype != torch.uint8:
            # The range belongs to the data, which are not there while the network is compiled or exported.
            known = not torch.compiler.is_compiling() and images.numel()
            if not images.is_floating_point() or (known and not images.abs().max() <= 1):
                raise DataError("images are uint8 from 0 to 255, or floats scaled to [-1, 1]")
            images = images.float()
        return self.masked.forward_with_weights(images, self.weights.float())

    @property
    def float32_bytes(self) -> int:
        """What the same network costs as 32-bit numbers."""
        return 4 * self.masked.layout.n


def encode(architecture: Architecture, trained: np.ndarray | Weights) -> bytes:
    """The content of a `.fsp` file: trained weights as they are, of a θ or a mask the entries above ½."""
    description = json.dumps(asdict(architecture), separators=(",", ":")).encode()
    if isinstance(trained, Weights):
        return encode_weight_network(trained, architecture.layout(), description)
    return encode_network((trained > 0.5).astype(np.uint8), architecture.layout(), description)


def load_network(path: str | Path) -> TrainedNetwork:
    """The trained network in a `.fsp` file, ready for use.

    Raises:
        MessageError: the file is cut off, damaged, or was not written by fedsparse.
        OSError: there is no such file, or it cannot be read.
    """
    content = Path(path).read_bytes()
    try:
        kind = Kind.WEIGHT_NETWORK if content[4:5] == bytes([Kind.WEIGHT_NETWORK]) else Kind.NETWORK
        architecture = _architecture(network_description(content, kind))
        decode = decode_network if kind == Kind.NETWORK else decode_weight_network
        return TrainedNetwork(architecture, decode(content, architecture.layout()))
    except MessageError as error:
        raise MessageError(f"{path}: {error}") from None


def _architecture(description: bytes) -> Architecture:
    """The description, checked by the schema's own ranges before anything is built from it."""
    try:
        values = json.loads(description)
        checked = Experiment(**{k: values[k] for k in ("model", "width", "init", "seed")})
        shape, classes = tuple(values["shape"]), values["classes"]
        whole = len(shape) == 3 and all(type(v) is int for v in (*shape, classes))
        if not whole or set(values) != set(Architecture.__dataclass_fields__):
            raise ValueError(f"images of {shape}, {classes} classes")
        architecture = Architecture(checked.model, checked.width, shape, classes, checked.init, checked.seed)
        architecture.layout()
    except (ValueError, KeyError, TypeError, SettingError) as error:
        raise MessageError(f"a description that makes no network ({error})") from None
    return architecture
