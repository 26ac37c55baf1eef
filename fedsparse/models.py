"""The networks of the papers, built from masked layers.

conv2/4/6/10 are FedPM's: 3×3 'same' convolutions with ReLU, a 2×2 max-pool after every second, then two dense layers
of 256 and one of classes. `mlp` is the 300-100 network of the lottery-ticket papers; `lenet` is LeNet-5 with 'same'
convolutions, ReLU and max-pooling, so that small images fit. No normalisation layers, no augmentation; biases are
masked like weights.
"""

import hashlib
import math
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from fedsparse.errors import RunError, SettingError
from fedsparse.experiment import MODELS, Experiment
from fedsparse.layers import Masked, MaskedConv2d, MaskedLinear
from fedsparse.own.names import is_own
from fedsparse.setting import nearest

CHANNELS = {
    "conv2": [64, 64],
    "conv4": [64, 64, 128, 128],
    "conv6": [64, 64, 128, 128, 256, 256],
    "conv10": [64, 64, 128, 128, 256, 256, 512, 512, 1024, 1024],
}
MOST, PIXELS = 4096, 2**24
"""The largest side of an image or number of classes, and the most values of an image: what a file may ask for."""


@dataclass(frozen=True)
class Architecture:
    """All that is needed to rebuild a network with its random weights: what `network.fsp` holds beside the mask.

    Raises:
        SettingError: more classes or larger images than a file may hold.
    """

    model: str
    width: float
    shape: tuple[int, int, int]
    """Of one image: channels, height, width."""
    classes: int
    init: str = "kaiming"
    seed: int = 0
    weights: str = ""
    """With `init=own`, the file that the frozen weights are from."""

    def __post_init__(self) -> None:
        sides = *self.shape, self.classes
        if not all(1 <= number <= MOST for number in sides) or math.prod(self.shape) > PIXELS:
            said = f"images of {'×'.join(map(str, self.shape))} values, {self.classes} classes"
            raise SettingError(f"{said}: each number is 1 to {MOST}, and an image has {PIXELS:,} values at most")

    def stages(self) -> list[tuple[str, tuple[int, ...]]]:
        """Every stage in order: ("conv", weight shape), ("pool", ()), ("dense", weight shape).

        Raises:
            SettingError: there is no such model, or the images are too small to be pooled that often.
        """
        if self.model not in MODELS:
            raise SettingError(f"no model {self.model!r}{nearest(self.model, MODELS)}; there are {', '.join(MODELS)}")
        stages: list[tuple[str, tuple[int, ...]]] = []
        channels, height, width = self.shape
        others: dict[str, tuple[list[int], int, list[int]]]
        others = {"mlp": ([], 0, [300, 100]), "lenet": ([6, 16], 5, [120, 84])}
        convs, kernel, dense = others.get(self.model) or (CHANNELS[self.model], 3, [256, 256])
        pool_after = 1 if self.model == "lenet" else 2
        for i, base in enumerate(convs, start=1):
            out = self._scaled(base)
            stages.append(("conv", (out, channels, kernel, kernel)))
            channels = out
            if i % pool_after == 0:
                stages.append(("pool", ()))
                height, width = height // 2, width // 2
        if not height or not width:
            need = 2 ** (len(convs) // pool_after)
            raise SettingError(
                f"model={self.model} halves images {len(convs) // pool_after} times and needs at least {need}×{need} "
                f"pixels, not {self.shape[1]}×{self.shape[2]}"
            )
        inputs = channels * height * width
        for out in [*map(self._scaled, dense), self.classes]:
            stages.append(("dense", (out, inputs)))
            inputs = out
        return stages

    def _scaled(self, base: int) -> int:
        return max(1, round(base * self.width))

    def layout(self) -> "Layout":
        """The order and shapes of the mask's entries, of a network by this package."""
        return Layout(tuple(shape for _, shape in self.stages() if shape))


@dataclass(frozen=True)
class Layout:
    """How a flat mask of n entries maps to layers: weight shapes in order, each followed by its biases."""

    shapes: tuple[tuple[int, ...], ...]
    biases: tuple[int, ...] = ()
    """How many biases each layer has; if empty, one per output."""
    frozen: bytes = b""
    """A digest of frozen weights that do not grow from a seed."""

    @property
    def bias_counts(self) -> tuple[int, ...]:
        """How many biases each layer has."""
        return self.biases or tuple(shape[0] for shape in self.shapes)

    @property
    def sizes(self) -> list[int]:
        """Mask entries of each layer; they add up to n."""
        counts = zip(self.shapes, self.bias_counts, strict=True)
        return [torch.Size(shape).numel() + biases for shape, biases in counts]

    def parts(self, values: Tensor) -> list[Tensor]:
        """Weight and, where there is one, bias of each layer in order, as views of a flat vector (n,)."""
        found = []
        for layer, shape, biases in zip(values.split(self.sizes), self.shapes, self.bias_counts, strict=True):
            found.append(layer[: len(layer) - biases].view(shape))
            found += [layer[len(layer) - biases :]] * bool(biases)
        return found

    @property
    def n(self) -> int:
        """Masked parameters in all, biases included."""
        return sum(self.sizes)

    @property
    def digest(self) -> bytes:
        """8 bytes that differ between layouts: both ends of a wire compare them."""
        own = self.biases or self.frozen
        named = (self.shapes, self.biases, self.frozen) if own else self.shapes
        return hashlib.blake2b(repr(named).encode(), digest_size=8).digest()


class MaskedNetwork(nn.Module):
    """A network of frozen random weights, a pure function of images and mask: `network(images, mask)`.

    Args:
        architecture: what to build; the weights follow from its seed alone.
        precision: of the arithmetic inside, "float32" or "bfloat16"; mask and logits are float32 either way.

    Raises:
        SettingError: the images do not fit the model.
    """

    def __init__(self, architecture: Architecture, precision: str = "float32") -> None:
        super().__init__()
        self.architecture = architecture
        self.precision = precision
        self.layout = architecture.layout()
        init = "kaiming" if architecture.init == "own" else architecture.init
        stages: list[nn.Module] = []
        masked = 0
        for kind, shape in architecture.stages():
            if kind == "pool":  # before the ReLU, which it commutes with: a quarter of the work for the ReLU
                stages.insert(-1, nn.MaxPool2d(2))
                continue
            layer = partial(MaskedConv2d, kernel=shape[2]) if kind == "conv" else MaskedLinear
            stages += [layer(shape[1], shape[0], init, architecture.seed, masked), nn.ReLU()]
            masked += 1
        self.stages = nn.ModuleList(stages[:-1])  # no ReLU after the last layer: it gives logits
        if architecture.init == "own":
            from fedsparse.own.weights import load_frozen

            load_frozen(self, architecture.weights)
            self.layout = replace(self.layout, frozen=bytes.fromhex(self.fingerprint()))

    def forward(self, images: Tensor, mask: Tensor) -> Tensor:
        """Logits of a batch.

        Args:
            images: (batch, channels, height, width), uint8, or floats that are already scaled to [−1, 1].
            mask: (n,) in [0, 1]: sampled zeros and ones, or probabilities θ for the expected network θ ⊙ w.

        Returns:
            (batch, classes) logits.
        """
        return self.forward_with_weights(images, self.weights(mask))

    def weights(self, mask: Tensor) -> Tensor:
        """w ⊙ mask, (n,): the frozen weights under a mask."""
        pairs = zip(self.layers(), mask.split(self.layout.sizes), strict=True)
        return torch.cat([layer.frozen * part for layer, part in pairs])

    def forward_with_weights(self, images: Tensor, weights: Tensor) -> Tensor:
        """Logits with other weights, (n,), in place of the frozen ones: for algorithms that train weights."""
        return self.forward_with_parts(images, self.parts(weights))

    @property
    def fan_in(self) -> list[int]:
        """How many weights one output of each layer reads."""
        return [layer.inputs for layer in self.layers()]

    def parts(self, weights: Tensor) -> list[Tensor]:
        """Weight and bias of each layer in turn, as views of a flat vector (n,)."""
        return self.layout.parts(weights)

    def forward_with_parts(self, images: Tensor, parts: list[Tensor]) -> Tensor:
        """Logits of a batch, from the weight and bias of each layer in turn."""
        # Channels last: on a CPU, 0.8 of the time of a training step of conv4, 0.6 of an evaluation.
        x = scaled(images).to(memory_format=torch.channels_last)
        remaining = iter(parts)
        with self.arithmetic(x.device):
            for stage in self.stages:
                if isinstance(stage, Masked):
                    x = x.flatten(1) if isinstance(stage, MaskedLinear) else x
                    x = stage.forward_with(x, next(remaining), next(remaining))
                else:
                    x = stage(x)
        return x.float()

    def arithmetic(self, device: torch.device) -> AbstractContextManager:
        """In which a forward pass has the network's precision."""
        half = self.precision == "bfloat16"
        return torch.autocast(device.type, torch.bfloat16) if half else nullcontext()

    def layers(self) -> list[Masked]:
        """The masked layers, in order."""
        return [stage for stage in self.stages if isinstance(stage, Masked)]

    def fingerprint(self) -> str:
        """A hash of every frozen weight: the same on every machine."""
        return digest_of([layer.frozen for layer in self.layers()])


def digest_of(tensors: Iterable[Tensor]) -> str:
    """A hash of tensors in order, as float32: 16 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=8)
    for tensor in tensors:
        digest.update(tensor.detach().cpu().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def scaled(images: Tensor) -> Tensor:
    """uint8 pixels to floats in [−1, 1], as in the FedPM code; floats pass unchanged."""
    return images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images


def build(experiment: Experiment, shape: tuple[int, int, int], classes: int) -> MaskedNetwork:
    """The network that an experiment names, for images of this shape, on its device.

    Raises:
        RunError: the device is not there.
        SettingError: the images are too small for the model.
    """
    e, device = experiment, device_of(experiment)
    architecture = Architecture(e.model, e.width, shape, classes, e.init, e.seed, e.weights)
    return network_of(architecture, precision_of(e, device)).to(device)


def network_of(architecture: Architecture, precision: str = "float32", n: int | None = None) -> MaskedNetwork:
    """The network of an architecture, by this package or of the user's own.

    Args:
        n: how many parameters a file says that it has, which is compared before a module of one's own is tried.

    Raises:
        MessageError: it has others.
        SettingError: the images are too small for the model; a module that cannot be masked.
        DataError: the file of its weights is not there, or does not fit.
    """
    if is_own(architecture.model):
        from fedsparse.own.module import OwnNetwork

        return OwnNetwork(architecture, precision, n)
    return MaskedNetwork(architecture, precision)


def device_of(experiment: Experiment) -> torch.device:
    """The device that an experiment asks for; `auto` is a GPU if there is one.

    Raises:
        RunError: the device is not there.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    name = next(d for d in ("cuda", "mps", "cpu") if available[d]) if experiment.device == "auto" else experiment.device
    if not available[name]:
        devices = ", ".join(d for d in available if available[d])
        raise RunError(f"device={name} is not there; on this machine: {devices}")
    return torch.device(name)


def precision_of(experiment: Experiment, device: torch.device) -> str:
    """The precision that an experiment asks for; `auto` is bfloat16 where the device has instructions for it."""
    if experiment.precision != "auto":
        return experiment.precision
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        known: dict = getattr(torch.cpu, "get_capabilities", dict)()  # PyTorch 2.11 may not say
        native = device.type == "cpu" and (known.get("amx_bf16", False) or known.get("avx512_bf16", False))
    return "bfloat16" if native else "float32"
