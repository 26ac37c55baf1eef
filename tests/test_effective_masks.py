"""Ones on no path: found on networks small enough to see, and dropped from any without changing a logit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsparse import Architecture, MaskedNetwork, SettingError
from fedsparse.models import Layout
from fedsparse.teaching.effective_masks import connected

TINY = Layout(((3, 2), (2, 3)))  # 2 inputs, 3 units, 2 logits: 6 weights, 3 biases, 6 weights, 2 biases


def mask_of(first, first_bias, second, second_bias) -> np.ndarray:
    return np.array([*np.ravel(first), *first_bias, *np.ravel(second), *second_bias], np.uint8)


def test_a_unit_that_nothing_enters_and_one_that_leads_nowhere():
    # unit 0: entered and used; unit 1: entered, leads nowhere; unit 2: nothing enters, though a logit listens to it
    mask = mask_of([[1, 0], [1, 1], [0, 0]], [0, 1, 0], [[1, 0, 1], [0, 0, 1]], [0, 0])
    expected = mask_of([[1, 0], [0, 0], [0, 0]], [0, 0, 0], [[1, 0, 0], [0, 0, 0]], [0, 0])
    assert connected(mask, TINY).tolist() == expected.tolist()


def test_a_bias_is_a_beginning_and_no_end():
    # unit 2 has its bias alone and is heard; unit 0 has its bias and is not; the second logit has nothing but its bias
    mask = mask_of([[0, 0], [0, 0], [0, 0]], [1, 0, 1], [[0, 0, 1], [0, 0, 0]], [0, 1])
    expected = mask_of([[0, 0], [0, 0], [0, 0]], [0, 0, 1], [[0, 0, 1], [0, 0, 0]], [0, 1])
    assert connected(mask, TINY).tolist() == expected.tolist()


def test_deadness_travels_through_layers_both_ways():
    chain = Layout(((1, 1), (1, 1), (1, 1)))
    whole = np.array([1, 0] * 3, np.uint8)
    assert connected(whole, chain).tolist() == whole.tolist()
    for cut in (0, 2, 4):
        mask = whole.copy()
        mask[cut] = 0
        assert not connected(mask, chain).any(), "one missing link, and no path is left"


def test_a_channel_is_all_its_pixels():
    # one 1×1 kernel to each of 2 channels, whose 2×2 pixels are the 8 inputs of one logit
    layout = Layout(((2, 1, 1, 1), (1, 8)))
    heard = [0, 0, 1, 0, 0, 0, 0, 0]  # of channel 0 one pixel, of channel 1 none
    mask = np.array([1, 1, 0, 0, *heard, 0], np.uint8)
    assert connected(mask, layout).tolist() == [1, 0, 0, 0, *heard, 0]
    unentered = np.array([0, 1, 0, 0, *[1] * 8, 0], np.uint8)
    assert connected(unentered, layout).tolist() == [0, 1, 0, 0, *[0] * 4, *[1] * 4, 0]


@settings(max_examples=30, deadline=None)
@given(
    model=st.sampled_from(["mlp", "conv2", "lenet"]),
    density=st.floats(0, 0.2),
    seed=st.integers(0, 2**32 - 1),
)
def test_dropping_them_changes_no_logit(model, density, seed):
    network = MaskedNetwork(Architecture(model, 0.05, (1, 8, 8), 3))
    rng = np.random.default_rng(seed)
    mask = (rng.random(network.layout.n) < density).astype(np.uint8)
    kept = connected(mask, network.layout)
    assert np.all(kept <= mask)
    assert np.array_equal(connected(kept, network.layout), kept), "what is left is connected"
    images = torch.from_numpy(rng.integers(0, 256, (4, 1, 8, 8), dtype=np.uint8))
    with torch.no_grad():
        before, after = (network(images, torch.from_numpy(m).float()) for m in (mask, kept))
    assert torch.equal(before, after)


def test_all_of_a_full_mask_is_connected():
    layout = Architecture("conv4", 0.1, (1, 8, 8), 10).layout()
    assert connected(np.ones(layout.n, np.uint8), layout).all()


@pytest.mark.parametrize("mask", [np.ones(5, np.uint8), np.full(TINY.n, 0.5)])
def test_what_is_no_mask_of_the_layout_is_refused(mask):
    with pytest.raises(SettingError, match="zeros and ones"):
        connected(mask, TINY)
