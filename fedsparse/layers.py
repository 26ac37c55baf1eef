"""Masked layers: random weights that never change, and a mask that says which of them are active.

A layer holds its frozen weights and nothing that is trained. The mask is an argument, `layer(x, mask)`, so no layer can
forget it, and the same layer serves a sampled mask, the expected network (mask = θ) and a thresholded one. The scores s
are kept by the training loop; `sample_mask` turns them into a mask that lets gradients through.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedsparse.randomness import raw_bits

CONSTANTS = {"fedpm": math.e, "kaiming": math.sqrt(2)}
"""c·√fan_in of the frozen weights ±c: `fedpm` as in the published FedPM code (e = 2.718…), `kaiming` the signed
Kaiming constant of Ramanujan et al. (CVPR 2020)."""


class Masked(nn.Module):
    """The base of both masked layers: weights and biases as one flat frozen vector of ±c, c = constant/√fan_in.

    Args:
        shape: of the weight tensor, (out, in, …); biases, one per output, follow it in the flat vector.
        init: a name in `CONSTANTS`.
        seed, index: of the raw bits that give the signs; `index` tells the layers of a network apart.
    """

    frozen: Tensor

    def __init__(self, shape: tuple[int, ...], init: str = "kaiming", seed: int = 0, index: int = 0) -> None:
        super().__init__()
        self.shape = shape
        self.inputs = math.prod(shape[1:])
        self.size = math.prod(shape) + shape[0]
        c = CONSTANTS[init] / math.sqrt(self.inputs)
        signs = torch.from_numpy(raw_bits(self.size, seed, "weights", index))
        # A buffer, not a parameter: no optimizer can be handed it by mistake.
        self.register_buffer("frozen", (2 * signs.float() - 1) * c, persistent=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """The layer under a flat mask of shape (size,), entries in [0, 1]."""
        return self.forward_with(x, *self.parts(self.frozen * mask))

    def parts(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Weight (`shape`) and bias (out,), as views of a flat vector (size,)."""
        return weights[: -self.shape[0]].view(self.shape), weights[-self.shape[0] :]

    def forward_with(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """The same layer with a weight and a bias in place of its own."""
        raise NotImplementedError


class MaskedLinear(Masked):
    """x ↦ (W ⊙ m_W) x + (b ⊙ m_b), with W, b frozen at ±c. `size` = outputs × (inputs + 1) mask entries."""

    def __init__(self, inputs: int, outputs: int, init: str = "kaiming", seed: int = 0, index: int = 0) -> None:
        super().__init__((outputs, inputs), init, seed, index)

    def forward_with(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """x: (batch, inputs), weight: (outputs, inputs), bias: (outputs,); returns (batch, outputs)."""
        return F.linear(x, weight, bias)


class MaskedConv2d(Masked):
    """A stride-1 'same' convolution with frozen ±c weights. `size` = outputs × (inputs × kernel² + 1)."""

    def __init__(
        self, inputs: int, outputs: int, init: str = "kaiming", seed: int = 0, index: int = 0, kernel: int = 3
    ) -> None:
        super().__init__((outputs, inputs, kernel, kernel), init, seed, index)

    def forward_with(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """x: (batch, inputs, height, width), weight: (outputs, inputs, k, k), bias: (outputs,); returns
        (batch, outputs, height, width)."""
        return F.conv2d(x, weight, bias, padding=self.shape[-1] // 2)


class _BernoulliSample(torch.autograd.Function):
    """m = [u < σ(s)]; backward ∂L/∂s = ∂L/∂m · σ'(s), times θ = σ(s) once more if `scaled`."""

    @staticmethod
    def forward(ctx, scores: Tensor, noise: Tensor, scaled: bool) -> Tensor:
        theta = torch.sigmoid(scores)
        ctx.save_for_backward(theta)
        ctx.scaled = scaled
        return (noise < theta).to(scores.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        (theta,) = ctx.saved_tensors
        grad = grad * ((1 - theta) * theta)
        return (grad * theta if ctx.scaled else grad), None, None


def sample_mask(scores: Tensor, generator: torch.Generator, estimator: str = "identity") -> Tensor:
    """A mask m ~ Bernoulli(σ(s)) through which gradients reach the scores.

    The sample itself has no derivative. `"identity"` is the straight-through estimator (Bengio et al., 2013) that the
    papers describe: ∂m/∂θ := 1, so ∂L/∂s = ∂L/∂m · θ(1−θ). `"scaled"` is what the published FedPM code does:
    ∂m/∂θ := θ, so that unlikely weights learn more slowly.

    Args:
        scores: s, any shape; θ = σ(s).
        generator: on the device of the scores; the only source of randomness.
        estimator: `"identity"` or `"scaled"`.

    Returns:
        A tensor of zeros and ones, of the scores' shape and type.
    """
    return straight_through(scores, torch.rand(scores.shape, generator=generator, device=scores.device), estimator)


def straight_through(scores: Tensor, noise: Tensor, estimator: str = "identity") -> Tensor:
    """`sample_mask` with its uniforms given: m = [noise < σ(s)], of the scores' shape."""
    return _BernoulliSample.apply(scores, noise, estimator == "scaled")
