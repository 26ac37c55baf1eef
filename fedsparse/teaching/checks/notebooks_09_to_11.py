"""Exercises on shared randomness, on open questions, and on deployment."""

import math

import numpy as np

from fedsparse.teaching.checks.exercise import Case, Cases, exercise


# Notebook 09: far below one bit per parameter
@exercise
def chance_of_a_one() -> Cases:
    """Exercise: for one weight, from θ, σ(s) and a number of candidates to the probability that a one is chosen."""
    for theta, sigma, many, chance, hint in (
        (0.5, 0.8, 1, 0.5, "With one candidate there is no choice: it is what θ drew."),
        (0.3, 0.3, 5, 0.3, "Where nothing was learned, the list changes nothing."),
        (0.5, 0.8, 2, 0.65, "Two zeros, two ones, or one of each: in each case, how likely is it that a one wins?"),
        (0.1, 0.6, 12, 0.4676618, "How many candidates are ones is chance; given it, shares of all weights decide."),
    ):
        yield Case((theta, sigma, many), chance, hint)


@exercise
def number_cost() -> Cases:
    """Exercise: from numbers of 1 or more to bits per number: entropy of their binary lengths, and further digits."""
    for numbers, bits, hint in (
        ([1, 1, 1, 1], 0.0, "A number that is always 1 carries no information, and costs nothing."),
        ([4, 5, 6, 7], 2.0, "Where all lengths are equal, only the digits after the leading one cost bits."),
        ([1, 2, 1, 3], 1.5, "The length costs its entropy; of the binary digits, the first is known."),
        ([1, 1, 2, 3, 4, 7, 6, 5], 2.75, "Means over the numbers, both of them, in bits."),
    ):
        yield Case((np.array(numbers),), bits, hint)


@exercise
def rebuilt_theta() -> Cases:
    """Exercise: from candidates, (clients, K, n), their numbers and weights, (clients,), and a clip to θ, (n,)."""
    own = [[0, 0, 1], [1, 1, 0], [0, 1, 1]], [[1, 0, 0], [0, 0, 1], [1, 0, 1]], [[0, 1, 0], [1, 0, 1], [0, 0, 0]]
    candidates, numbers = np.array(own, np.uint8), np.array([2, 1, 3])
    alike, unlike = np.ones(3, np.int64), np.array([5, 2, 1])
    hint = "Each client has candidates of its own, and the first of them is number 1."
    yield Case((candidates, numbers, alike, 0.0), np.array([2, 1, 0]) / 3, hint)
    yield Case((candidates, numbers, unlike, 0.0), np.array([7, 5, 0]) / 8, "A mask counts by its weight.")
    hint = "θ is kept off 0 and 1 by the clip."
    yield Case((candidates, np.array([3, 2, 2]), unlike, 0.05), [0.125, 0.625, 0.95], hint)


# Notebook 10: open questions
@exercise
def fewest_kept() -> Cases:
    """Exercise: from numbers, (n,), a target and an error ε to how many numbers a subset within ε takes at least.

    And to how many subsets of that size come so near; NaN and 0 if none of any size does.
    """
    numbers = np.random.default_rng(0).uniform(-1, 1, 8)
    for some, target, error, least, hint in (
        ([0.5], 0.1, 0.2, (0, 1), "To keep nothing is a choice too: the one empty subset adds up to 0."),
        ([0.5, 0.75, -0.25], 0.25, 0.05, (2, 1), "A sum may lie above the target as well as below it."),
        ([0.6, 0.5, 0.5], 1.0, 0.05, (2, 1), "Taking the best next number is not enough."),
        ([0.25, 0.25, 0.75], 0.5, 0.3, (1, 3), "Near enough is enough, and equal numbers are two numbers."),
        ([1.0, 1.0, -0.75], -2.0, 1.0, (math.nan, 0), "No subset comes near: a number is kept once only."),
        (numbers, 0.4, 0.015, (4, 2), "All 2ⁿ subsets have to be looked at, the small ones first."),
    ):
        yield Case((np.array(some), target, error), least, hint)


@exercise
def least_numbers() -> Cases:
    """Exercise: from an error ε and a density to the least number of random numbers that counting allows.

    The subsets that keep at most that share of the numbers are at least 1/ε.
    """
    for error, density, least, hint in (
        (0.125, 1.0, 3, "With any subset allowed, n numbers have 2ⁿ of them."),
        (0.125, 0.5, 4, "Subsets of at most so many are allowed: smaller ones too, and the empty one."),
        (0.01, 0.5, 8, "Count the subsets, size by size; no formula for large n is exact for small n."),
        (0.01, 0.125, 16, "Half a number cannot be kept: round down."),
    ):
        yield Case((error, density), least, hint)


@exercise
def living() -> Cases:
    """Exercise: masks of two layers without biases, (h, i) and (o, h), to the ones on paths from each input, (i,)."""
    yield Case((np.ones((2, 3), int), np.ones((1, 2), int)), [4, 4, 4], "Where all is kept, all is connected.")
    unused = np.eye(2, dtype=int), np.array([[1, 0]])
    yield Case(unused, [2, 0], "Where no output uses a unit, the ones that enter it are dead.")
    unentered = np.array([[1, 0], [0, 1]]), np.array([[1, 1]])
    yield Case(unentered, [2, 2], "Where an input does not enter a unit, the ones that leave it are not on its paths.")
    fan = np.array([[1, 0]]), np.ones((3, 1), int)
    yield Case(fan, [4, 0], "A one counts once, however many paths lead through it.")
    shared = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 0], [0, 1, 1]]), np.array([[1, 0, 1, 0], [1, 0, 1, 1]])
    yield Case(shared, [3, 2, 5], "Both ways: rows of the first mask belong to columns of the second.")


# Notebook 11: a real federation
@exercise
def accepted() -> Cases:
    """Exercise: from replies (client, round) in order of arrival, this round and the asked clients to those counted."""
    for replies, asked, expected, hint in (
        ([(2, 5), (0, 5)], {0, 2}, [0, 2], "All clients count here, in the order of their numbers."),
        ([(0, 4), (1, 5)], {0, 1}, [1], "An update of another round answers another θ."),
        ([(0, 5), (7, 5)], {0, 1}, [0], "Only a client that was asked may answer."),
        ([(1, 5), (0, 5), (1, 5)], {0, 1}, [0, 1], "An update that comes twice is counted once."),
        ([(1, 4), (1, 5)], {1}, [1], "A reply that is refused does not use up the client's turn."),
        ([], {0, 1}, [], "It may happen that no client answers."),
    ):
        yield Case((replies, 5, asked), expected, hint, any_length=True)


@exercise
def whole_sum() -> Cases:
    """Exercise: updates (K, n), weights (K,) and a unit to Σ w · the update in whole units, (n,)."""
    tenths, three = np.full((3, 2), 0.1), np.array([[0.5, -0.25], [0.3, 0.3], [-1.0, 0.2]])
    yield Case((three, np.ones(3), 0.25), [-1, 1], "The sum counts units, and an update is so many whole units.")
    yield Case((tenths, np.ones(3), 0.25), [0, 0], "Sums of whole numbers are exact; sums of floats are not.")
    yield Case((three, np.array([4, 2, 1]), 0.25), [6, -1], "A client counts by its weight.")
    yield Case((tenths, np.array([5, 5, 5]), 0.25), [0, 0], "What is weighted has to be whole before it is weighted.")
