"""Exercises of notebook 10: the usual mistakes get a hint, what is right passes however it is written."""

import itertools
import math

import numpy as np
import pytest

from fedsparse.teaching import checks


def entropy(p):
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def greedy(numbers, target):
    left = target
    for number in sorted(numbers, key=abs, reverse=True):
        if abs(left - number) < abs(left):
            left -= number
    return abs(left)


def not_nothing(numbers, target):
    sizes = range(1, len(numbers) + 1)
    return min(abs(sum(s) - target) for k in sizes for s in itertools.combinations(numbers, k))


def from_below(numbers, target):
    sums = [sum(s) for k in range(len(numbers) + 1) for s in itertools.combinations(numbers, k)]
    return min(target - s for s in sums if s <= target) if min(sums) <= target else np.inf


def forward_only(first, second):
    return first.sum(), (second * first.any(1)).sum()


def backward_only(first, second):
    return (first * second.any(0)[:, None]).sum(), second.sum()


WRONG = [
    (checks.subset_sum, greedy),
    (checks.subset_sum, not_nothing),
    (checks.subset_sum, from_below),
    (checks.subset_sum, lambda numbers, target: np.abs(np.append(np.cumsum(numbers), 0) - target).min()),
    (checks.counting_bound, lambda error, density: math.log2(1 / error)),
    (checks.counting_bound, lambda error, density: math.log(1 / error) / entropy(density)),
    (checks.counting_bound, lambda error, density: math.log2(1 / error) / density),
    (checks.counting_bound, lambda error, density: math.log2(2 / error) / entropy(density)),
    (checks.living, lambda first, second: (first.sum(), second.sum())),
    (checks.living, forward_only),
    (checks.living, backward_only),
]


@pytest.mark.parametrize(("check", "answer"), WRONG)
def test_the_usual_mistakes_get_a_hint(check, answer, capsys):
    assert not check(answer)
    assert capsys.readouterr().out.startswith("Not yet")


def test_other_ways_to_write_it_pass(capsys):
    def halves(numbers, target):
        if len(numbers) == 0:
            return abs(target)
        return min(halves(numbers[1:], target), halves(numbers[1:], target - numbers[0]))

    def forward_with_parts(first, second):
        paths = second.any(0).astype(int) * first.any(1)
        return paths @ first.sum(1), second.sum(0) @ paths

    assert checks.subset_sum(halves)
    assert checks.counting_bound(lambda error, density: -math.log2(error) / entropy(1 - density))
    assert checks.living(forward_with_parts)
    assert capsys.readouterr().out == "PASS\n" * 3
