"""(b) A whole round: fast engine, plain engine, and FedPM written the straightforward way, on the same work."""

import dataclasses

from benchmarks.measure import images, in_turns, ratio, table
from fedsparse import Experiment, Federation
from fedsparse.teaching.fedpm_in_one_file import FedPMInOneFile
from fedsparse.threads import keep_freed_memory

DIGITS = Experiment.of({"lam": 0}, preset="demo")
MNIST = Experiment.of({"train_size": 6400, "lam": 0}, preset="paper-mnist")


def main(data_root: str = "data") -> str:
    """The table. Training, sending, decoding, counting and five evaluations are all in it."""
    keep_freed_memory()
    rows = _rows("demo's conv2, batch 16", DIGITS, ("float32",), repeats=10, rehearsals=1)
    mnist = MNIST.replace(data_root=data_root)
    rows += _rows("conv4, batch 128", mnist, ("float32", "bfloat16"), repeats=2, rehearsals=0)
    return table("(b) A round of 10 clients, 3 local epochs", rows)


def _rows(name: str, experiment: Experiment, precisions: tuple, repeats: int, rehearsals: int) -> list[dict]:
    dataset = images(experiment)
    if len(dataset.y_test) > 1000:  # as many, for the images trained on, as in a round on all of MNIST
        few = len(dataset.y_train) // 6
        dataset = dataclasses.replace(dataset, x_test=dataset.x_test[:few], y_test=dataset.y_test[:few])
    straightforward = FedPMInOneFile(experiment, dataset)
    engines = {
        f"{engine}, {precision}": Federation(experiment.replace(engine=engine, precision=precision), dataset)
        for precision in precisions
        for engine in ("fast", "plain")
    }
    jobs = {engine: federation.round for engine, federation in engines.items()}
    seconds = in_turns({"straightforward": straightforward.round, **jobs}, repeats, rehearsals)
    return [
        {"work": f"{name}; {dataset.source}", "engine": engine,
         "straightforward / engine": ratio(seconds, "straightforward", engine),
         "accuracy, sampled networks, last round":
         f"{federation.history.last['accuracy']:.3f}, straightforward {straightforward.accuracy():.3f}"}
        for engine, federation in engines.items()
    ]  # fmt: skip


if __name__ == "__main__":
    import sys

    print(main(*sys.argv[1:]))
