"""Exercises on the λ sweep, on clients that differ, and on costs."""

import math

import numpy as np
import pandas

from fedsparse.teaching.checks.exercise import Case, Cases, exercise
from fedsparse.teaching.label_skew import label_skew


# Notebook 06: the λ sweep
def _sweep(accuracies: list[list[list[float]]]) -> pandas.DataFrame:
    """As `lambda-digits`: by λ, of λ = 0, 1, 2, …, by seed and by round, the accuracy of the shipped network."""
    rows = [
        {"lam": float(lam), "seed": seed, "round": number, "accuracy_threshold": value}
        for lam, seeds in enumerate(accuracies)
        for seed, track in enumerate(seeds)
        for number, value in enumerate(track, 1)
    ]
    return pandas.DataFrame(rows)


@exercise
def faulty_points() -> Cases:
    """Exercise: from a sweep's history to the points of the faulty figure, one for each λ, ascending."""
    rising = [[[0.1, 0.2], [0.3, 0.4]], [[0.2, 0.3], [0.2, 0.5]]]
    yield Case((_sweep(rising),), [0.3, 0.4], "One point per λ, a mean over its seeds, as the caption says.")
    swinging = [[[0.9, 0.5, 0.7], [0.4, 0.8, 0.6]], [[0.1, 0.6, 0.3], [0.8, 0.2, 0.2]]]
    hint = "The caption does not say what was done: compare the figure with the rounds of single seeds."
    yield Case((_sweep(swinging),), [0.85, 0.7], hint)
    yield Case((_sweep(swinging)[::-1],), [0.85, 0.7], "The points are ascending in λ, whatever the table's order.")


@exercise
def knee() -> Cases:
    """Exercise: from λs, (k,), accuracies, (k, seeds), and a tolerance to the largest λ before accuracy falls."""
    lams = np.array([0.0, 1.0, 2.0, 4.0, 8.0])
    falls = np.array([[0.96, 0.94], [0.94, 0.96], [0.95, 0.93], [0.90, 0.90], [0.1, 0.1]])
    lucky = np.array([[0.95, 0.95], [0.99, 0.99], [0.94, 0.94], [0.80, 0.80], [0.945, 0.945]])
    lost = np.array([[0.9, 0.9], [0.5, 0.5], [0.4, 0.4], [0.3, 0.3], [0.2, 0.2]])
    apart = np.array([[0.96, 0.94], [0.97, 0.92], [0.98, 0.91], [0.97, 0.85], [0.1, 0.1]])
    collapsed = np.array([[0.95, 0.94, 0.96], [0.94, 0.95, 0.95], [0.95, 0.1, 0.95], [0.9, 0.9, 0.9], [0.1, 0.1, 0.1]])
    mixed = np.array([2, 0, 4, 1, 3])
    yield Case((lams, falls, 0.02), 2.0, "A λ is within tolerance if its mean over seeds is.")
    yield Case((lams, apart, 0.02), 2.0, "A λ is within tolerance if its mean over seeds is, whatever one seed does.")
    yield Case((lams, collapsed, 0.02), 1.0, "The mean over seeds counts a seed that collapsed; a median does not.")
    hint = "Measured against λ = 0; and once accuracy has fallen, a later λ does not count."
    yield Case((lams, lucky, 0.02), 2.0, hint)
    yield Case((lams[mixed], falls[mixed], 0.02), 2.0, "The λs need not come in order.")
    yield Case((lams, lost, 0.02), 0.0, "If the first λ above 0 costs too much already, the knee is at 0.")


@exercise
def step_left() -> Cases:
    """Exercise: from λ, the number of parameters, a weight's θ and Adam's ε to the share of a full step that it takes.

    The weight has no gradient from the loss, and the same one from the regularizer in every step.
    """
    for lam, n, theta, epsilon, share, hint in (
        (3.0, 100_000, 0.5, 0.0, 1.0, "Without ε, Adam divides a steady gradient by its own size."),
        (1.0, 1_000_000, 0.5, 2.5e-7, 0.5, "Where ε is as large as the gradient, half of the step is left."),
        (2.0, 20_000_000, 0.5, 1e-8, 5 / 7, "The regularizer's gradient is divided by the number of parameters."),
        (2.0, 20_000_000, 0.01, 1e-8, 0.0900819, "Near 0 and 1 the regularizer's gradient is smaller, and ε is not."),
    ):
        yield Case((lam, n, theta, epsilon), share, hint)


# Notebook 07: non-IID clients
@exercise
def dealt() -> Cases:
    """Exercise: from classes, images per client and a label skew to a table of images, (clients, classes).

    As many clients as classes; as many images of each class as of each client; every client at that label skew.
    """
    skews = (4, 12, 0.0), (2, 4, 0.25), (4, 12, 0.5), (5, 20, 0.4), (4, 12, 0.75)
    for classes, images, skew in skews:
        given, shape, each = (classes, images, skew), (classes, classes), np.full(classes, images)
        whole = "Images are whole, and none of them is owed."
        yield Case(given, 0.0, whole, lambda t: np.abs(t - np.abs(np.rint(t))).max(), shape)
        yield Case(given, each, "Every client, a row, has the given number of images.", lambda t: t.sum(1), shape)
        yield Case(given, each, "Every class, a column, has as many images.", lambda t: t.sum(0), shape)
        hint = "Every client has to lie at that distance from the pool, in which all classes are equally frequent."
        yield Case(given, np.full(classes, skew), hint, label_skew, shape)


@exercise
def owners() -> Cases:
    """Exercise: from clients, classes per client and classes to the (fewest, most) owners of a class, or (0, 0)."""
    yield Case((10, 2, 10), (2, 2), "Clients times classes per client: so many places, shared by the classes.")
    yield Case((7, 3, 10), (2, 3), "Where the places cannot be shared equally, some classes have one owner more.")
    yield Case((4, 2, 10), (0, 0), "Every class needs an owner, and there have to be places for all of them.")
    yield Case((3, 5, 4), (0, 0), "No client can hold more classes than there are.")
    yield Case((30, 1, 10), (3, 3), "Clients times classes per client: so many places, shared by the classes.")


@exercise
def same_owner() -> Cases:
    """Exercise: from α and clients to the probability that two images of a class have the same owner (Dirichlet)."""
    yield Case((1.0, 1), 1.0, "With one client there is one owner.")
    yield Case((1e12, 8), 1 / 8, "With a huge α every client has the same share: the two owners are independent.")
    yield Case((1.0, 2), 2 / 3, "The first image makes its owner's α larger by one, as in a Pólya urn.")
    yield Case((0.1, 10), 0.55, "What do the αs of all clients add up to, before the first image and after it?")


# Notebook 08: the total communication cost
def _history(up: list[int], down: list[int], accuracy: list[float]) -> pandas.DataFrame:
    """As `History.frame`, with the columns that the exercises need: 10 clients, the last round lost two answers."""
    columns = {"round": range(1, len(up) + 1), "accuracy_expected": accuracy, "uplink_bytes": up}
    return pandas.DataFrame(columns | {"downlink_bytes": down, "cohort": [*[10] * (len(up) - 1), 8]})


def _histories() -> tuple[pandas.DataFrame, pandas.DataFrame, pandas.DataFrame]:
    """One round; four rounds, in which accuracy falls again; four rounds, of which every second is evaluated."""
    return (
        _history([1000], [500], [0.2]),
        _history([40_000, 30_000, 20_000, 10_000], [700, 90_000, 80_000, 70_000], [0.1, 0.7, 0.6, 0.8]),
        _history([100, 100, 100, 100], [10, 20, 30, 40], [math.nan, 0.5, math.nan, 0.9]),
    )


@exercise
def total_megabytes() -> Cases:
    """Exercise: from a history to the megabytes of the whole training: all clients, both directions."""
    short, long, _ = _histories()
    yield Case((short,), 0.0015, "Columns are totals over the clients; both directions count; a megabyte is 10⁶ bytes.")
    yield Case((long,), 0.3407, "All rounds add up, and the cohort is in the columns already.")


@exercise
def megabytes_to() -> Cases:
    """Exercise: from a history and a target to the megabytes until it was reached for good, NaN if it never was."""
    short, long, gaps = _histories()
    yield Case((short, 0.2), 0.0015, "The round that reaches the target counts too, and equal is reached.")
    yield Case((long, 0.65), 0.3407, "It does not count that the target was reached before, if accuracy fell again.")
    yield Case((long, 0.5), 0.1607, "From the round on after which it stays there, not from the last round on.")
    yield Case((gaps, 0.9), 0.0005, "Rounds without an evaluation have NaN for an accuracy, and bytes all the same.")
    yield Case((gaps, 0.4), 0.00023, "A round without an evaluation does not lie below the target.")
    hint = "Where the target is never reached there is no such number: not 0, not −1, not the cost of all rounds."
    yield Case((long, 0.95), math.nan, hint)


@exercise
def lead_changes() -> Cases:
    """Exercise: from the bytes per round of two methods to the rounds in which the lead changes hands, a list."""
    for first, second, expected, hint in (
        ([5, 5, 5], [9, 2, 2], [3], "What counts is the sum so far, not the round's own bytes; round 1 is the first."),
        ([5, 5, 5], [1, 1, 1], [], "Who leads from the first round on has taken the lead from nobody."),
        ([5, 1, 9, 9], [4, 4, 1, 1], [2, 3], "A lead may be lost again: every change counts, in either direction."),
        ([1, 5, 5, 5], [3, 3, 3, 3], [3], "A tie leaves the lead where it is."),
        ([1, 5, 1, 5], [3, 3, 3, 5], [], "A tie leaves the lead where it is, and is no change by itself."),
        ([5, 1, 5, 1], [3, 3, 1, 1], [], "A tie leaves the lead where it is, whoever has it."),
        ([3, 1, 1], [3, 2, 0], [], "Before anybody leads there is no lead to lose."),
    ):
        yield Case((np.array(first), np.array(second)), expected, hint, any_length=True)
