"""Exercises on shared randomness, on open questions, and on deployment."""

import math

import numpy as np

from fedsparse.models import Layout
from fedsparse.teaching.checks.exercise import Case, Cases, exercise
from fedsparse.teaching.effective_masks import connected
from fedsparse.teaching.subset_sums import best_errors


# Notebook 09: far below one bit per parameter
@exercise
def chance_of_a_one() -> Cases:
    """Exercise: for one weight, from θ, σ(s) and a number of candidates to the probability that a one is chosen."""
    for theta, sigma, many, hint in (
        (0.5, 0.8, 1, "With one candidate there is no choice: it is what θ drew."),
        (0.3, 0.3, 5, "Where nothing was learned, the list changes nothing."),
        (0.5, 0.8, 2, "Two zeros, two ones, or one of each: in each case, how likely is it that a one wins?"),
        (0.1, 0.6, 12, "How many of the candidates are ones is chance; given it, their shares of all weights decide."),
    ):
        ones = np.arange(many + 1)
        drawn = np.array([math.comb(many, k) for k in ones]) * theta**ones * (1 - theta) ** (many - ones)
        heavy = ones * sigma / theta
        chosen = np.sum(drawn * heavy / (heavy + (many - ones) * (1 - sigma) / (1 - theta)))
        yield Case((theta, sigma, many), chosen, hint)


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

    NaN if no subset comes so near.
    """
    numbers = np.random.default_rng(0).uniform(-1, 1, 8)
    errors = [best_errors(numbers, np.array([0.4]), ones)[0] for ones in range(9)]
    close = 2 * min(errors)
    fewest = next(ones for ones, error in enumerate(errors) if error <= close)
    yield Case((np.array([0.5]), 0.1, 0.2), 0, "To keep nothing is a choice too: the empty subset adds up to 0.")
    yield Case((np.array([0.5, 0.75, -0.25]), 0.25, 0.05), 2, "A sum may lie above the target as well as below it.")
    yield Case((np.array([0.6, 0.5, 0.5]), 1.0, 0.05), 2, "Taking the best next number is not enough.")
    yield Case((np.array([0.25, 0.25, 0.75]), 0.5, 0.3), 1, "Near enough is enough: a nearer subset may take more.")
    yield Case((np.array([1.0, 1.0, -0.75]), -2.0, 1.0), math.nan, "No subset comes near: a number is kept once only.")
    yield Case((numbers, 0.4, close), fewest, "All 2ⁿ subsets have to be looked at, the small ones first.")


@exercise
def least_numbers() -> Cases:
    """Exercise: from an error ε and a density to the least number of random numbers that counting allows.

    The subsets that keep at most that share of the numbers are at least 1/ε.
    """
    for error, density, hint in (
        (0.125, 1.0, "With any subset allowed, n numbers have 2ⁿ of them."),
        (0.125, 0.5, "Subsets of at most so many are allowed: smaller ones too, and the empty one."),
        (0.01, 0.5, "Count the subsets, size by size; no formula for large n is exact for small n."),
        (0.01, 0.125, "Half a number cannot be kept: round down."),
    ):
        n = 1
        while sum(math.comb(n, k) for k in range(int(density * n) + 1)) < 1 / error:
            n += 1
        yield Case((error, density), n, hint)


@exercise
def living() -> Cases:
    """Exercise: masks of two layers without biases, (h, i) and (o, h), to the connected ones of each."""
    yield Case((np.ones((2, 3), int), np.ones((1, 2), int)), (6, 2), "Where all is kept, all is connected.")
    unused = np.eye(2, dtype=int), np.array([[1, 0]])
    yield Case(unused, (1, 1), "Where no output uses a unit, the ones that enter it are dead.")
    unentered = np.array([[1], [0]]), np.array([[1, 1]])
    yield Case(unentered, (1, 1), "Where a unit receives nothing, the ones that leave it are dead.")
    small = [[1, 0], [1, 1], [0, 0], [0, 1]], [[1, 0, 1, 0], [0, 0, 1, 1]]
    rng = np.random.default_rng(1)
    for pair in (small, [rng.random(shape) < 0.15 for shape in ((12, 6), (4, 12))]):
        first, second = (np.array(mask, np.uint8) for mask in pair)
        layout = Layout((first.shape, second.shape))
        flat = np.concatenate([np.append(mask, np.zeros(len(mask), np.uint8)) for mask in (first, second)])
        kept = np.split(connected(flat, layout), np.cumsum(layout.sizes)[:-1])
        hint = "Both ways: rows of the first mask belong to columns of the second."
        yield Case((first, second), [part.sum() for part in kept], hint)


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
