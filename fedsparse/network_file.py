"""A trained network as one small file: architecture, seed, coded mask. The random weights grow from the seed."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fedsparse.codec import decode_network, encode_network, network_description
from fedsparse.errors import DataError, MessageError, SettingError
from fedsparse.experiment import Experiment
from fedsparse.models import Architecture, MaskedNetwork


class TrainedNetwork(nn.Module):
    """A masked network with its mask in place: `network(images)` gives logits.

    Attributes:
        architecture: what it is; with the mask, all there is to know.
        mask: (n,) float32 of 0 and 1.
    """

    mask: Tensor

    def __init__(self, architecture: Architecture, mask: np.ndarray) -> None:
        super().__init__()
        self.architecture = architecture
        self.masked = MaskedNetwork(architecture)
        self.register_buffer("mask", torch.from_numpy(mask).float())

    def forward(self, images: Tensor) -> Tensor:
        """Logits (batch, classes) of images (batch, channels, height, width): uint8, or floats scaled to [−1, 1].

        Raises:
            DataError: images of another shape or scale.
        """
        shape = self.architecture.shape
        if tuple(images.shape[1:]) != shape:
            raise DataError(
                f"images are (batch, {', '.join(map(str, shape))}) for this network, not {tuple(images.shape)}"
            )
        if images.dtype != torch.uint8 and not (images.is_floating_point() and images.abs().max() <= 1):
            raise DataError("images are uint8 from 0 to 255, or floats scaled to [-1, 1]")
        return self.masked(images, self.mask)

    @property
    def float32_bytes(self) -> int:
        """What the same network costs as 32-bit numbers."""
        return 4 * self.masked.layout.n


def encode(architecture: Architecture, mask: np.ndarray) -> bytes:
    """The content of a `.fsp` file."""
    description = json.dumps(asdict(architecture), separators=(",", ":")).encode()
    return encode_network(mask, architecture.layout(), description)


def load_network(path: str | Path) -> TrainedNetwork:
    """The trained network in a `.fsp` file, ready for use.

    Raises:
        MessageError: the file is cut off, damaged, or was not written by fedsparse.
        OSError: there is no such file, or it cannot be read.
    """
    content = Path(path).read_bytes()
    try:
        architecture = _architecture(network_description(content))
        return TrainedNetwork(architecture, decode_network(content, architecture.layout()))
    except MessageError as error:
        raise MessageError(f"{path}: {error}") from None


def _architecture(description: bytes) -> Architecture:
    """The description, checked by the schema's own ranges before anything is built from it."""
    try:
        values = json.loads(description)
        checked = Experiment(**{k: values[k] for k in ("model", "width", "init", "seed")})
        shape, classes = tuple(values["shape"]), values["classes"]
        fits = len(shape) == 3 and all(type(v) is int and 1 <= v <= 4096 for v in (*shape, classes))
        if not fits or set(values) != set(Architecture.__dataclass_fields__):
            raise ValueError(f"images of {shape}, {classes} classes")
        architecture = Architecture(checked.model, checked.width, shape, classes, checked.init, checked.seed)
        architecture.layout()
    except (ValueError, KeyError, TypeError, SettingError) as error:
        raise MessageError(f"a description that makes no network ({error})") from None
    return architecture
