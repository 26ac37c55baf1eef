"""Exercises of the notebooks on masks: tickets, layers, rounds, the wire, and FedPM against regularized training."""

from fractions import Fraction

import numpy as np

from fedsparse.entropy import context_entropy, mask_entropy
from fedsparse.models import Layout
from fedsparse.teaching.checks.exercise import Cases, exercise
from fedsparse.teaching.range_coder_by_hand import subdivide
from fedsparse.wire.frame import Kind, message_of


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
