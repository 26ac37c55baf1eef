"""Sums of subsets: against all of them listed one by one, and the counting bound against what subsets reach."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsparse import SettingError
from fedsparse.teaching.subset_sums import best_errors, numbers_needed


def listed(numbers, target, ones) -> float:
    sizes = range(len(numbers) + 1) if ones is None else [ones]
    return min(abs(sum(s) - target) for k in sizes for s in itertools.combinations(numbers, k))


def test_by_hand():
    numbers = np.array([0.5, -0.25, 0.125])
    # the sums are −0.25, −0.125, 0, 0.125, 0.25, 0.375, 0.5, 0.625
    assert best_errors(numbers, np.array([0.3, -0.25, 1.0])).tolist() == pytest.approx([0.05, 0.0, 0.375])
    # of two: 0.25, 0.625, −0.125
    assert best_errors(numbers, np.array([0.3, -0.25]), ones=2).tolist() == pytest.approx([0.05, 0.125])
    assert best_errors(np.zeros(0), np.array([0.75])).tolist() == [0.75], "nothing adds up to nothing"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=9),
    st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=3),
    st.data(),
)
def test_as_all_subsets_listed(numbers, targets, data):
    ones = data.draw(st.none() | st.integers(0, len(numbers)))
    expected = [listed(numbers, t, ones) for t in targets]
    assert best_errors(np.array(numbers), np.array(targets), ones) == pytest.approx(expected, abs=1e-12)


def test_signed_constants_add_up_to_multiples_of_themselves():
    numbers = 0.4 * np.array([1, -1, 1, 1, -1, -1, 1, -1])
    assert best_errors(numbers, np.array([0.2, 0.4, 0.55])) == pytest.approx([0.2, 0.0, 0.15])


def test_numbers_needed_by_hand():
    assert numbers_needed(1 / 8) == pytest.approx(3)
    assert numbers_needed(1 / 8, 0.11002786443835955) == pytest.approx(6), "at H = ½ twice as many"
    assert numbers_needed(0.01, 0.1) == pytest.approx(numbers_needed(0.01, 0.9))


def test_no_fewer_numbers_serve_all_targets():
    rng = np.random.default_rng(0)
    error = 0.02
    n = math.ceil(numbers_needed(error)) - 1
    targets = np.linspace(-1, 1, 401)
    for _ in range(20):
        assert best_errors(rng.uniform(-1, 1, n), targets).max() > error


@pytest.mark.parametrize(("error", "density"), [(0.0, 0.5), (1.0, 0.5), (0.1, 0.0), (0.1, 1.0)])
def test_an_error_or_a_density_that_cannot_be_is_refused(error, density):
    with pytest.raises(SettingError, match="between 0 and 1"):
        numbers_needed(error, density)


def test_too_many_numbers_and_too_large_subsets_are_refused():
    with pytest.raises(SettingError, match="at most 40 numbers"):
        best_errors(np.zeros(41), np.zeros(1))
    with pytest.raises(SettingError, match="subsets of 0 to 3"):
        best_errors(np.zeros(3), np.zeros(1), ones=4)
