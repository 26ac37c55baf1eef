"""Whose gradient is larger, the loss's or the regularizer's: shares by hand, and gradients that can be repeated."""

import pytest
import torch

from fedsparse import Federation
from fedsparse.teaching.gradient_balance import dominated_shares, loss_gradients


def test_dominated_shares_by_hand():
    gradients = torch.tensor([[0.1, 0.01, -0.1], [-0.1, 0.01, -0.1]])
    half = torch.full((3,), 0.5)
    assert dominated_shares(gradients, half, 0.24) == pytest.approx((1 / 3, 2 / 3))  # the regularizer's is 0.02


def test_loss_gradients_are_one_row_per_batch_and_repeatable(tiny):
    federation = Federation(tiny)
    rows = loss_gradients(federation)
    assert rows.shape == (-(-len(federation.clients[0].labels) // tiny.batch_size), federation.network.layout.n)
    assert torch.equal(rows, loss_gradients(federation))
