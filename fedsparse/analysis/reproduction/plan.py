"""Which runs answer the papers' claims, at which scale, the most telling first.

Batch, local epochs and the networks of CIFAR are those of FedPM's published code, and so is the number of rounds. The
network and rounds of MNIST are ours, as no running code has any, and so are the 30 clients where clients differ.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from fedsparse.analysis.reproduction.record import Record
from fedsparse.data import CLASSES
from fedsparse.experiment import Experiment

DATASETS = ("mnist", "cifar10", "cifar100")
CASES = {**dict(zip(DATASETS, DATASETS, strict=True)), "mnist-warm-up": "mnist", "cifar10-delay": "cifar10"}
"""What a λ is chosen for: each data set; and two of them once more, with a λ that comes late, which neither paper has:
a network that has learned something bears a λ that would starve a new one."""

RIVALS = ("top_mask", "sign_sgd", "fedavg")
PARTITIONS: dict[str, dict[str, Any]] = {
    "iid": {},
    "c = 4": {"clients": 30, "partition": "classes", "classes_per_client": 4},
    "c = 2": {"clients": 30, "partition": "classes", "classes_per_client": 2},
}
"""Who holds what: 10 clients alike, or 30 with so many classes each; where these are too few for every class to have an
owner (CIFAR-100, c = 2), as many as it takes."""

OPEN: dict[str, dict[str, Any]] = {
    "as chosen": {},
    "c = √2/√fan_in": {"init": "kaiming"},
    "moments kept": {"optimizer_state": "kept"},
    "gradient times θ": {"estimator": "scaled"},
    "θ(0) = σ(N(0, 1))": {"scores": "normal"},
    "clip 0.001": {"clip": 0.001},
}
"""What the papers leave open or where they differ from FedPM's code; one at a time changed from what we chose."""

ABLATION_LAM = 1.0
"""The λ with which they are compared, beside 0."""

TOLERANCE = 0.01
"""Of accuracy: a saving counts at equal accuracy if at most so much is lost."""


def equal(lost: float) -> bool:
    """Whether so much lost accuracy is within `TOLERANCE`, give or take the rounding of a float."""
    return round(lost, 6) <= TOLERANCE


SCHEDULE = ("lam_warmup", "lam_delay")
"""Settings that say nothing where λ is 0."""


@dataclass(frozen=True)
class Scale:
    """How large the same plan is done: what it changes in the papers' presets, and which λ it tries."""

    changes: dict[str, Any]
    by_case: dict[str, dict[str, Any]]
    lams: dict[str, tuple[float, ...]]
    """By case, ascending, without 0."""
    ablation: dict[str, Any] = field(default_factory=dict)
    """What is smaller where settings are compared with each other alone."""
    seeds: int = 3

    def experiment(self, case: str, partition: str = "iid", **settings: Any) -> Experiment:
        """A run of the plan."""
        common = PARTITIONS[partition] | self.changes | self.by_case[case]
        e = Experiment.of(common | settings, preset=f"paper-{CASES[case]}")
        owners = -(-CLASSES[e.dataset] // e.classes_per_client) if e.partition == "classes" else 0
        return e.replace(clients=max(e.clients, owners), **({} if e.lam else dict.fromkeys(SCHEDULE, 0)))


LATE = {"mnist-warm-up": {"lam_warmup": 20}, "cifar10-delay": {"lam_delay": 15}}
SCALES = {
    "paper": Scale(
        {"precision": "bfloat16", "evaluate_every": 5},
        {"mnist": {}, "cifar10": {}, "cifar100": {}, **LATE},
        dict.fromkeys(CASES, (0.25, 1.0, 4.0, 16.0)),
    ),
    "small": Scale(
        {"precision": "bfloat16", "train_size": 10_000, "width": 0.25, "batch_size": 32, "evaluate_every": 3},
        {
            "mnist": {"rounds": 60},
            "cifar10": {"rounds": 39},
            "cifar100": {"rounds": 24, "model": "conv6"},
            "mnist-warm-up": {"rounds": 60} | LATE["mnist-warm-up"],
            "cifar10-delay": {"rounds": 39} | LATE["cifar10-delay"],
        },
        {
            "mnist": (1.0, 2.0, 4.0, 5.0, 8.0),
            "cifar10": (0.5, 1.0),
            "cifar100": (0.5,),
            "mnist-warm-up": (6.0, 8.0),
            "cifar10-delay": (1.0, 2.0),
        },
        {"train_size": 5_000, "rounds": 15},
    ),
}
"""The small scale has a fifth or sixth of the images, and a smaller batch for nearly as many local steps. At a quarter
of its width conv10 stayed at chance for as long as it was tried (15 rounds): conv6 takes its place."""

SCALE_TITLES = {"paper": "the papers' scale", "small": "a smaller scale"}


@dataclass(frozen=True)
class Part:
    """Runs that belong together; of those that need the chosen λ, only the ones whose case has one."""

    title: str
    members: Callable[[Scale, Mapping[str, float]], Iterator[Experiment]]


def _lam_grid(scale: Scale, chosen: Mapping[str, float]) -> Iterator[Experiment]:
    for cases in (DATASETS, LATE):  # the papers' own first, λ = 0 of all before the next λ of any
        grids = [[scale.experiment(case, lam=lam) for lam in (0.0, *scale.lams[case])] for case in cases]
        for level in zip_longest(*grids):
            yield from (e for e in level if e)


def _pairs(scale: Scale, chosen: Mapping[str, float]) -> Iterator[Experiment]:
    for seed in range(scale.seeds):
        for case in CASES:
            yield from _both(scale, case, chosen, seed=seed)


def _ablation(scale: Scale, chosen: Mapping[str, float]) -> Iterator[Experiment]:
    for change in OPEN.values():
        for lam in (0.0, ABLATION_LAM):
            yield scale.experiment("mnist", lam=lam, **scale.ablation, **change)


def _rivals(scale: Scale, chosen: Mapping[str, float]) -> Iterator[Experiment]:
    for seed in range(scale.seeds):
        for dataset in DATASETS:
            yield from _others(scale, dataset, seed=seed)


def _non_iid(scale: Scale, chosen: Mapping[str, float]) -> Iterator[Experiment]:
    for seed in range(scale.seeds):
        for dataset in DATASETS:
            skewed = list(PARTITIONS)[1:]
            for case in (c for c, of in CASES.items() if of == dataset):
                for partition in skewed:
                    yield from _both(scale, case, chosen, seed=seed, partition=partition)
            for partition in skewed:
                yield from _others(scale, dataset, seed=seed, partition=partition)


def _both(scale: Scale, case: str, chosen: Mapping[str, float], **settings: Any) -> Iterator[Experiment]:
    """FedPM, and regularized with the chosen λ."""
    yield scale.experiment(case, **settings)
    if case in chosen:
        yield scale.experiment(case, lam=chosen[case], **settings)


def _others(scale: Scale, dataset: str, **settings: Any) -> Iterator[Experiment]:
    for rival in RIVALS:
        yield scale.experiment(dataset, algorithm=rival, **settings)


PARTS = {
    "lambda": Part("λ grid, iid, seed 0", _lam_grid),
    "pairs": Part("FedPM and the chosen λ, iid", _pairs),
    "ablation": Part("what the papers leave open, MNIST", _ablation),
    "rivals": Part("Top-mask, SignSGD, FedAvg, iid", _rivals),
    "non-iid": Part("c = 4 and c = 2, all methods", _non_iid),
}
"""In the order in which they are done."""


def members(part: str, scale: str, chosen: Mapping[str, float]) -> list[Experiment]:
    """The runs of a part, in order, each once."""
    return list(dict.fromkeys(PARTS[part].members(SCALES[scale], chosen)))


def chosen_lams(scale: str, record: Record) -> dict[str, float]:
    """By case whose λ grid is done: the largest λ that loses no more than `TOLERANCE` against λ = 0.

    Where every λ loses more, the smallest. It is chosen by the one seed of the grid, on the test images.
    """
    found = {}
    for case, lams in SCALES[scale].lams.items():
        rows = {lam: record.row(SCALES[scale].experiment(case, lam=lam)) for lam in (0.0, *lams)}
        accuracy = {lam: row["accuracy_expected"] for lam, row in rows.items() if row}
        if len(accuracy) == len(rows):
            found[case] = max((lam for lam in lams if equal(accuracy[0.0] - accuracy[lam])), default=lams[0])
    return found
