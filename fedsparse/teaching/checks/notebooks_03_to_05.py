"""Exercises on rounds, on the wire, and on FedPM against regularized training."""

import math
import re

import numpy as np
import pandas

from fedsparse.models import Layout
from fedsparse.teaching.checks.exercise import Case, Cases, exercise
from fedsparse.wire.frame import Kind, message_of


# Notebook 03: FedPM round by round
@exercise
def lag() -> Cases:
    """Exercise: rounds that have passed, the share of votes in them and since, to rounds until θ is at ½ again.

    Votes are never reset; ∞ where θ never gets there.
    """
    for rounds, before, since, expected, hint in (
        (10, 0.25, 0.75, 10, "Every round has the same number of votes, and all of them count for ever."),
        (6, 0.0, 0.75, 12, "The further the old votes are from ½, and the nearer the new ones, the longer it takes."),
        (5, 0.25, 1.0, 3, "Rounds are whole, and θ has to have arrived."),
        (5, 1.0, 0.25, 10, "It works downwards as well."),
        (4, 0.25, 0.375, math.inf, "A mean of numbers below ½ stays below it, for ever."),
        (4, 0.75, 0.5, math.inf, "New votes of exactly ½ pull towards ½, and never get there."),
    ):
        yield Case((rounds, before, since), expected, hint)


@exercise
def cohort_variance() -> Cases:
    """Exercise: from all clients' probabilities of a weight, (N,), and a cohort's size to the variance of the next θ.

    The cohort is drawn without replacement; each of its clients samples one mask entry; θ is their mean.
    """
    hint = "Clients that are alike: it does not matter who is asked, and only the coins are left."
    yield Case((np.full(4, 0.5), 2), 1 / 8, hint)
    yield Case((np.array([0.0, 1.0]), 2), 0.0, "Everybody is asked, and nobody tosses: nothing is left to chance.")
    yield Case((np.array([0.0, 1.0]), 1), 0.25, "Nobody tosses a coin here, but who is asked is chance.")
    hint = "Nobody is asked twice: the more of the clients are asked, the less does it matter who."
    yield Case((np.array([0.0, 0.0, 1.0, 1.0]), 2), 1 / 12, hint)
    hint = "Both kinds of chance add up: who is asked, and what their coins show."
    yield Case((np.array([0.9, 0.5, 0.2, 0.4]), 3), 0.185 / 3 + 0.26 / 3 / 3 / 4, hint)


@exercise
def partial_cohort() -> Cases:
    """Exercise: θ before (n,), masks (clients, n), samples (clients,), answered (clients,) bool to the next θ, (n,)."""
    before = np.array([0.5, 0.25, 0.75])
    masks = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0]], np.uint8)
    given = before, masks, np.array([10, 30, 60, 100])
    yield Case((*given, np.ones(4, bool)), [0.35, 0.8, 0.2], "A mask counts by its client's share of the images.")
    hint = "Shares are of the images of the clients that answered; a missing answer is not a vote of zero."
    yield Case((*given, np.array([1, 1, 0, 0], bool)), [0.25, 0.0, 1.0], hint)
    yield Case((*given, np.zeros(4, bool)), before, "If no client answers there is nothing to average: θ stays.")


# Notebook 04: entropy and the wire
@exercise
def bits_saved() -> Cases:
    """Exercise: a mask, (n,), the context of each entry, (n,), and the bits of a table to the bits that contexts save.

    Against one frequency, and so one table, for the whole mask.
    """
    rng = np.random.default_rng(0)
    contexts = rng.choice([0, 2, 5], 1000, p=[0.7, 0.2, 0.1])
    mask = (rng.random(1000) < np.array([0.05, 0, 0.5, 0, 0, 0.9])[contexts]).astype(np.uint8)
    halves, mostly = np.array([0, 1] * 4, np.uint8), np.array([0, 1, 1, 1, 1, 1, 1, 1], np.uint8)
    given, two = halves.astype(int), np.array([0, 0, 1, 1, 1, 1, 1, 1])
    yield Case((halves, given * 0, 16), 0.0, "One context for all is what it is compared with, table and all.")
    hint = "A context with zeros only, or with ones only, costs no bits but its table."
    yield Case((halves, given, 0), 8.0, hint)
    hint = "Every context that occurs has a table; without contexts there is one, too."
    yield Case((halves, given, 16), -8.0, hint)
    yield Case((mostly, two, 0), 2.3485155, "A context counts by the number of its entries; bits, not bpp.")
    hint = "Each context has a frequency of ones of its own; context numbers may have gaps."
    yield Case((mask, contexts, 16), 279.3574140, hint)


@exercise
def interval() -> Cases:
    """Exercise: from bits and the probability of a one at each of them to the interval's low end and width.

    Zeros take the lower part.
    """
    given: tuple[tuple[list[int], list[float], list[float], str], ...] = (
        ([], [], [0, 1], "Before the first bit, the interval is all of [0, 1)."),
        ([0], [0.25], [0, 0.75], "Zeros take the lower part, in proportion to how likely they are."),
        ([1], [0.25], [0.75, 0.25], "A one takes the upper part; its low end moves up by what the zeros take."),
        ([1, 0, 1], [0.75, 0.75, 0.75], [0.296875, 0.140625], "Each bit divides what is left, not all of [0, 1)."),
        ([1, 0, 1, 1], [0.75, 0.5, 0.25, 0.75], [0.5546875, 0.0703125], "Each bit has a probability of its own."),
    )
    for bits, ones, ends, hint in given:
        yield Case((bits, ones), ends, hint)


@exercise
def header() -> Cases:
    """Exercise: from a message to its round, its number of parameters, and the length of its payload."""
    small, large = Layout(((2, 3),)), Layout(((300, 1000), (10, 300)))
    hint = "The round begins after magic, kind and codec: add up their bytes."
    yield Case((message_of(Kind.MASK, "packed", 7, small, 0, b"\x01"),), (7, small.n, 1), hint)
    hint = "Whole numbers have 32 bits, lowest byte first, and nothing is padded."
    message = message_of(Kind.THETA, "context", 70_000, large, 2**32 - 1, bytes(300))
    yield Case((message,), (70_000, large.n, 300), hint)


# Notebook 05: FedPM against regularized training
def _study(accuracies: dict[tuple[str, float], tuple[list[float], list[float]]], **columns: float) -> pandas.DataFrame:
    """As `schedules-digits`: two rounds of two seeds; by schedule and λ what validation gives, sampled and shipped.

    The first round, the test images and the expected network say the opposite of what the last round's validation says.
    """
    rows = []
    for (schedule, lam), (sampled, shipped) in accuracies.items():
        for seed, (one, other) in enumerate(zip(sampled, shipped, strict=True)):
            run = {"lam_schedule": schedule, "lam": lam, "seed": seed, "rounds": 2}
            says = {"accuracy_val": one, "accuracy_val_threshold": other}
            against = {"accuracy": 1 - one, "accuracy_threshold": 1 - other, "accuracy_val_expected": 1 - one} | columns
            rows.append(run | {"round": 1} | {name: 1 - value for name, value in (says | against).items()})
            rows.append(run | {"round": 2} | says | against)
    return pandas.DataFrame(rows)


@exercise
def chosen_lam() -> Cases:
    """Exercise: from the table of `schedules-digits` to the λ of the server's schedule that it chooses.

    The largest with which neither sampled nor shipped networks lose more than a point on validation images.
    """
    plain, server, constant = ("constant", 0.0), "server_loss", "constant"
    high, low = ([0.95, 0.95], [0.97, 0.97]), ([0.90, 0.90], [0.92, 0.92])
    first = _study({plain: high, (server, 1.0): high, (server, 3.0): high, (server, 10.0): low})
    yield Case((first,), 3.0, "The largest λ of those that lose at most a point, by the last round's validation.")
    wrong_schedule = _study({plain: high, (server, 1.0): high, (server, 3.0): low, (constant, 10.0): high})
    yield Case(
        (wrong_schedule,), 1.0, "Only λ of the server's schedule are asked for; λ = 0 is what they lose against."
    )
    one_network = {
        (server, 3.0): ([0.95, 0.95], [0.90, 0.90]),
        (server, 10.0): ([0.90, 0.90], [0.97, 0.97]),
    }
    yield Case((_study({plain: high, (server, 1.0): high} | one_network),), 1.0, "Both networks have to hold.")
    seeds = {(server, 3.0): ([0.96, 0.93], [0.98, 0.95]), (server, 10.0): ([0.95, 0.92], [0.97, 0.97])}
    yield Case((_study({plain: high, (server, 1.0): high} | seeds),), 3.0, "Means over seeds are compared, not seeds.")


NAMED = (
    r"accura|\blos[ets]|\bloss|\bpoints?\b|percent|%|worse|better",
    r"interval|±|\+/-|confidence|half-width|\bbounds?\b|\blimits?\b|margin|uncertain|range|spread",
    r"\d[.,]\d|[.,]\d",
)
"""What a reason names, whatever it says of it: the quantity, its interval, and a number of the table."""


def _cites(reason: str) -> bool:
    """Whether a reason is a sentence, and names what it is about."""
    sentence = isinstance(reason, str) and len(reason.split()) >= 8
    return sentence and all(re.search(some, reason, re.IGNORECASE) for some in NAMED)


READING = {
    "sampled networks lose at most a point at λ = 10": "undecided",
    "shipped networks lose more than a point at λ = 30": "undecided",
    "sampled networks lose more than a point at λ = 100": "yes",
    "shipped networks lose at most a point at λ = 100": "no",
    "λ = 10 saves more than 0.2 bits per parameter of the uplink": "yes",
}
"""What the intervals of `schedules-digits` say, adaptive λ at the server; tests/test_checks.py computes it anew."""


@exercise
def reading() -> Cases:
    """Exercise: a dict from sentences to "yes", "no" or "undecided", by their intervals; and a reason in words."""
    hint = (
        '"yes" where the whole interval agrees with the sentence, "no" where none of it does, else "undecided": '
        "a mean alone decides nothing."
    )
    for sentence, stands in READING.items():
        yield Case((sentence,), stands, hint)
    hint = (
        "A reason is a sentence of eight words or more, and names the loss of accuracy in points, its interval, and a "
        "number of the table."
    )
    yield Case(("because",), True, hint, measure=_cites)
