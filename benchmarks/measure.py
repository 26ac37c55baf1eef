"""How all benchmarks measure: alternatives take turns in one process, and what counts is the median of their ratios."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from fedsparse import Experiment
from fedsparse.data import Dataset, load
from fedsparse.errors import DataError

Job = Callable[[], object]


def clock(job: Job) -> float:
    """Seconds that a job takes, its work on a GPU included."""
    began = time.perf_counter()
    job()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def in_turns(jobs: Mapping[str, Job], repeats: int, rehearsals: int = 1) -> dict[str, list[float]]:
    """Seconds of each job, `repeats` times, one after the other in each turn; the first turns are not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(rehearsals + repeats):
        for name, job in jobs.items():
            taken = clock(job)
            if turn >= rehearsals:
                seconds[name].append(taken)
    return seconds


def ratio(seconds: Mapping[str, list[float]], slow: str, fast: str) -> str:
    """How many times as long `slow` takes: the median over turns, and the whole range."""
    ratios = [a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def table(title: str, rows: list[dict[str, object]]) -> str:
    """A Markdown table under a heading."""
    names = list(rows[0])
    lines = [f"## {title}", "", f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    return "\n".join([*lines, *(f"| {' | '.join(str(row[name]) for name in names)} |" for row in rows), ""])


def hardware() -> str:
    """One line: processor, cores, GPU, versions."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    name = capabilities.get("cpu_name") or platform.processor() or platform.machine()
    extras = [flag for flag in ("amx_bf16", "avx512_bf16") if capabilities.get(flag)]
    gpu = f"{torch.cuda.get_device_name()}; " if torch.cuda.is_available() else ""
    cores = f"{name} {' '.join(extras)}, {os.cpu_count()} cores, {torch.get_num_threads()} torch threads"
    return f"{gpu}{cores}; PyTorch {torch.__version__}, NumPy {np.__version__}, Python {platform.python_version()}"


def images(experiment: Experiment) -> Dataset:
    """The data of an experiment if they are at hand, else noise of the same shape: the speed is the same."""
    shapes = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
    places = {"mnist": "MNIST", "cifar10": "cifar-10-batches-py"}
    root = Path(experiment.data_root)
    try:
        if (place := places.get(experiment.dataset)) and not any(
            (root / name).exists() for name in (place, f"{experiment.dataset}.npz")
        ):
            raise DataError("not there, and not to be downloaded")
        return load(experiment.dataset, experiment.data_root, experiment.train_size, experiment.seed)
    except (DataError, FileNotFoundError):
        rng = np.random.default_rng(0)
        pixels = lambda n: torch.from_numpy(rng.integers(0, 256, (n, *shapes[experiment.dataset]), np.uint8))  # noqa: E731
        labels = lambda n: torch.from_numpy(rng.integers(0, 10, n))  # noqa: E731
        count = experiment.train_size or {"mnist": 60_000, "cifar10": 50_000}[experiment.dataset]
        source = f"noise in the shape of {experiment.dataset}"
        return Dataset(experiment.dataset, pixels(count), labels(count), pixels(10_000), labels(10_000), 10, source)
