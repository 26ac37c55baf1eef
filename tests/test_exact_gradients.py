"""Expectations over all masks, against closed forms that a page of algebra gives."""

import pytest
import torch

from fedsparse import SettingError
from fedsparse.teaching.exact_gradients import (
    estimates,
    every_mask,
    exact_gradient,
    expected_loss,
    moments,
    probabilities,
)

PULLS = torch.tensor([1.0, -2.0, 0.5])
TARGET = 0.75
SCORES = torch.tensor([0.4, -0.9, 2.0])


def quadratic(masks):
    return (masks @ PULLS - TARGET) ** 2 / 2


def test_every_mask_is_there_once_and_probabilities_add_up():
    masks = every_mask(3)
    assert masks.shape == (8, 3)
    assert len({tuple(m) for m in masks.tolist()}) == 8
    assert masks[5].tolist() == [1, 0, 1]
    theta = torch.tensor([0.1, 0.5, 0.8])
    law = probabilities(masks, theta)
    assert law.sum().item() == pytest.approx(1)
    assert law[5].item() == pytest.approx(0.1 * 0.5 * 0.8)
    assert torch.allclose(law @ masks, theta)


def test_the_exact_gradient_is_the_difference_between_with_and_without():
    # E[L | mⱼ=1] − E[L | mⱼ=0] = aⱼ(ȳ₋ⱼ − t) + aⱼ²/2 for L = (Σ aⱼmⱼ − t)²/2, times σ'.
    theta = torch.sigmoid(SCORES)
    others = (theta * PULLS).sum() - theta * PULLS
    expected = (PULLS * (others - TARGET) + PULLS**2 / 2) * theta * (1 - theta)
    assert torch.allclose(exact_gradient(SCORES, quadratic), expected, atol=1e-6)
    mean = (theta * PULLS).sum()
    variance = (theta * (1 - theta) * PULLS**2).sum()
    assert expected_loss(SCORES, quadratic).item() == pytest.approx(((mean - TARGET) ** 2 + variance).item() / 2)


def test_the_identity_descends_the_loss_of_the_expected_network():
    theta = torch.sigmoid(SCORES)
    mean, variance = moments(SCORES, quadratic, "identity")
    slope = theta * (1 - theta)
    miss = (theta * PULLS).sum() - TARGET
    assert torch.allclose(mean, miss * PULLS * slope, atol=1e-6)
    assert torch.allclose(mean - exact_gradient(SCORES, quadratic), PULLS**2 * (theta - 0.5) * slope, atol=1e-6)
    assert torch.allclose(variance, (slope * PULLS**2).sum() * (PULLS * slope) ** 2, atol=1e-6)
    scaled, less = moments(SCORES, quadratic, "scaled")
    assert torch.allclose(scaled, theta * mean, atol=1e-6)
    assert torch.allclose(less, theta**2 * variance, atol=1e-6)


def test_the_score_function_is_unbiased_for_any_loss():
    rough = lambda masks: torch.cos(5 * masks @ PULLS) + masks[:, 0] * masks[:, 2]  # noqa: E731
    assert torch.allclose(moments(SCORES, rough, "score")[0], exact_gradient(SCORES, rough), atol=1e-6)
    assert not torch.allclose(moments(SCORES, rough, "identity")[0], exact_gradient(SCORES, rough), atol=1e-2)


def test_one_estimate_a_mask_by_hand():
    each = estimates(SCORES, quadratic, "identity")
    theta = torch.sigmoid(SCORES)
    assert torch.allclose(each[5], (1 + 0.5 - TARGET) * PULLS * theta * (1 - theta), atol=1e-6)


def test_too_many_weights_are_refused():
    with pytest.raises(SettingError, match="1 to 16 weights"):
        every_mask(17)
