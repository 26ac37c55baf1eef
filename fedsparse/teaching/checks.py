"""Checks for the notebooks' exercises: each prints PASS, or a hint. Any correct implementation passes.

A check calls the reader's function on inputs whose answers it knows, and never shows an answer.
"""

import copy
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pandas

from fedsparse.algorithms.lambda_schedule import SMALL, STEP
from fedsparse.entropy import context_entropy, mask_entropy
from fedsparse.models import Layout
from fedsparse.teaching.effective_masks import connected
from fedsparse.teaching.range_coder_by_hand import subdivide
from fedsparse.teaching.subset_sums import best_errors, numbers_needed
from fedsparse.wire.frame import Kind, message_of

Cases = Iterator[tuple[tuple, Any, str]]
"""Of an exercise, one after another: arguments, expected, and the hint if that is not what the answer returns."""


def exercise(cases: Callable[[], Cases]) -> Callable[[Callable[..., Any]], bool]:
    """Make a function that yields cases into a check: given an answer, it prints PASS or the hint of the first miss."""

    def check(answer: Callable[..., Any]) -> bool:
        for arguments, expected, hint in cases():
            try:
                returned = answer(*copy.deepcopy(arguments))  # an answer may change them in place
                if returned is ...:
                    print(f"Not yet: the function is still to be written. {hint}")
                    return False
                got = np.asarray(returned, dtype=float)
            except Exception as error:  # whatever the reader's code raises is shown to the reader
                print(f"Not yet: {type(error).__name__}: {error}. {hint}")
                return False
            right = got.shape == np.shape(expected) and np.allclose(got, expected, atol=1e-6, equal_nan=True)
            if returned is None or not right:  # None would be NaN
                print(f"Not yet. {hint}")
                return False
        print("PASS")
        return True

    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(check, name, getattr(cases, name))
    return check


# Notebook 01: lottery tickets and supermasks


@exercise
def magnitude_mask() -> Cases:
    """Exercise: from one layer's weights and the share to keep to a mask of the same shape."""
    few = np.array([[3.0, -4.0], [1.0, -2.0]])
    some = np.array([0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8])
    pruned = np.array([0.0, 0.0, 5.0, -1.0, 0.0, 2.0, 0.0, 0.0])
    yield (few, 0.5), [[1, 1], [0, 0]], "A large negative weight is large; the mask has the layer's shape."
    yield (some, 0.25), [0, 0, 0, 0, 0, 0, 1, 1], "The share is that of the weights kept, not of those pruned."
    hint = "The share is of all the layer's weights, those pruned before included."
    yield (pruned, 0.25), [0, 0, 1, 0, 0, 1, 0, 0], hint
    yield (some, 1.0), np.ones(8), "A share of 1 keeps every weight."


@exercise
def share_left() -> Cases:
    """Exercise: from the share that each round prunes, and a number of rounds, to the share that is left."""
    yield (0.2, 0), 1.0, "Before the first round nothing is pruned: all of the weights are left."
    yield (0.2, 1), 0.8, "The answer is the share that is left, not the share that is pruned."
    yield (0.2, 5), 0.32768, "Each round prunes a share of what is *left*, not of the whole."
    yield (0.5, 6), 1 / 64, "Each round prunes a share of what is *left*, not of the whole."


@exercise
def next_start() -> Cases:
    """Exercise: from a layer's first and trained weights and the share to keep to what the next round starts from."""
    first, trained = np.array([0.5, -0.1, 0.2, 0.9]), np.array([0.1, -0.8, 0.6, 0.3])
    kept = np.array([-1.0, 0.25, 2.0, -0.5])
    hint = "The trained weights decide which weights are kept; those go back to their first values."
    yield (first, trained, 0.5), [0.0, -0.1, 0.2, 0.0], hint
    yield (kept, kept * 2, 0.25), [0.0, 0.0, 2.0, 0.0], "A weight that is not kept is zero."
    yield (kept, -kept[::-1], 0.25), [0.0, 0.25, 0.0, 0.0], "Magnitudes decide, those of the trained weights."


# Notebook 02: masked layers and the straight-through estimator


@exercise
def masked_forward() -> Cases:
    """Exercise: inputs (batch, in), weight (out, in), bias (out,) and a flat mask (out·in + out,) to (batch, out)."""
    layer = np.array([[1.0, 2, -1], [0.5, 0, 3]]), np.array([[2.0, -1, 4], [1, 3, -2]]), np.array([10.0, -20])
    hint = "The flat mask holds the weight row by row, one row per output; what is masked out counts 0, the bias too."
    yield (*layer, np.array([1, 1, 1, 0, 0, 0, 0, 0])), [[-4.0, 0.0], [13.0, 0.0]], hint
    hint = "The last entries of the mask, one per output, belong to the biases."
    yield (*layer, np.array([1, 0, 1, 1, 1, 0, 0, 1])), [[-2.0, -13.0], [13.0, -19.5]], hint
    hint = "A mask of probabilities gives the expected network: entries between 0 and 1 scale a weight."
    yield (*layer, np.full(8, 0.5)), [[3.0, -5.5], [11.5, -12.75]], hint


@exercise
def straight_through_gradient() -> Cases:
    """Exercise: from scores s, mask m, inputs x, weights w, each (n,), and a target t to the estimate of ∂L/∂s, (n,).

    L = (Σ wⱼ xⱼ mⱼ − t)²/2.
    """
    s, x, w = np.array([0.0, 0.0]), np.array([1.0, 2.0]), np.array([1.0, -1.0])
    far = np.array([np.log(4), -np.log(3)])  # θ of 0.8 and 0.25
    hint = "Chain rule: (y − t) times ∂y/∂mⱼ, then the straight-through step ∂m/∂θ := 1, then ∂θ/∂s = θ(1 − θ)."
    yield (s, np.array([1, 1]), x, w, 0.0), [-0.25, 0.5], hint
    hint = (
        "A weight that the mask leaves out gets a gradient all the same: ∂y/∂mⱼ = wⱼ xⱼ, whatever mⱼ is; "
        "and y is computed with the mask, not with θ."
    )
    yield (s, np.array([0, 1]), x, w, -2.5), [0.125, -0.25], hint
    hint = "θ = σ(s) decides how steep the sigmoid is: θ(1 − θ), for each weight its own."
    yield (far, np.array([1, 0]), x, w, 0.5), [0.08, -0.1875], hint


@exercise
def exact_gradient() -> Cases:
    """Exercise: from scores (n,) and a function of one mask (n,) to the gradient of E[L(m)] by the scores, (n,)."""
    s = np.array([np.log(4), -np.log(3), 0.0])  # θ = 0.8, 0.25, 0.5
    slope = np.array([0.16, 0.1875, 0.25])
    hint = "For one weight: E[L] = θ L(1) + (1 − θ) L(0), and ∂θ/∂s = θ(1 − θ)."
    yield (np.zeros(1), lambda m: float(m[0])), [0.25], hint
    hint = (
        "For each weight: what is expected with it minus what is expected without it, "
        "the other weights as likely as they are."
    )
    yield (s[:2], lambda m: float(m[0] * m[1])), [0.25, 0.8] * slope[:2], hint
    hint = "All 2ⁿ masks count, each with its probability; the loss need not be smooth in the mask."
    rough = [3 * 0.75 - 3 * 0.25, 3 * 0.2 + 0.5 - 3 * 0.8, 0.25] * slope
    yield (s, lambda m: float(3.0 * (m[0] + m[1] == 1) + m[2] * m[1])), rough, hint


# Notebook 03: FedPM round by round


@exercise
def beta_mode() -> Cases:
    """Exercise: masks (K, n) of 0 and 1, and a prior Beta(λ₀, λ₀), λ₀ ≥ 1, to the mode of each weight's posterior."""
    masks = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1]], np.uint8)
    hint = "A flat prior adds nothing to the mode: (α − 1)/(α + β − 2), not the posterior's mean."
    yield (masks, 1.0), [0, 1, 2 / 3, 1 / 3], hint
    hint = "Ones go to α and zeros to β; both begin at λ₀, which pulls the mode towards ½."
    yield (masks, 2.0), [0.2, 0.8, 0.6, 0.4], hint
    yield (masks[:1], 1.5), [0.25, 0.75, 0.75, 0.25], "α + β is 2 λ₀ and one more for every mask."


@exercise
def mean_variance() -> Cases:
    """Exercise: from the probabilities of K independent coins, (K,), to the variance of the mean of their tosses."""
    yield (np.array([0.5]),), 0.25, "For a single coin: q(1 − q)."
    yield (np.full(4, 0.5),), 1 / 16, "Variances of independent coins add up; of a mean, divide by K²."
    yield (np.array([0.0, 1.0]),), 0.0, "Certain coins that differ have no variance: average q(1 − q), not q."
    yield (np.array([0.9, 0.5, 0.2]),), (0.09 + 0.25 + 0.16) / 9, "Every coin has its own q(1 − q)."


@exercise
def partial_cohort() -> Cases:
    """Exercise: θ before (n,), masks (clients, n), samples (clients,), answered (clients,) bool to the next θ, (n,)."""
    before = np.array([0.5, 0.25, 0.75])
    masks = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0]], np.uint8)
    given = before, masks, np.array([10, 30, 60, 100])
    yield (*given, np.ones(4, bool)), [0.35, 0.8, 0.2], "A mask counts by its client's share of the images."
    hint = "Shares are of the images of the clients that answered; a missing answer is not a vote of zero."
    yield (*given, np.array([1, 1, 0, 0], bool)), [0.25, 0.0, 1.0], hint
    yield (*given, np.zeros(4, bool)), before, "If no client answers there is nothing to average: θ stays."


# Notebook 04: entropy and the wire


@exercise
def conditional_entropy() -> Cases:
    """Exercise: from a mask, (n,) of 0 and 1, and the context of each entry, (n,), to bits per parameter."""
    rng = np.random.default_rng(0)
    contexts = rng.choice([0, 2, 5], 1000, p=[0.7, 0.2, 0.1])
    mask = (rng.random(1000) < np.array([0.05, 0, 0.5, 0, 0, 0.9])[contexts]).astype(np.uint8)
    halves, mostly = np.array([0, 1] * 4, np.uint8), np.array([0, 1, 1, 1, 1, 1, 1, 1], np.uint8)
    for m, c, hint in (
        (halves, np.zeros(8, int), "With one context for all it is the entropy of the whole mask."),
        (halves, halves.astype(int), "A context with zeros only, or with ones only, costs nothing."),
        (mostly, np.array([0, 0, 1, 1, 1, 1, 1, 1]), "A context counts by the number of its entries."),
        (mask, contexts, "Each context has a frequency of ones of its own; context numbers may have gaps."),
    ):
        yield (m, c), context_entropy(m, c), hint


@exercise
def interval() -> Cases:
    """Exercise: from bits and the share of ones to the interval's low end and width; zeros take the lower part."""
    given: tuple[tuple[list[int], float, str], ...] = (
        ([], 0.25, "Before the first bit, the interval is all of [0, 1)."),
        ([0], 0.25, "Zeros take the lower part: 1 − share of ones of the width."),
        ([1], 0.25, "A one takes the upper part; its low end moves up by what the zeros take."),
        ([1, 0, 1, 1], 0.75, "Each bit divides what is left, not all of [0, 1). Return low end and width."),
    )
    for bits, ones, hint in given:
        yield (bits, ones), [float(v) for v in subdivide(bits, Fraction(ones))[-1]], hint


@exercise
def header() -> Cases:
    """Exercise: from a message to its round, its number of parameters, and the length of its payload."""
    small, large = Layout(((2, 3),)), Layout(((300, 1000), (10, 300)))
    hint = "The round begins at byte 6: 4 of magic, 1 of kind and 1 of codec come before it."
    yield (message_of(Kind.MASK, "packed", 7, small, 0, b"\x01"),), (7, small.n, 1), hint
    hint = "Whole numbers are unsigned, 32 bits, lowest byte first: '<I'. Between n and the length lie 12 bytes."
    yield (message_of(Kind.THETA, "context", 70_000, large, 2**32 - 1, bytes(300)),), (70_000, large.n, 300), hint


# Notebooks 00 and 05: FedPM against regularized training


@exercise
def pooled_entropy() -> Cases:
    """Exercise: from a mask of zeros and ones to bits per parameter, one frequency of ones for the whole network."""
    rng = np.random.default_rng(0)
    for mask, hint in (
        (np.zeros(8, np.uint8), "A mask without ones costs nothing. What must 0 · log₂ 0 be then?"),
        (np.ones(8, np.uint8), "A mask of ones only costs nothing either."),
        (np.array([0, 1] * 4, np.uint8), "At a frequency of one half, an entry costs one bit."),
        ((rng.random(1000) < 0.1).astype(np.uint8), "Both outcomes count: p log₂ p and (1 − p) log₂ (1 − p)."),
    ):
        yield (mask,), mask_entropy(mask), hint


@exercise
def regularizer_gradient() -> Cases:
    """Exercise: the gradient of (λ/n) Σ σ(sⱼ) with respect to the scores."""
    s = np.array([-3.0, 0.0, 0.5, 4.0])
    yield (np.zeros(1), 4.0), [1.0], "The derivative of σ is σ(1 − σ): at s = 0 it is a quarter."
    hint = "The sum is divided by the number of parameters, and every score has a gradient."
    yield (s, 2.0), 2.0 / 4 / (2 + np.exp(s) + np.exp(-s)), hint


@exercise
def aggregation() -> Cases:
    """Exercise: from masks, shape (clients, n), and a clip to the next θ, shape (n,)."""
    masks = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1]], np.uint8)
    yield (masks, 0.0), masks.mean(0), "A weight that two of three clients keep has θ = 2/3."
    hint = "Where all clients agree, the clip keeps θ away from 0 and 1."
    yield (masks, 0.25), [0.25, 0.75, 2 / 3, 1 / 3], hint


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
