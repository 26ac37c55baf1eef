"""Exercises of the notebooks on λ, clients that differ, costs, shared randomness, open questions and deployment."""

import math

import numpy as np
import pandas

from fedsparse.algorithms.lambda_schedule import SMALL, STEP
from fedsparse.models import Layout
from fedsparse.teaching.checks.exercise import Cases, exercise
from fedsparse.teaching.effective_masks import connected
from fedsparse.teaching.subset_sums import best_errors, numbers_needed


# Notebook 06: the λ sweep
@exercise
def dominated_share() -> Cases:
    """Exercise: from loss gradients, (steps, n), θ, (n,), and λ to the share that the regularizer dominates."""
    half, sure = np.full(4, 0.5), np.array([0.5, 0.01, 0.99, 0.01])
    quiet = np.array([[0.3, 0.01, -0.3, 0.0]])
    noisy = np.array([[0.3, 0.2, -0.3, 0.2], [0.3, -0.2, -0.3, 0.2]])
    yield (np.zeros((1, 4)), half, 1.0), 1.0, "Where the loss has no gradient, any λ above 0 dominates."
    yield (quiet, half, 1.6), 0.5, "The regularizer's gradient is λ/n · θ(1 − θ); signs do not matter, sizes do."
    yield (noisy, half, 1.6), 0.25, "Noise cancels over the steps: take the mean of the gradients, then its size."
    yield (np.full((2, 4), 0.02), sure, 1.6), 0.25, "Near 0 and 1 the regularizer's gradient is smaller."


@exercise
def knee() -> Cases:
    """Exercise: from λs, (k,), accuracies, (k, seeds), and a tolerance to the largest λ before accuracy falls."""
    lams = np.array([0.0, 1.0, 2.0, 4.0, 8.0])
    falls = np.array([[0.96, 0.94], [0.94, 0.96], [0.95, 0.93], [0.90, 0.90], [0.1, 0.1]])
    lucky = np.array([[0.95, 0.95], [0.99, 0.99], [0.94, 0.94], [0.80, 0.80], [0.945, 0.945]])
    lost = np.array([[0.9, 0.9], [0.5, 0.5], [0.4, 0.4], [0.3, 0.3], [0.2, 0.2]])
    mixed = np.array([2, 0, 4, 1, 3])
    yield (lams, falls, 0.02), 2.0, "A λ is within tolerance if its mean over seeds is."
    hint = "Measured against λ = 0; and once accuracy has fallen, a later λ does not count."
    yield (lams, lucky, 0.02), 2.0, hint
    yield (lams[mixed], falls[mixed], 0.02), 2.0, "The λs need not come in order."
    yield (lams, lost, 0.02), 0.0, "If the first λ above 0 costs too much already, the knee is at 0."


@exercise
def dual_ascent() -> Cases:
    """Exercise: from λ, the measured rate and a target to the next λ, by one step in log(1 + λ / 0.3)."""
    for lam, rate, hint in (
        (3.0, 0.2, "At the target, λ stays."),
        (3.0, 0.3, "Too many bits: λ rises, by 0.4 times the logarithm of rate / target, in log(1 + λ / 0.3)."),
        (0.0, 0.3, "λ has to be able to leave 0."),
        (3.0, 0.01, "The logarithm is clipped to [−1, 1], so that one odd round does no harm."),
        (0.01, 0.1, "λ is never below 0."),
    ):
        u = np.log1p(lam / SMALL) + STEP * np.clip(np.log(rate / 0.2), -1, 1)
        yield (lam, rate, 0.2), SMALL * np.expm1(max(0.0, u)), hint


# Notebook 07: non-IID clients
@exercise
def skew() -> Cases:
    """Exercise: from images of each client and class, (clients, classes), to each client's distance from the pool."""
    hint = "Clients with the pooled label distribution are at distance 0."
    yield (np.array([[3, 3], [5, 5]]),), [0.0, 0.0], hint
    hint = "An excess in one class is a deficit in another: count it once."
    yield (np.array([[4, 0], [0, 4]]),), [0.5, 0.5], hint
    hint = "The pool consists of images, not of clients: a large client weighs more in it."
    yield (np.array([[8, 0], [1, 1]]),), [0.1, 0.4], hint
    hint = "Normalize the row of each client, so that it adds up to 1."
    yield (np.array([[2, 2, 0], [2, 0, 2]]),), [0.25, 0.25], hint


@exercise
def owners() -> Cases:
    """Exercise: from clients, classes per client and classes to the (fewest, most) owners of a class, or (0, 0)."""
    yield (10, 2, 10), (2, 2), "Clients times classes per client: so many places, shared by the classes."
    yield (7, 3, 10), (2, 3), "Where the places cannot be shared equally, some classes have one owner more."
    yield (4, 2, 10), (0, 0), "Every class needs an owner, and there have to be places for all of them."
    yield (3, 5, 4), (0, 0), "No client can hold more classes than there are."
    yield (30, 1, 10), (3, 3), "Clients times classes per client: so many places, shared by the classes."


@exercise
def same_owner() -> Cases:
    """Exercise: from α and clients to the probability that two images of a class have the same owner (Dirichlet)."""
    yield (1.0, 1), 1.0, "With one client there is one owner."
    yield (1e12, 8), 1 / 8, "With a huge α every client has the same share: the two owners are independent."
    yield (1.0, 2), 2 / 3, "The first image makes its owner's α larger by one, as in a Pólya urn."
    yield (0.1, 10), 0.55, "Before the first image the αs add up to clients times α; after it, to one more."


# Notebook 08: the total communication cost
def _history(up: list[int], down: list[int], accuracy: list[float]) -> pandas.DataFrame:
    """As `History.frame`, with the columns that the exercises need: 10 clients, the last round lost two answers."""
    columns = {"round": range(1, len(up) + 1), "accuracy_expected": accuracy, "uplink_bytes": up}
    return pandas.DataFrame(columns | {"downlink_bytes": down, "cohort": [*[10] * (len(up) - 1), 8]})


SHORT = _history([1000], [500], [0.2])
LONG = _history([40_000, 30_000, 20_000, 10_000], [700, 90_000, 80_000, 70_000], [0.1, 0.7, 0.6, 0.8])
GAPS = _history([100, 100, 100, 100], [10, 20, 30, 40], [math.nan, 0.5, math.nan, 0.9])


@exercise
def total_megabytes() -> Cases:
    """Exercise: from a history to the megabytes of the whole training: all clients, both directions."""
    yield (SHORT,), 0.0015, "Both directions count. The columns are totals over the clients of a round."
    yield (LONG,), 0.3407, "All rounds add up. A megabyte is 10⁶ bytes, and the cohort is in the columns already."


@exercise
def megabytes_to() -> Cases:
    """Exercise: from a history and a target to the megabytes until it was first reached, NaN if it never was."""
    yield (SHORT, 0.2), 0.0015, "The round that reaches the target counts too; to reach is ≥."
    yield (LONG, 0.65), 0.1607, "It counts when the target was reached first, even if the accuracy fell again."
    yield (GAPS, 0.9), 0.0005, "Rounds without an evaluation have NaN for an accuracy, and bytes all the same."
    hint = "Where the target is never reached, the answer is NaN: not 0, and not the cost of all rounds."
    yield (LONG, 0.95), math.nan, hint


@exercise
def break_even() -> Cases:
    """Exercise: from the bytes per round of two methods to the first round from which on the second has cost less."""
    for first, second, expected, hint in (
        ([5, 5, 5], [9, 2, 2], 3, "What counts is the sum so far, not the round's own bytes; round 1 is the first."),
        ([5, 5, 5], [1, 1, 1], 1, "A method that is cheaper from the start is ahead from the very first round."),
        ([1, 5, 5, 5], [3, 3, 3, 3], 3, "Equal is not yet less."),
        ([5, 1, 9, 9], [4, 4, 1, 1], 3, "From which *on*: a lead that is lost again does not count."),
        ([1, 1, 1], [5, 1, 1], math.nan, "Where the second is never the cheaper one in the end, the answer is NaN."),
    ):
        yield (np.array(first), np.array(second)), expected, hint


# Notebook 09: far below one bit per parameter
@exercise
def importance_weights() -> Cases:
    """Exercise: from σ(s) and θ, (n,), and candidates, (K, n), to weights, (K,), that add up to 1."""
    masks = np.array([[1, 0], [0, 1], [1, 1]], np.uint8)
    half, moved, held = np.array([0.5, 0.5]), np.array([0.9, 0.2]), np.array([0.6, 0.3])
    every = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], np.uint8)
    q, p = np.array([0.2, 0.7, 0.99]), np.array([0.5, 0.01, 0.9])
    odds = np.array([[0.8 / 0.5, 0.2 / 0.5], [0.3 / 0.99, 0.7 / 0.01], [0.01 / 0.1, 0.99 / 0.9]])
    products = odds[range(3), every].prod(1)
    yield (half, half, masks), np.full(3, 1 / 3), "Where nothing was learned, all candidates have the same weight."
    hint = "A zero counts as well as a one: with 1 − σ(s) over 1 − θ."
    yield (moved, held, masks), np.array([144, 14, 84]) / 242, hint  # 3/2 · 8/7, 1/4 · 2/3 and 3/2 · 2/3, times 84
    yield (q, p, every), products / products.sum(), "A candidate's factors multiply; the weights add up to 1."


@exercise
def number_cost() -> Cases:
    """Exercise: from numbers of 1 or more to bits per number: entropy of their binary lengths, and further digits."""
    for numbers, bits, hint in (
        ([1, 1, 1, 1], 0.0, "A number that is always 1 carries no information, and costs nothing."),
        ([4, 5, 6, 7], 2.0, "Where all lengths are equal, only the digits after the leading one cost bits."),
        ([1, 2, 1, 3], 1.5, "The length costs its entropy; of l binary digits, the first is known."),
        ([1, 1, 2, 3, 4, 7, 6, 5], 2.75, "Means over the numbers, both of them, in bits."),
    ):
        yield (np.array(numbers),), bits, hint


@exercise
def rebuilt_theta() -> Cases:
    """Exercise: from candidates, (clients, K, n), their numbers and weights, (clients,), and a clip to θ, (n,)."""
    own = [[0, 0, 1], [1, 1, 0], [0, 1, 1]], [[1, 0, 0], [0, 0, 1], [1, 0, 1]], [[0, 1, 0], [1, 0, 1], [0, 0, 0]]
    candidates, numbers = np.array(own, np.uint8), np.array([2, 1, 3])
    alike, unlike = np.ones(3, np.int64), np.array([5, 2, 1])
    hint = "Each client has candidates of its own, and the first of them is number 1."
    yield (candidates, numbers, alike, 0.0), np.array([2, 1, 0]) / 3, hint
    yield (candidates, numbers, unlike, 0.0), np.array([7, 5, 0]) / 8, "A mask counts by its weight."
    hint = "θ is kept off 0 and 1 by the clip."
    yield (candidates, np.array([3, 2, 2]), unlike, 0.05), [0.125, 0.625, 0.95], hint


# Notebook 10: open questions
@exercise
def subset_sum() -> Cases:
    """Exercise: from numbers, (n,), and a target to the distance from the target to the nearest sum of a subset."""
    numbers = np.random.default_rng(0).uniform(-1, 1, 8)
    near = best_errors(numbers, np.array([0.4]))[0]
    yield (np.array([0.5]), 0.1), 0.1, "To keep nothing is a choice too: the empty subset adds up to 0."
    yield (np.array([0.5]), 0.4), 0.1, "A sum may lie above the target as well as below it."
    hint = "A subset is any choice, not a beginning and not a pair only."
    yield (np.array([0.5, 0.75, -0.25]), 0.25), 0.0, hint
    yield (np.array([1.0, 1.0, -0.75]), -2.0), 1.25, "A number is kept once or not at all."
    yield (numbers, 0.4), near, "All 2ⁿ subsets have to be looked at; taking the best next number is not enough."


@exercise
def counting_bound() -> Cases:
    """Exercise: from an error ε and a density to how many random numbers a target in [−1, 1] costs at least."""
    yield (0.125, 0.5), 3.0, "With half of the numbers kept there are about 2ⁿ subsets; each serves a length of 2ε."
    yield (0.01, 0.5), numbers_needed(0.01), "The count is in bits: logarithms to base 2."
    yield (0.01, 0.1), numbers_needed(0.01, 0.1), "Of subsets at density γ there are about 2 to the n H(γ)."


@exercise
def living() -> Cases:
    """Exercise: masks of two layers without biases, (h, i) and (o, h), to the connected ones of each."""
    full = np.ones((2, 3), int), np.ones((1, 2), int)
    yield full, (6, 2), "Where everything is kept, everything is connected."
    unused = np.eye(2, dtype=int), np.array([[1, 0]])
    yield unused, (1, 1), "Where no output uses a unit, the ones that enter it are dead."
    unentered = np.array([[1], [0]]), np.array([[1, 1]])
    yield unentered, (1, 1), "Where a unit receives nothing, the ones that leave it are dead."
    small = [[1, 0], [1, 1], [0, 0], [0, 1]], [[1, 0, 1, 0], [0, 0, 1, 1]]
    rng = np.random.default_rng(1)
    for pair in (small, [rng.random(shape) < 0.15 for shape in ((12, 6), (4, 12))]):
        first, second = (np.array(mask, np.uint8) for mask in pair)
        layout = Layout((first.shape, second.shape))
        flat = np.concatenate([np.append(mask, np.zeros(len(mask), np.uint8)) for mask in (first, second)])
        kept = np.split(connected(flat, layout), np.cumsum(layout.sizes)[:-1])
        hint = "Both ways: rows of the first mask belong to columns of the second."
        yield (first, second), [part.sum() for part in kept], hint


# Notebook 11: a real federation
@exercise
def accepted() -> Cases:
    """Exercise: from replies (client, round) in order of arrival, this round and the asked clients to those counted."""
    yield ([(2, 5), (0, 5)], 5, {0, 2}), [0, 2], "All clients count here, and the answer is sorted by client."
    yield ([(0, 4), (1, 5)], 5, {0, 1}), [1], "An update of another round answers another θ."
    yield ([(0, 5), (7, 5)], 5, {0, 1}), [0], "Only a client that was asked may answer."
    yield ([(1, 5), (0, 5), (1, 5)], 5, {0, 1}), [0, 1], "An update that comes twice is counted once."
    yield ([(1, 4), (1, 5)], 5, {1}), [1], "A reply that is refused does not use up the client's turn."
    yield ([], 5, {0, 1}), [], "It may happen that no client answers."


@exercise
def whole_sum() -> Cases:
    """Exercise: updates (K, n), weights (K,) and a unit to Σ w · the update in whole units, (n,)."""
    tenths, three = np.full((3, 2), 0.1), np.array([[0.5, -0.25], [0.3, 0.3], [-1.0, 0.2]])
    yield (three, np.ones(3), 0.25), [-1, 1], "In units: divide each update by the unit and round; then add."
    yield (tenths, np.ones(3), 0.25), [0, 0], "Round each update before adding: sums of rounded numbers are exact."
    yield (three, np.array([4, 2, 1]), 0.25), [6, -1], "A client counts by its weight."
    yield (tenths, np.array([5, 5, 5]), 0.25), [0, 0], "The weight multiplies the rounded update."
