"""Hidden inputs of the exercises, for grading: random ones, so that an answer that only knows the checks' cases fails.

A function has the name of the check in `fedsparse.teaching.checks`, and yields the arguments of each call; what is
expected is what the notebook's solution returns. The seed is chosen when grading, and belongs to the teacher. Leave out
an exercise that has more than one right answer, as `dealt`, `reading` and `training_test` have: without a function here
it is graded by its check alone.
"""

from collections.abc import Iterator

import numpy as np
import pandas

from fedsparse.models import Layout
from fedsparse.wire import frame

Inputs = Iterator[tuple]


def _masks(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 2, shape).astype(np.uint8)


def votes(rng: np.random.Generator) -> Inputs:
    for clients in (1, 7, 30):
        yield (rng.integers(0, clients + 1, 20) / clients).clip(0.01, 0.99).astype(np.float32), clients


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


def exact_gradient(rng: np.random.Generator) -> Inputs:
    for n in (2, 4):
        a = rng.normal(size=n)
        yield rng.normal(size=n), lambda m, a=a: float(np.dot(a, m) ** 2 + abs(np.sum(m) - 1))


def lag(rng: np.random.Generator) -> Inputs:
    for rounds in (1, 8, 20, 33):
        yield rounds, int(rng.integers(0, 17)) / 16, int(rng.integers(0, 17)) / 16


def cohort_variance(rng: np.random.Generator) -> Inputs:
    for clients, cohort in ((2, 1), (6, 6), (12, 5)):
        yield rng.random(clients), cohort


def partial_cohort(rng: np.random.Generator) -> Inputs:
    answered = np.array([[True] * 5, [True, False, True, True, False], [False] * 5])
    for some in answered:
        yield rng.random(9), _masks(rng, 5, 9), rng.integers(1, 100, 5), some


def bits_saved(rng: np.random.Generator) -> Inputs:
    for contexts in (1, 3, 8):
        yield _masks(rng, 200), rng.integers(0, contexts, 200) * 2, int(rng.integers(0, 40))


def interval(rng: np.random.Generator) -> Inputs:
    for length in (1, 6, 12):
        yield rng.integers(0, 2, length).tolist(), rng.choice([0.125, 0.375, 0.75], length).tolist()


def header(rng: np.random.Generator) -> Inputs:
    for number in (3, 2**20 + 5):
        layout = Layout(tuple((int(units), 30) for units in rng.integers(1, 300, 2)))
        payload = rng.bytes(int(rng.integers(1, 2000)))
        yield (frame.message_of(frame.Kind.MASK, "packed", number, layout, int(rng.integers(2**32)), payload),)


def chosen_lam(rng: np.random.Generator) -> Inputs:
    for lams in ((1.0, 3.0, 10.0, 30.0), (0.5, 2.0, 7.0)):
        points = {("server_loss", lam): rng.uniform(-0.01, 0.03, 2) for lam in lams}
        points |= {("server_loss", 0.2): np.zeros(2), ("constant", 0.0): np.zeros(2), ("constant", 99.0): np.zeros(2)}
        rows = []
        for (schedule, lam), lost in points.items():
            for seed, number in np.ndindex(5, 3):
                run = {"lam_schedule": schedule, "lam": lam, "seed": seed, "rounds": 3, "round": number + 1}
                says = 0.9 - lost * (1 if number == 2 else -1) + (seed - 2) / 100  # earlier rounds say the opposite
                run |= {"accuracy_val": says[0], "accuracy_val_threshold": says[1]}
                rows.append(run | {"accuracy": 1 - says[0], "accuracy_threshold": 1 - says[1]})
        yield (pandas.DataFrame(rows).sample(frac=1, random_state=int(rng.integers(1000))),)


def faulty_points(rng: np.random.Generator) -> Inputs:
    for lams in ((0.0, 1.0, 3.0), (0.0, 0.5, 5.0, 20.0)):
        runs = pandas.MultiIndex.from_product([lams, range(3), range(1, 7)], names=["lam", "seed", "round"])
        history = pandas.DataFrame({"accuracy_threshold": rng.random(len(runs))}, index=runs).reset_index()
        yield (history.sample(frac=1, random_state=int(rng.integers(1000))),)


def knee(rng: np.random.Generator) -> Inputs:
    for tolerance in (0.01, 0.05):
        lams = rng.permutation(np.array([0.0, 0.3, 1.0, 3.0, 10.0]))
        yield lams, 0.95 - 0.01 * lams[:, None] + rng.normal(scale=0.01, size=(5, 4)), tolerance


def step_left(rng: np.random.Generator) -> Inputs:
    for n in (1000, 20_000_000):
        yield rng.uniform(0.1, 20), n, rng.uniform(0.01, 0.99), 10.0 ** -rng.uniform(6, 9)


def owners(rng: np.random.Generator) -> Inputs:
    for _ in range(6):
        yield tuple(int(n) for n in rng.integers(1, 12, 3))


def same_owner(rng: np.random.Generator) -> Inputs:
    for clients in (1, 5, 30):
        yield rng.uniform(0.05, 10), clients


def _history(rng: np.random.Generator) -> pandas.DataFrame:
    accuracy = np.linspace(0.2, 0.8, 8) + rng.uniform(-0.2, 0.2, 8)
    accuracy[[1, 4]] = np.nan
    columns = {"round": range(1, 9), "accuracy_expected": accuracy, "cohort": rng.integers(2, 9, 8)}
    return pandas.DataFrame(columns | {f"{way}_bytes": rng.integers(1, 10**6, 8) for way in ("uplink", "downlink")})


def total_megabytes(rng: np.random.Generator) -> Inputs:
    yield (_history(rng),)


def megabytes_to(rng: np.random.Generator) -> Inputs:
    for target in (0.05, 0.4, 0.7, 0.95):
        yield _history(rng), target


def lead_changes(rng: np.random.Generator) -> Inputs:
    for _ in range(6):
        first, second = rng.integers(1, 9, 7), rng.integers(1, 9, 7)
        yield first, second


def chance_of_a_one(rng: np.random.Generator) -> Inputs:
    for candidates in (1, 3, 20):
        yield rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.95), candidates


def number_cost(rng: np.random.Generator) -> Inputs:
    for largest in (2, 300):
        yield (rng.integers(1, largest, 60),)


def rebuilt_theta(rng: np.random.Generator) -> Inputs:
    for clip in (0.0, 0.1):
        yield _masks(rng, 4, 5, 10), rng.integers(1, 6, 4), rng.integers(1, 9, 4), clip


def fewest_kept(rng: np.random.Generator) -> Inputs:
    for error in (0.3, 0.02, 1e-5):
        yield rng.uniform(-1, 1, 8), rng.uniform(-1, 1), error


def least_numbers(rng: np.random.Generator) -> Inputs:
    for density in (1.0, 0.5, 0.25):
        yield 2.0 ** -rng.uniform(2, 9), density


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
