"""(c) What does a round cost with more clients in it, and with more clients in the population?"""

import statistics
import tracemalloc

import numpy as np

from benchmarks.measure import in_turns, table
from fedsparse import Experiment, Federation
from fedsparse.data import Dataset, load

MODEL = Experiment(model="mlp", width=1.0, batch_size=16, local_epochs=1, evaluate_every=1000, rounds=1000)


def main(repeats: int = 7) -> str:
    """Two tables."""
    digits = load("digits", "data")
    cohorts = {k: Federation(MODEL.replace(clients=k), digits) for k in (1, 10, 50, 200)}
    per_round = _medians(cohorts, repeats)
    rows = [
        {"clients a round": k, "images a client": len(digits.y_train) // k,
         "time of a round / with 10": f"{per_round[k] / per_round[10]:.2f}"} for k in cohorts
    ]  # fmt: skip
    first = table("(c) Clients a round, at fixed data: 1,438 images in all, one local epoch", rows)

    # Ten clients of eight images each take part; the population grows, and with it the data, which are all the same.
    populations, memory = {}, {}
    for k in (10, 100, 1_000, 10_000):
        data = _copies(digits, 8 * k)
        tracemalloc.start()
        populations[k] = Federation(MODEL.replace(clients=k, cohort=10, local_epochs=60), data)
        populations[k].round()
        memory[k] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    per_round = _medians(populations, repeats)
    rows = [
        {"population": f"{k:,}", "time of a round / with 10": f"{per_round[k] / per_round[10]:.3f}",
         "Python and NumPy memory at its peak, MB": f"{memory[k] / 1e6:.1f}"} for k in populations
    ]  # fmt: skip
    return first + "\n" + table("(c) Population, with 10 clients of 8 images a round", rows)


def _medians(federations: dict[int, Federation], repeats: int) -> dict[int, float]:
    seconds = in_turns({str(k): f.round for k, f in federations.items()}, repeats)
    return {int(k): statistics.median(s) for k, s in seconds.items()}


def _copies(digits: Dataset, count: int) -> Dataset:
    chosen = np.arange(count) % len(digits.y_train)
    return Dataset(
        "digits", digits.x_train[chosen], digits.y_train[chosen], digits.x_test, digits.y_test, 10, "digits, repeated"
    )


if __name__ == "__main__":
    print(main())
