"""Exercises of notebook 08: the total communication cost."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas

from fedsparse.teaching.checks.verdict import verdict


def _history(up: Sequence[int], down: Sequence[int], accuracy: Sequence[float]) -> pandas.DataFrame:
    """As `History.frame`, with the columns that the exercises need: 10 clients, the last round lost two answers."""
    rounds = range(1, len(up) + 1)
    cohort = [*[10] * (len(up) - 1), 8]
    return pandas.DataFrame(
        {"round": rounds, "accuracy_expected": accuracy, "uplink_bytes": up, "downlink_bytes": down, "cohort": cohort}
    )


SHORT = _history([1000], [500], [0.2])
LONG = _history([40_000, 30_000, 20_000, 10_000], [700, 90_000, 80_000, 70_000], [0.1, 0.7, 0.6, 0.8])
GAPS = _history([100, 100, 100, 100], [10, 20, 30, 40], [math.nan, 0.5, math.nan, 0.9])


def total_megabytes(answer: Callable[[pandas.DataFrame], float]) -> bool:
    """Exercise: from a history to the megabytes of the whole training: all clients, both directions."""
    return verdict(
        answer,
        [
            ((SHORT,), 0.0015, "Both directions count. The columns are totals over the clients of a round."),
            ((LONG,), 0.3407, "All rounds add up. A megabyte is 10⁶ bytes, and the cohort is in the columns already."),
        ],
    )


def megabytes_to(answer: Callable[[pandas.DataFrame, float], float]) -> bool:
    """Exercise: from a history and a target to the megabytes until it was first reached, NaN if it never was."""
    never = "Where the target is never reached, the answer is NaN: not 0, and not the cost of all rounds."
    return _with_nan(
        answer,
        [
            ((SHORT, 0.2), 0.0015, "The round that reaches the target counts too; to reach is ≥."),
            ((LONG, 0.65), 0.1607, "It counts when the target was reached first, even if the accuracy fell again."),
            ((GAPS, 0.9), 0.0005, "Rounds without an evaluation have NaN for an accuracy, and bytes all the same."),
            ((LONG, 0.95), math.nan, never),
        ],
    )


def break_even(answer: Callable[[np.ndarray, np.ndarray], float]) -> bool:
    """Exercise: from the bytes per round of two methods to the first round from which on the second has cost less."""
    return _with_nan(
        answer,
        [
            (
                ([5, 5, 5], [9, 2, 2]),
                3,
                "What counts is the sum so far, not the round's own bytes; round 1 is the first.",
            ),
            (([5, 5, 5], [1, 1, 1]), 1, "A method that is cheaper from the start is ahead from the very first round."),
            (([1, 5, 5, 5], [3, 3, 3, 3]), 3, "Equal is not yet less."),
            (([5, 1, 9, 9], [4, 4, 1, 1]), 3, "From which *on*: a lead that is lost again does not count."),
            (
                ([1, 1, 1], [5, 1, 1]),
                math.nan,
                "Where the second is never the cheaper one in the end, the answer is NaN.",
            ),
        ],
    )


def _with_nan(answer: Callable[..., float], cases: list[tuple[tuple, float, str]]) -> bool:
    """As `verdict`, where NaN is a right answer, and lists come as arrays; −1 stands for NaN, and never is one."""

    def with_minus_one(*arguments):
        value = answer(*(np.array(a) if isinstance(a, list) else a for a in arguments))
        if value is ...:
            return value
        return -1.0 if math.isnan(value) else value

    return verdict(
        with_minus_one, [(given, -1.0 if math.isnan(right) else right, hint) for given, right, hint in cases]
    )
