"""Exercises of notebook 04: entropy and the wire."""

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from fedsparse.entropy import context_entropy
from fedsparse.models import Layout
from fedsparse.teaching.checks.verdict import verdict
from fedsparse.teaching.range_coder_by_hand import subdivide
from fedsparse.wire.frame import Kind, message_of


def conditional_entropy(answer: Callable[[np.ndarray, np.ndarray], float]) -> bool:
    """Exercise: from a mask, (n,) of 0 and 1, and the context of each entry, (n,), to bits per parameter."""
    rng = np.random.default_rng(0)
    contexts = rng.choice([0, 2, 5], 1000, p=[0.7, 0.2, 0.1])
    mask = (rng.random(1000) < np.array([0.05, 0, 0.5, 0, 0, 0.9])[contexts]).astype(np.uint8)
    halves = np.array([0, 1] * 4, np.uint8)
    cases = [
        (halves, np.zeros(8, int), "With one context for all it is the entropy of the whole mask."),
        (halves, halves.astype(int), "A context with zeros only, or with ones only, costs nothing."),
        (
            np.array([0, 1, 1, 1, 1, 1, 1, 1], np.uint8),
            np.array([0, 0, 1, 1, 1, 1, 1, 1]),
            "A context counts by the number of its entries.",
        ),
        (mask, contexts, "Each context has a frequency of ones of its own; context numbers may have gaps."),
    ]
    return verdict(answer, [((m, c), context_entropy(m, c), hint) for m, c, hint in cases])


def interval(answer: Callable[[Sequence[int], float], tuple[float, float]]) -> bool:
    """Exercise: from bits and the share of ones to the interval's low end and width; zeros take the lower part."""
    cases: list[tuple[list[int], float, str]] = [
        ([], 0.25, "Before the first bit, the interval is all of [0, 1)."),
        ([0], 0.25, "Zeros take the lower part: 1 − share of ones of the width."),
        ([1], 0.25, "A one takes the upper part; its low end moves up by what the zeros take."),
        ([1, 0, 1, 1], 0.75, "Each bit divides what is left, not all of [0, 1). Return low end and width."),
    ]
    ends = [[float(v) for v in subdivide(bits, Fraction(ones))[-1]] for bits, ones, _ in cases]
    return verdict(answer, [((bits, ones), end, hint) for (bits, ones, hint), end in zip(cases, ends, strict=True)])


def header(answer: Callable[[bytes], tuple[int, int, int]]) -> bool:
    """Exercise: from a message to its round, its number of parameters, and the length of its payload."""
    small, large = Layout(((2, 3),)), Layout(((300, 1000), (10, 300)))
    first = message_of(Kind.MASK, "packed", 7, small, 0, b"\x01")
    second = message_of(Kind.THETA, "context", 70_000, large, 2**32 - 1, bytes(300))
    hint = "The round begins at byte 6: 4 of magic, 1 of kind and 1 of codec come before it."
    order = "Whole numbers are unsigned, 32 bits, lowest byte first: '<I'. Between n and the length lie 12 bytes."
    return verdict(answer, [((first,), (7, small.n, 1), hint), ((second,), (70_000, large.n, 300), order)])
