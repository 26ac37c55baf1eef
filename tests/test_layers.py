"""Masked layers, estimators and networks, against closed forms."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from fedsparse import Architecture, MaskedConv2d, MaskedLinear, MaskedNetwork, SettingError, sample_mask
from fedsparse.randomness import permutation, raw_bits, torch_generator, uniforms
from fedsparse.regularizers import entropy, kl, sparsity

SAMPLES = 200_000
FIRST_BITS = [0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0]
FINGERPRINT = "8b692e1bc1becb35"


@pytest.mark.parametrize("estimator", ["identity", "scaled"])
def test_estimators_have_their_closed_form_expectation_on_two_weights(estimator):
    # y = m₁w₁ + m₂w₂, L = (y − t)²/2. With ∂m/∂θ := 1 (or θ) and independent masks,
    # E ∂L/∂sⱼ = E[(y − t) wⱼ] σ'(sⱼ) · (1 or θⱼ) = (θ₁w₁ + θ₂w₂ − t) wⱼ θⱼ(1−θⱼ) · (1 or θⱼ).
    w, s, t = torch.tensor([0.7, -1.3]), torch.tensor([0.4, -0.9]), 0.25
    scores = s.repeat(SAMPLES, 1).requires_grad_()
    mask = sample_mask(scores, torch_generator("cpu", 0, "test"), estimator)
    (((mask * w).sum(1) - t) ** 2 / 2).sum().backward()
    theta = torch.sigmoid(s)
    expected = ((theta * w).sum() - t) * w * theta * (1 - theta) * (theta if estimator == "scaled" else 1)
    error = scores.grad.std(0) / math.sqrt(SAMPLES)
    assert torch.all((scores.grad.mean(0) - expected).abs() < 5 * error)
    assert torch.all(expected.abs() > 20 * error), "the test could not tell the estimators apart"


def test_a_mask_is_binary_and_follows_its_probabilities():
    scores = torch.tensor([-2.0, 0.0, 3.0]).repeat(SAMPLES, 1)
    mask = sample_mask(scores, torch_generator("cpu", 1, "test"))
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(mask.mean(0), torch.sigmoid(scores[0]), atol=5e-3)


def test_infinite_scores_are_certain_and_get_no_gradient():
    scores = torch.tensor([-math.inf, math.inf]).requires_grad_()
    mask = sample_mask(scores, torch_generator("cpu", 0, "test"))
    mask.sum().backward()
    assert mask.tolist() == [0.0, 1.0]
    assert scores.grad.tolist() == [0.0, 0.0]


def test_masked_linear_is_a_linear_layer_with_weights_taken_out():
    layer = MaskedLinear(5, 3)
    x = torch.randn(4, 5)
    mask = (torch.rand(layer.size) < 0.5).float()
    weights = (layer.frozen * mask).numpy()
    by_hand = x.numpy() @ weights[:15].reshape(3, 5).T + weights[15:]
    assert np.allclose(layer(x, mask).numpy(), by_hand, atol=1e-6)
    assert layer(x, torch.zeros(layer.size)).abs().max() == 0


def test_masked_convolution_keeps_the_size_and_masks_its_bias():
    layer = MaskedConv2d(2, 3, kernel=5)
    mask = torch.zeros(layer.size)
    mask[-3:] = torch.tensor([1.0, 0.0, 1.0])
    out = layer(torch.randn(1, 2, 7, 6), mask)
    assert out.shape == (1, 3, 7, 6)
    assert torch.equal(out[0, :, 0, 0], layer.frozen[-3:] * mask[-3:])


@pytest.mark.parametrize(("init", "constant"), [("fedpm", math.e), ("kaiming", math.sqrt(2))])
def test_frozen_weights_are_plus_minus_c(init, constant):
    layer = MaskedConv2d(8, 16, init)
    assert torch.allclose(layer.frozen.abs(), torch.tensor(constant / math.sqrt(72)))
    assert abs(layer.frozen.sign().mean()) < 0.1
    assert not list(layer.parameters()), "an optimizer must find nothing to train"


def test_frozen_weights_are_the_same_on_every_machine_and_version():
    # Philox keyed by blake2b("0/weights/0"): fixed for ever, since networks on disk hold only their seed.
    assert raw_bits(24, 0, "weights", 0).tolist() == FIRST_BITS
    assert MaskedNetwork(Architecture("conv2", 0.5, (1, 8, 8), 10, "fedpm")).fingerprint() == FINGERPRINT


@pytest.mark.parametrize(
    ("model", "shape", "classes", "n"),
    [
        ("conv4", (1, 28, 28), 10, 1_933_258),
        ("conv6", (3, 32, 32), 10, 2_262_602),
        ("conv10", (3, 32, 32), 100, 19_197_092),
        ("mlp", (1, 28, 28), 10, 266_610),
        ("lenet", (1, 28, 28), 10, 6 * 26 + 16 * 151 + 784 * 120 + 120 + 120 * 84 + 84 + 84 * 10 + 10),
    ],
)
def test_networks_have_the_sizes_that_the_papers_state(model, shape, classes, n):
    assert Architecture(model, 1.0, shape, classes).layout().n == n


@pytest.mark.parametrize("model", ["conv2", "conv4", "conv6", "lenet", "mlp"])
def test_every_network_gives_logits_and_keeps_its_weights(model):
    network = MaskedNetwork(Architecture(model, 0.1, (1, 8, 8), 10, seed=3))
    before = network.fingerprint()
    mask = torch.full((network.layout.n,), 0.5, requires_grad=True)
    images = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8)
    logits = network(images, mask)
    F.cross_entropy(logits, torch.arange(5)).backward()
    assert logits.shape == (5, 10)
    assert mask.grad is not None
    assert mask.grad.abs().sum() > 0
    assert network.fingerprint() == before
    assert MaskedNetwork(Architecture(model, 0.1, (1, 8, 8), 10, seed=4)).fingerprint() != before


def test_images_too_small_for_the_pooling_are_refused():
    with pytest.raises(SettingError, match="32×32"):
        MaskedNetwork(Architecture("conv10", 1.0, (1, 8, 8), 10))


def test_bytes_and_scaled_floats_are_the_same_image():
    network = MaskedNetwork(Architecture("mlp", 0.1, (1, 8, 8), 10))
    images = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    mask = torch.ones(network.layout.n)
    assert torch.equal(network(images, mask), network(images.float() / 127.5 - 1, mask))


def test_regularizers_by_hand():
    s = torch.tensor([0.0, math.log(3), -math.log(3)], requires_grad=True)  # θ = ½, ¾, ¼
    start = torch.zeros(3)
    h = 2 - 0.75 * math.log2(3)  # H(¼) in bits
    assert sparsity(s, start).item() == pytest.approx(0.5)
    assert entropy(s, start).item() == pytest.approx((1 + 2 * h) / 3)
    assert kl(s, start).item() == pytest.approx(2 * (1 - h) / 3)
    (gradient,) = torch.autograd.grad(sparsity(s, start), s)
    assert torch.allclose(gradient, torch.tensor([0.25, 0.1875, 0.1875]) / 3)  # θ(1−θ)/n


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=20))
@settings(max_examples=50)
def test_kl_is_never_negative_and_zero_at_the_start(scores):
    s = torch.tensor(scores, dtype=torch.float64)
    assert kl(s, s).item() == pytest.approx(0, abs=1e-12)
    assert kl(s, torch.zeros_like(s)).item() >= -1e-12


def test_keyed_draws_differ_by_every_part_of_the_key_and_by_nothing_else():
    draw = lambda *key: uniforms(4, *key).tolist()  # noqa: E731
    assert draw(0, "a", 1, 2) == draw(0, "a", 1, 2)
    assert len({tuple(draw(*key)) for key in [(0, "a", 1, 2), (1, "a", 1, 2), (0, "b", 1, 2), (0, "a", 2, 1)]}) == 4
    assert sorted(permutation(50, 0, "p").tolist()) == list(range(50))


@given(st.integers(1, 300))
def test_raw_bits_are_a_prefix_of_one_stream(count):
    assert raw_bits(count, 7, "x").tolist() == raw_bits(300, 7, "x")[:count].tolist()
