"""On a GPU: the papers' CIFAR-10 setting, a whole round, evaluation and coding included; `make bench-gpu`."""

import statistics
import sys

import torch

from benchmarks.measure import hardware, images, in_turns, ratio, table
from fedsparse import Experiment, Federation
from fedsparse.teaching.fedpm_in_one_file import FedPMInOneFile

PAPER = Experiment.of({"device": "cuda", "lam": 1.0}, preset="paper-cifar10")


def main(data_root: str = "data", repeats: int = 5) -> str:
    """The table; absolute times, since a GPU is not shared."""
    experiment = PAPER.replace(data_root=data_root)
    dataset = images(experiment)
    precisions = {p: Federation(experiment.replace(precision=p), dataset) for p in ("bfloat16", "float32")}
    plain = Federation(experiment.replace(precision="bfloat16", engine="plain"), dataset)
    jobs = {f"fast, {p}": f.round for p, f in precisions.items()} | {"plain, bfloat16": plain.round}
    jobs["straightforward"] = FedPMInOneFile(experiment, dataset, "cuda").round
    seconds = in_turns(jobs, repeats)
    rows = [
        {"engine": name, "seconds a round, median": f"{statistics.median(taken):.2f}",
         "straightforward / engine": ratio(seconds, "straightforward", name),
         "peak GPU memory of all, GB": f"{torch.cuda.max_memory_allocated() / 1e9:.1f}"}
        for name, taken in seconds.items()
    ]  # fmt: skip
    return table(f"conv6, 10 clients, 3 local epochs, batch 128; {dataset.source}", rows)


if __name__ == "__main__":
    if not torch.cuda.is_available():
        print("benchmarks.gpu: there is no CUDA GPU here", file=sys.stderr)
        sys.exit(2)
    print(f"# Benchmarks on a GPU\n\n{hardware()}\n\n{main(*sys.argv[1:])}")
