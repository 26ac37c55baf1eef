"""(j) What can registered clients do that lie? Some of ten send the opposite of the mask that they trained.

A mask is one vote: it moves θ by at most 1/K per weight, and cannot outweigh the others.
"""

import statistics

from benchmarks.measure import table
from fedsparse import Experiment, Federation
from fedsparse.client import Client
from fedsparse.data import load
from fedsparse.wire import masks

EXPERIMENT = Experiment(model="mlp", width=0.5, clients=10, rounds=15, local_epochs=2, evaluate_every=15)
SEEDS = (0, 1, 2)


def main() -> str:
    """The table: accuracy of the expected network after the last round; mean over seeds, and their range."""
    digits = load("digits", "data")
    rows = []
    for liars in (0, 1, 3, 5):
        reached = [_accuracy(digits, liars, seed) for seed in SEEDS]
        rows.append({
            "clients of 10 that lie": liars,
            "accuracy": f"{statistics.mean(reached):.3f} ({min(reached):.3f}–{max(reached):.3f})",
        })  # fmt: skip
    return table(f"(j) Clients that lie; digits, {len(SEEDS)} seeds, {EXPERIMENT.rounds} rounds", rows)


def _accuracy(digits, liars: int, seed: int) -> float:
    federation = Federation(EXPERIMENT.replace(seed=seed), digits)
    algorithm = federation.algorithm
    honest = algorithm.local_update

    def update(message: bytes, client: Client) -> bytes:
        sent = honest(message, client)
        if client.index >= liars:
            return sent
        broadcast = masks.decode_theta(message, federation.network.layout)
        mask, report = masks.decode_mask(sent, broadcast)
        return masks.encode_mask(1 - mask, report, broadcast)

    algorithm.local_update = update  # type: ignore[method-assign]
    for _ in range(EXPERIMENT.rounds):
        federation.round()
    return federation.history.last["accuracy_expected"]


if __name__ == "__main__":
    print(main())
