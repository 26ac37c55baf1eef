"""Distances between clients: closed forms, and the masks that are really drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fedsparse import DataError, Experiment
from fedsparse.partition import label_counts, split
from fedsparse.teaching.label_skew import common_share, disagreement, hamming, label_skew

LABELS = np.repeat(np.arange(10), 60)


def test_label_skew_by_hand():
    # pooled (4, 2, 2)/8; client 0: ½(|½−½| + |½−¼| + |0−¼|) = ¼, and so client 1
    assert label_skew(np.array([[2, 2, 0], [2, 0, 2]])).tolist() == [0.25, 0.25]
    # sizes do not matter but through the pool: (1/4, 3/4) against (1, 0) and (1/7, 6/7)
    assert label_skew(np.array([[1, 0], [1, 6]])) == pytest.approx([0.75, 0.25 - 1 / 7])


@pytest.mark.parametrize("each", [1, 2, 5, 10])
def test_c_of_ten_classes_are_one_minus_a_tenth_of_c(each):
    experiment = Experiment(partition="classes", classes_per_client=each, clients=10)
    table = label_counts(LABELS, split(LABELS, experiment), 10)
    assert label_skew(table) == pytest.approx(np.full(10, 1 - each / 10), abs=0.02)


@settings(max_examples=50)
@given(arrays(np.int64, (5, 4), elements=st.integers(1, 50)), st.integers(2, 9))
def test_label_skew_is_a_share_and_knows_no_scale(table, factor):
    skew = label_skew(table)
    assert np.all((skew >= 0) & (skew < 1))
    assert label_skew(factor * table) == pytest.approx(skew)
    assert label_skew(np.tile(table[:1], (3, 1))) == pytest.approx(np.zeros(3)), "alike is not skewed"


def test_an_empty_client_is_refused():
    with pytest.raises(DataError, match="client 1 holds no images"):
        label_skew(np.array([[1, 2], [0, 0]]))


def test_disagreement_by_hand():
    tosses, drift = disagreement(np.array([[0.9, 0.9, 0.5], [0.9, 0.1, 0.5]]))
    assert tosses == pytest.approx([0.18, 0.18, 0.5])
    assert drift == pytest.approx([0.0, 0.64, 0.0])


@settings(max_examples=50)
@given(arrays(np.float64, (4, 3), elements=st.floats(0, 1)))
def test_tosses_and_drift_make_the_whole_distance(q):
    pairs = [(i, j) for i in range(4) for j in range(i)]
    exact = np.mean([q[i] * (1 - q[j]) + q[j] * (1 - q[i]) for i, j in pairs], axis=0)
    assert np.sum(disagreement(q), axis=0) == pytest.approx(exact)


def test_masks_that_are_drawn_differ_as_often_as_that():
    rng = np.random.default_rng(0)
    q = rng.random((2, 50_000))
    masks = (rng.random(q.shape) < q).astype(np.uint8)
    distance = hamming(masks)
    assert distance[0, 1] == pytest.approx(np.mean(masks[0] != masks[1]), abs=1e-6)
    assert np.allclose(np.diag(distance), 0, atol=1e-6)
    assert distance[0, 1] == pytest.approx(np.mean(np.sum(disagreement(q), axis=0)), abs=0.01)


def test_the_common_share_of_movement():
    step = np.array([0.1, -0.2, 0.3])
    assert common_share(np.stack([step, step])) == pytest.approx(1)
    assert common_share(np.stack([step, -step])) == 0
    independent = np.random.default_rng(0).normal(size=(10, 100_000))
    assert common_share(independent) == pytest.approx(0.1, abs=0.003)
    assert common_share(independent + 1) == pytest.approx((0.1 + 1) / 2, abs=0.003)
    with pytest.raises(DataError, match="no client moved"):
        common_share(np.zeros((3, 5)))
