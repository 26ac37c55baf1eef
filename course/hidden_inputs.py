"""Hidden inputs of the exercises, for grading: random ones, so that an answer that only knows the checks' cases fails.

A function has the name of the check in `fedsparse.teaching.checks`, and yields the arguments of each call; what is
expected is what the notebook's solution returns. The seed is chosen when grading, and belongs to the teacher. Leave out
an exercise that has more than one right answer: without a function here it is graded by its check alone.
"""

from collections.abc import Iterator

import numpy as np
import pandas

Inputs = Iterator[tuple]


def _masks(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 2, shape).astype(np.uint8)


def aggregation(rng: np.random.Generator) -> Inputs:
    for clip in (0.0, 0.01, 0.3):
        yield _masks(rng, 7, 40), clip


def magnitude_mask(rng: np.random.Generator) -> Inputs:
    for share in (0.1, 0.35, 1.0):
        yield rng.normal(size=(8, 5)), share


def share_left(rng: np.random.Generator) -> Inputs:
    for rounds in (0, 1, 9):
        yield rng.uniform(0.1, 0.9), rounds


def next_start(rng: np.random.Generator) -> Inputs:
    for share in (0.1, 0.5, 0.75):
        yield rng.normal(size=20), rng.normal(size=20), share


def masked_forward(rng: np.random.Generator) -> Inputs:
    for outputs, inputs in ((1, 4), (3, 2), (4, 4)):
        shapes = rng.normal(size=(5, inputs)), rng.normal(size=(outputs, inputs)), rng.normal(size=outputs)
        yield *shapes, _masks(rng, outputs * inputs + outputs)


def straight_through_gradient(rng: np.random.Generator) -> Inputs:
    for n in (1, 5):
        yield rng.normal(size=n), _masks(rng, n), rng.normal(size=n), rng.normal(size=n), rng.normal()


def exact_gradient(rng: np.random.Generator) -> Inputs:
    for n in (2, 4):
        a = rng.normal(size=n)
        yield rng.normal(size=n), lambda m, a=a: float(np.dot(a, m) ** 2 + abs(np.sum(m) - 1))


def beta_mode(rng: np.random.Generator) -> Inputs:
    for prior in (1.0, 1.7, 5.0):
        yield _masks(rng, 6, 12), prior


def mean_variance(rng: np.random.Generator) -> Inputs:
    for clients in (1, 3, 10):
        yield (rng.random(clients),)


def partial_cohort(rng: np.random.Generator) -> Inputs:
    answered = np.array([[True] * 5, [True, False, True, True, False], [False] * 5])
    for some in answered:
        yield rng.random(9), _masks(rng, 5, 9), rng.integers(1, 100, 5), some


def conditional_entropy(rng: np.random.Generator) -> Inputs:
    for contexts in (1, 3, 8):
        yield _masks(rng, 200), rng.integers(0, contexts, 200) * 2


def interval(rng: np.random.Generator) -> Inputs:
    for length in (1, 6, 12):
        yield rng.integers(0, 2, length).tolist(), rng.choice([0.125, 0.375, 0.75])


def pooled_entropy(rng: np.random.Generator) -> Inputs:
    for share in (0.0, 0.03, 0.6, 1.0):
        yield ((rng.random(500) < share).astype(np.uint8),)


def regularizer_gradient(rng: np.random.Generator) -> Inputs:
    for n in (1, 30):
        yield rng.normal(scale=3, size=n), rng.uniform(0.1, 20)


def dominated_share(rng: np.random.Generator) -> Inputs:
    for steps in (1, 4):
        yield rng.normal(scale=0.01, size=(steps, 50)), rng.random(50), rng.uniform(1, 5)


def knee(rng: np.random.Generator) -> Inputs:
    for tolerance in (0.01, 0.05):
        lams = rng.permutation(np.array([0.0, 0.3, 1.0, 3.0, 10.0]))
        yield lams, 0.95 - 0.01 * lams[:, None] + rng.normal(scale=0.01, size=(5, 4)), tolerance


def dual_ascent(rng: np.random.Generator) -> Inputs:
    for lam in (0.0, 0.02, 4.0):
        yield lam, rng.uniform(0.01, 1), rng.uniform(0.05, 0.5)


def skew(rng: np.random.Generator) -> Inputs:
    for clients in (1, 4):
        yield (rng.integers(1, 50, (clients, 6)),)


def owners(rng: np.random.Generator) -> Inputs:
    for _ in range(6):
        yield tuple(int(n) for n in rng.integers(1, 12, 3))


def same_owner(rng: np.random.Generator) -> Inputs:
    for clients in (1, 5, 30):
        yield rng.uniform(0.05, 10), clients


def _history(rng: np.random.Generator) -> pandas.DataFrame:
    accuracy = rng.uniform(0.1, 0.9, 8)
    accuracy[[1, 4]] = np.nan
    columns = {"round": range(1, 9), "accuracy_expected": accuracy, "cohort": rng.integers(2, 9, 8)}
    return pandas.DataFrame(columns | {f"{way}_bytes": rng.integers(1, 10**6, 8) for way in ("uplink", "downlink")})


def total_megabytes(rng: np.random.Generator) -> Inputs:
    yield (_history(rng),)


def megabytes_to(rng: np.random.Generator) -> Inputs:
    for target in (0.05, 0.4, 0.7, 0.95):
        yield _history(rng), target


def break_even(rng: np.random.Generator) -> Inputs:
    for _ in range(6):
        yield rng.integers(1, 9, 7), rng.integers(1, 9, 7)


def importance_weights(rng: np.random.Generator) -> Inputs:
    for candidates in (1, 6):
        yield rng.uniform(0.05, 0.95, 8), rng.uniform(0.05, 0.95, 8), _masks(rng, candidates, 8)


def number_cost(rng: np.random.Generator) -> Inputs:
    for largest in (2, 300):
        yield (rng.integers(1, largest, 60),)


def rebuilt_theta(rng: np.random.Generator) -> Inputs:
    for clip in (0.0, 0.1):
        yield _masks(rng, 4, 5, 10), rng.integers(1, 6, 4), rng.integers(1, 9, 4), clip


def subset_sum(rng: np.random.Generator) -> Inputs:
    for n in (1, 7):
        yield rng.uniform(-1, 1, n), rng.uniform(-2, 2)


def living(rng: np.random.Generator) -> Inputs:
    for share in (0.1, 0.3):
        yield tuple((rng.random(shape) < share).astype(np.uint8) for shape in ((9, 7), (5, 9)))


def accepted(rng: np.random.Generator) -> Inputs:
    for _ in range(3):
        replies = [(int(client), int(number)) for client, number in rng.integers(3, 7, (12, 2))]
        yield replies, 5, {3, 4, 6}


def whole_sum(rng: np.random.Generator) -> Inputs:
    for unit in (0.125, 0.01):
        yield rng.normal(size=(5, 6)), rng.integers(1, 9, 5), unit
