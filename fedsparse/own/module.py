"""A PyTorch module of one's own as a masked network: every weight and bias of its layers frozen under a mask.

Masked are the weights and biases of Linear, Conv1d/2d/3d, ConvTranspose1d/2d/3d and Embedding layers. The affine
parameters of normalization layers are frozen and not masked: at 1 and 0, or with `init=own` as the module has them.
Nothing else may have parameters, and nothing may keep running statistics, which would have to be sent.
"""

import math
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.modules.lazy import LazyModuleMixin

from fedsparse.errors import DataError, MessageError, SettingError, one_line
from fedsparse.layers import CONSTANTS
from fedsparse.models import Architecture, Layout, MaskedNetwork, digest_of, scaled
from fedsparse.own.names import call
from fedsparse.own.weights import state_dict_in
from fedsparse.randomness import raw_bits, reseed
from fedsparse.threads import borrowed

MASKED = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Embedding
)  # fmt: skip
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMALIZATION = (nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, _NormBase)


class OwnNetwork(MaskedNetwork):
    """As `MaskedNetwork`, around the module that `factory(shape, classes)` returns.

    The module runs in evaluation mode: dropout is off.

    Raises:
        MessageError: it has not the `n` parameters that a file promised.
        SettingError: the factory cannot be found or fails, or its module cannot be masked; one line says why.
    """

    frozen: Tensor
    module: nn.Module

    def __init__(self, architecture: Architecture, precision: str = "float32", n: int | None = None) -> None:
        nn.Module.__init__(self)
        self.architecture, self.precision = architecture, precision
        with _seeded(architecture.seed):
            module = call("model", architecture.model, architecture.shape, architecture.classes)
            try:
                module = deepcopy(module)
            except Exception as error:  # what a module holds beside tensors
                raise SettingError(f"model={architecture.model} cannot be copied: {one_line(error)}") from error
        self._refuse_unless_maskable(module)
        own = architecture.init == "own"
        if own and architecture.weights:
            _load(module, architecture)
        if not own:
            for part in module.modules():
                if isinstance(part, NORMALIZATION):
                    part.reset_parameters()  # 1 and 0
        self.module = module.requires_grad_(False).eval()
        layers = _masked(module)
        self.names = [name for layer in layers for name in layer]
        named = dict(module.named_parameters())
        values = [[named[name] for name in layer] for layer in layers]
        frozen = [_own(v) if own else _random(v, self._fan_in(layer[0]), architecture, i)
                  for i, (layer, v) in enumerate(zip(layers, values, strict=True))]  # fmt: skip
        self.register_buffer("frozen", torch.cat(frozen), persistent=False)
        shapes = tuple(tuple(weight.shape) for weight, *_ in values)
        biases = tuple(sum(len(bias) for bias in rest) for _, *rest in values)
        self.idle: list[nn.Module] = []
        self.layout = Layout(shapes, biases, bytes.fromhex(self.fingerprint()) if own else b"")
        self.memory_format = _memory_format(module)
        if n not in (None, self.layout.n):
            raise MessageError(f"for a network of {n} parameters, and model={architecture.model} has {self.layout.n}")
        self._try()

    def weights(self, mask: Tensor) -> Tensor:
        """w ⊙ mask, (n,): the frozen weights under a mask."""
        return self.frozen * mask

    def forward_with_parts(self, images: Tensor, parts: list[Tensor]) -> Tensor:
        """Logits of a batch, from the weights and biases of the masked layers, in order."""
        x = scaled(images).to(memory_format=self.memory_format)
        # A copy of the module for one thread at a time: a functional call puts its weights in place while it runs.
        with borrowed(self.idle, lambda: deepcopy(self.module)) as module, self.arithmetic(x.device):
            logits = functional_call(module, dict(zip(self.names, parts, strict=True)), (x,))
        if not isinstance(logits, Tensor):
            raise SettingError(f"model={self.architecture.model} gives a {type(logits).__name__}; logits are a tensor")
        return logits.float()

    def layers(self) -> list[Any]:
        """The masked layers, in order."""
        return [self.module.get_submodule(layer[0].rpartition(".")[0]) for layer in _masked(self.module)]

    @property
    def fan_in(self) -> list[int]:
        """How many weights one output of each layer reads; 1 for an embedding."""
        return [self._fan_in(layer[0]) for layer in _masked(self.module)]

    def fingerprint(self) -> str:
        """A hash of every frozen weight, and of what is not masked."""
        others = [t.float() for name, t in self.module.state_dict().items() if name not in self.names]
        return digest_of([self.frozen, *others])

    def _apply(self, *arguments: Any, **named: Any) -> "OwnNetwork":
        self.idle.clear()  # copies that would stay on another device
        return super()._apply(*arguments, **named)

    def _fan_in(self, name: str) -> int:
        """How many weights one output of the layer of a weight reads; 1 for an embedding."""
        layer: Any = self.module.get_submodule(name.rpartition(".")[0])
        shape = layer.weight.shape
        if isinstance(layer, nn.Embedding):
            return 1
        if isinstance(layer, TRANSPOSED):  # every input is spread over kernel / stride outputs in each direction
            return max(1, shape[0] * math.prod(shape[2:]) // math.prod(layer.stride) // layer.groups)
        return max(1, math.prod(shape[1:]))

    def _refuse_unless_maskable(self, module: Any) -> None:
        named = f"model={self.architecture.model}"
        if not isinstance(module, nn.Module):
            raise SettingError(f"{named} gives {type(module).__name__}; it must return a torch.nn.Module")
        for name, part in module.named_modules():
            kind = type(part).__name__
            if isinstance(part, _BatchNorm) or (isinstance(part, _NormBase) and part.track_running_stats):
                raise SettingError(
                    f"{named}: {name} is a {kind}, whose running statistics nobody sends, and without which an image's "
                    "logits would depend on its batch; use GroupNorm or LayerNorm"
                )
            if isinstance(part, (nn.RNNBase, nn.MultiheadAttention)):
                raise SettingError(f"{named}: {name} is a {kind}, which cannot be masked; build it of Linear layers")
            if isinstance(part, LazyModuleMixin) or hasattr(part, "parametrizations") or part._forward_pre_hooks:
                raise SettingError(f"{named}: {name} is a {kind} with weights that come later, or from elsewhere")
        layers = _masked(module)
        if not layers:
            raise SettingError(f"{named} has no layer that can be masked: {', '.join(c.__name__ for c in MASKED)}")
        known = {name for layer in layers for name in layer} | _normalizing(module)
        for name, _ in module.named_parameters():
            if name not in known:
                where = name.rpartition(".")[0] or "it"
                kind = type(module.get_submodule(name.rpartition(".")[0])).__name__
                raise SettingError(
                    f"{named}: {where} ({kind}) has a parameter of its own, {name}, which would be neither masked nor "
                    "trained; build it from Linear, Conv and Embedding layers (a learned token is an Embedding(1, d))"
                )
        if any(tensor.is_meta for tensor in module.state_dict().values()):
            raise SettingError(f"{named} has tensors on the device meta, which have no values")

    def _try(self) -> None:
        """Refuse a module that does not give the same logits each time for images of this shape, whatever their number,
        or whose logits cannot be trained."""
        classes, named = self.architecture.classes, f"model={self.architecture.model}"
        for number in (3, 1):
            images = torch.linspace(-1, 1, number * math.prod(self.architecture.shape), device=self.frozen.device)
            images = images.view(number, *self.architecture.shape)
            try:
                logits, again = self._logits(images), self.forward_with_weights(images, self.frozen)
            except SettingError:
                raise
            except Exception as error:
                where = f"{named} fails on images of {self.architecture.shape}"
                raise SettingError(f"{where}: {one_line(error)}") from error
            if tuple(logits.shape) != (number, classes):
                said = f"{tuple(logits.shape)} for images of shape {tuple(images.shape)}"
                raise SettingError(f"{named} gives {said}; logits of shape ({number}, {classes}) are needed")
            if not torch.equal(logits.detach(), again.detach()):
                raise SettingError(
                    f"{named} gives other logits for the same images; it must be a function of them alone"
                )
            if not logits.requires_grad:
                raise SettingError(f"{named} gives logits that no weight is trained by: do not detach them")
        kept = dict(self.module.named_buffers())
        for name, tensor in (pair for copy in self.idle for pair in copy.named_buffers()):
            if not torch.equal(tensor, kept[name]):
                raise SettingError(f"{named} keeps something of the images in {name}, which nobody sends")

    def _logits(self, images: Tensor) -> Tensor:
        """Of the frozen weights; where a module does not take channels last, as one that calls `view`, not so."""
        weights = self.frozen.clone().requires_grad_()
        try:
            return self.forward_with_weights(images, weights)
        except RuntimeError:
            self.memory_format = torch.contiguous_format
            return self.forward_with_weights(images, weights)


def _memory_format(module: nn.Module) -> torch.memory_format:
    """Channels last, which is faster; not where oneDNN would then write past its memory, and crash: in the weights'
    gradient of a strided 1×1 convolution of fewer channels than a vector has places (its issue 6035; AVX2 at least)."""
    convolutions = (part for part in module.modules() if isinstance(part, nn.Conv2d))
    narrow = any(math.prod(c.kernel_size) == 1 < max(c.stride) and c.in_channels < 16 * c.groups for c in convolutions)
    return torch.contiguous_format if narrow else torch.channels_last


def _masked(module: nn.Module) -> list[list[str]]:
    """Names of the parameters of each layer that can be masked: its weight, and its bias if it has one.

    Each parameter once; a layer whose weight another has already is part of that one.
    """
    named = {id(p): name for name, p in module.named_parameters()}
    found: list[list[str]] = []
    for part in module.modules():
        if isinstance(part, MASKED) and id(part.weight) in named:
            of_layer = (part.weight, getattr(part, "bias", None))
            found.append([named.pop(id(p)) for p in of_layer if id(p) in named])
    return found


def _normalizing(module: nn.Module) -> set[str]:
    """Names of the scales and shifts of normalization layers."""
    parts = [(name, part) for name, part in module.named_modules() if isinstance(part, NORMALIZATION)]
    return {name for prefix, part in parts for name, _ in part.named_parameters(prefix, recurse=False)}


def _own(tensors: list[Tensor]) -> Tensor:
    return torch.cat([t.detach().flatten().float() for t in tensors])


def _random(tensors: list[Tensor], fan_in: int, architecture: Architecture, index: int) -> Tensor:
    """±c by raw bits of the seed, c = constant/√fan_in, as in `layers.Masked`."""
    signs = torch.from_numpy(raw_bits(sum(t.numel() for t in tensors), architecture.seed, "weights", index))
    return (2 * signs.float() - 1) * (CONSTANTS[architecture.init] / math.sqrt(fan_in))


def _load(module: nn.Module, architecture: Architecture) -> None:
    try:
        module.load_state_dict(state_dict_in(architecture.weights))
    except RuntimeError as error:
        which = f"weights={architecture.weights} does not fit model={architecture.model}"
        raise DataError(f"{which}: {one_line(error)}") from None


@contextmanager
def _seeded(seed: int):
    """torch's own random numbers from a key, for a factory that draws its first weights, and as before afterwards."""
    with torch.random.fork_rng(devices=[]):
        reseed(torch.default_generator, seed, "module")
        yield
