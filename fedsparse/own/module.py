"""A PyTorch module of one's own as a masked network: every weight and bias of its layers frozen under a mask.

Masked are the weights and biases of Linear, Conv1d/2d/3d, ConvTranspose1d/2d/3d and Embedding layers. The affine
parameters of normalization layers are frozen and not masked: at 1 and 0, or with `init=own` as the module has them.
Nothing else may have parameters, and nothing may keep running statistics, which would have to be sent.
"""

import math
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _NormBase

from fedsparse.errors import DataError, SettingError
from fedsparse.layers import CONSTANTS
from fedsparse.models import Architecture, Layout, MaskedNetwork, digest_of, scaled
from fedsparse.own.names import call
from fedsparse.own.weights import state_dict_in
from fedsparse.randomness import raw_bits, reseed

MASKED = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Embedding
)  # fmt: skip
NORMALIZATION = (nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, _NormBase)


class OwnNetwork(MaskedNetwork):
    """As `MaskedNetwork`, around the module that `factory(shape, classes)` returns.

    The module runs in evaluation mode: dropout is off.

    Raises:
        SettingError: the factory cannot be found or fails, or its module cannot be masked; one line says why.
    """

    frozen: Tensor

    def __init__(self, architecture: Architecture, precision: str = "float32") -> None:
        nn.Module.__init__(self)
        self.architecture, self.precision = architecture, precision
        with _seeded(architecture.seed):
            module = call("model", architecture.model, architecture.shape, architecture.classes)
        self._refuse_unless_maskable(module)
        own = architecture.init == "own"
        if own and architecture.weights:
            _load(module, architecture)
        layers = _masked_layers(module)
        for part in module.modules():
            if isinstance(part, NORMALIZATION) and not own:
                part.reset_parameters()  # 1 and 0
        frozen = torch.cat([_own(layer) if own else _random(layer, architecture, i) for i, layer in enumerate(layers)])
        self.register_buffer("frozen", frozen, persistent=False)
        named = {id(p): name for name, p in module.named_parameters()}
        pairs = [(layer.weight, getattr(layer, "bias", None)) for layer in layers]
        self.names = [named[id(p)] for pair in pairs for p in pair if p is not None]
        shapes = tuple(tuple(weight.shape) for weight, _ in pairs)
        biases = tuple(0 if bias is None else len(bias) for _, bias in pairs)
        self.module = module.requires_grad_(False).eval()
        self.idle: list[nn.Module] = []
        digest = bytes.fromhex(self.fingerprint()) if own else b""
        self.layout = Layout(shapes, biases, digest)
        self._try()

    def weights(self, mask: Tensor) -> Tensor:
        """w ⊙ mask, (n,): the frozen weights under a mask."""
        return self.frozen * mask

    def forward_with_parts(self, images: Tensor, parts: list[Tensor]) -> Tensor:
        """Logits of a batch, from the weights and biases of the masked layers, in order."""
        x = scaled(images)
        x = x.to(memory_format=torch.channels_last) if x.ndim == 4 else x
        half = self.precision == "bfloat16"
        with self._module() as module, torch.autocast(x.device.type, torch.bfloat16) if half else nullcontext():
            return functional_call(module, dict(zip(self.names, parts, strict=True)), (x,)).float()

    def layers(self) -> list[Any]:
        """The masked layers, in order."""
        return _masked_layers(self.module)

    def fingerprint(self) -> str:
        """A hash of every frozen weight, and of what is not masked."""
        others = [t for name, t in self.module.state_dict().items() if name not in self.names]
        return digest_of([self.frozen, *others])

    @contextmanager
    def _module(self):
        """A copy of the module for one thread at a time: a functional call puts its weights in place while it runs."""
        try:  # another thread may take the last idle one between a test and a pop
            module = self.idle.pop()
        except IndexError:
            module = deepcopy(self.module)
        try:
            yield module
        finally:
            self.idle.append(module)

    def _refuse_unless_maskable(self, module: Any) -> None:
        named = f"model={self.architecture.model}"
        if not isinstance(module, nn.Module):
            raise SettingError(f"{named} gives {type(module).__name__}; it must return a torch.nn.Module")
        if not _masked_layers(module):
            raise SettingError(f"{named} has no layer that can be masked: {', '.join(c.__name__ for c in MASKED)}")
        for name, part in module.named_modules():
            kind = type(part).__name__
            if isinstance(part, _NormBase) and part.track_running_stats:
                raise SettingError(
                    f"{named}: {name} is a {kind}, whose running statistics nobody sends; use GroupNorm or LayerNorm"
                )
            if isinstance(part, (nn.RNNBase, nn.MultiheadAttention)):
                raise SettingError(f"{named}: {name} is a {kind}, which cannot be masked; build it of Linear layers")
            if not isinstance(part, (*MASKED, *NORMALIZATION)) and any(True for _ in part.parameters(recurse=False)):
                raise SettingError(
                    f"{named}: {name or 'it'} ({kind}) has parameters of its own, which would be neither masked nor "
                    "trained; build it from Linear, Conv and Embedding layers"
                )

    def _try(self) -> None:
        """Refuse a module that does not give logits for images of this shape."""
        classes = self.architecture.classes
        images = torch.zeros(2, *self.architecture.shape, device=self.frozen.device)
        named = f"model={self.architecture.model}"
        try:
            with torch.no_grad():
                shape = tuple(self.forward_with_weights(images, self.frozen).shape)
        except Exception as error:
            said = " ".join(str(error).split())[:200]
            raise SettingError(f"{named} fails on images of {self.architecture.shape}: {said}") from error
        if shape != (2, classes):
            raise SettingError(f"{named} gives {shape} for two images; logits of shape (2, {classes}) are needed")


def _masked_layers(module: nn.Module) -> list[Any]:
    """Each once, also where one is used twice or two share a weight."""
    found: dict[int, nn.Module] = {}
    for part in module.modules():
        if isinstance(part, MASKED):
            found.setdefault(id(part.weight), part)
    return list(found.values())


def _own(layer: Any) -> Tensor:
    tensors = [layer.weight] + ([] if getattr(layer, "bias", None) is None else [layer.bias])
    return torch.cat([t.detach().flatten().float() for t in tensors])


def _random(layer: Any, architecture: Architecture, index: int) -> Tensor:
    """±c by raw bits of the seed, c = constant/√fan_in, as in `layers.Masked`."""
    fan_in = 1 if isinstance(layer, nn.Embedding) else max(1, math.prod(layer.weight.shape[1:]))
    signs = torch.from_numpy(raw_bits(len(_own(layer)), architecture.seed, "weights", index))
    return (2 * signs.float() - 1) * (CONSTANTS[architecture.init] / math.sqrt(fan_in))


def _load(module: nn.Module, architecture: Architecture) -> None:
    try:
        module.load_state_dict(state_dict_in(architecture.weights))
    except RuntimeError as error:
        said = " ".join(str(error).split())[:200]
        raise DataError(f"weights={architecture.weights} does not fit model={architecture.model}: {said}") from None


@contextmanager
def _seeded(seed: int):
    """torch's own random numbers from a key, for a factory that draws its first weights, and as before afterwards."""
    with torch.random.fork_rng(devices=[]):
        reseed(torch.default_generator, seed, "module")
        yield
