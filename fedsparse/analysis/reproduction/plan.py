"""Which runs answer the papers' claims, at which scale, the most telling first; and what each is called.

Batch size, local epochs and the networks for CIFAR are those of FedPM's published code, and so is the number of rounds.
The network and the rounds for MNIST are ours, since no running code has any, and so are the 30 non-IID clients.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from fedsparse.analysis.reproduction.record import Record
from fedsparse.data import CLASSES
from fedsparse.experiment import Experiment

DATASETS = ("mnist", "cifar10", "cifar100")
CASES = {**dict(zip(DATASETS, DATASETS, strict=True)), "mnist-warm-up": "mnist", "cifar10-delay": "cifar10"}
"""What a λ is chosen for, and its data set: each data set; and two of them again with a λ that starts late. Neither
paper has that: a network that has learned something bears a λ that makes a new one collapse."""

SCHEDULES = {"lam_warmup": "λ warmed up", "lam_delay": "λ delayed"}
LATE = {"mnist-warm-up": {"lam_warmup": 20}, "cifar10-delay": {"lam_delay": 15}}
TITLES = {
    "mnist": "MNIST",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "mnist-warm-up": f"MNIST, {SCHEDULES['lam_warmup']}",
    "cifar10-delay": f"CIFAR-10, {SCHEDULES['lam_delay']}",
}
METHODS = {"fedpm": "FedPM", "top_mask": "Top-mask", "sign_sgd": "SignSGD, majority vote", "fedavg": "FedAvg"}
BASELINES = ("top_mask", "sign_sgd", "fedavg")
PARTITIONS: dict[str, dict[str, Any]] = {
    "iid": {},
    "c = 4": {"clients": 30, "partition": "classes", "classes_per_client": 4},
    "c = 2": {"clients": 30, "partition": "classes", "classes_per_client": 2},
}
"""10 iid clients, or 30 with c classes each; more where 30 leave a class without an owner (CIFAR-100, c = 2)."""

OPEN: dict[str, dict[str, Any]] = {
    "as chosen": {},
    "c = √2/√fan_in": {"init": "kaiming"},
    "moments kept": {"optimizer_state": "kept"},
    "gradient times θ": {"estimator": "scaled"},
    "θ(0) = σ(N(0, 1))": {"scores": "normal"},
    "clip 0.001": {"clip": 0.001},
}
"""What the papers leave open, or where they differ from FedPM's code: each row changes one setting of our choice."""

ABLATION_LAM = 1.0
"""The λ of that comparison, beside 0."""

TOLERANCE = 0.01
"""Accuracies are equal if at most this much is lost; a saving counts at equal accuracy only."""

PARTS = {
    "lambda": "λ grid, iid, seed 0",
    "pairs": "FedPM and the chosen λ, iid",
    "ablation": "what the papers leave open, MNIST",
    "baselines": "Top-mask, SignSGD, FedAvg, iid",
    "non-iid": "c = 4 and c = 2, all methods",
}
"""Runs that belong together, in the order in which they are done."""


@dataclass(frozen=True)
class Scale:
    """How large the plan is run: what a scale changes in the papers' presets, and which λ it tries."""

    changes: dict[str, Any]
    by_case: dict[str, dict[str, Any]]
    lams: dict[str, tuple[float, ...]]
    """By case, ascending, without 0."""
    ablation: dict[str, Any] = field(default_factory=dict)
    """What is smaller where settings are compared with each other alone."""
    seeds: int = 3

    def experiment(self, case: str, partition: str = "iid", **settings: Any) -> Experiment:
        """A run of the plan; the schedule of λ says nothing, and is left out, where λ is 0."""
        common = PARTITIONS[partition] | self.changes | self.by_case[case]
        e = Experiment.of(common | settings, preset=f"paper-{CASES[case]}")
        owners = -(-CLASSES[e.dataset] // e.classes_per_client) if e.partition == "classes" else 0
        return e.replace(clients=max(e.clients, owners), **({} if e.lam else dict.fromkeys(SCHEDULES, 0)))


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


def members(part: str, scale: str, chosen: Mapping[str, float]) -> list[Experiment]:
    """The runs of a part, in order, each once.

    Args:
        part: of `PARTS`.
        scale: of `SCALES`.
        chosen: λ by case, as from `chosen_lams`; regularized runs of a case without one wait for its λ grid.
    """
    plan = SCALES[scale]
    seeds, skewed = range(plan.seeds), [partition for partition in PARTITIONS if partition != "iid"]

    def pair(case: str, partition: str, seed: int) -> list[Experiment]:
        lams = [0.0, chosen[case]] if case in chosen else [0.0]
        return [plan.experiment(case, partition, lam=lam, seed=seed) for lam in lams]

    def baselines(dataset: str, partition: str, seed: int) -> list[Experiment]:
        return [plan.experiment(dataset, partition, algorithm=name, seed=seed) for name in BASELINES]

    runs: list[Experiment] = []
    if part == "lambda":
        for cases in (DATASETS, LATE):  # the papers' own first, λ = 0 of all before the next λ of any
            grids = [[plan.experiment(case, lam=lam) for lam in (0.0, *plan.lams[case])] for case in cases]
            runs += [e for level in zip_longest(*grids) for e in level if e]
    elif part == "ablation":
        lams, changes = (0.0, ABLATION_LAM), OPEN.values()
        runs += [plan.experiment("mnist", lam=v, **plan.ablation, **change) for change in changes for v in lams]
    elif part == "pairs":
        runs += [e for seed in seeds for case in CASES for e in pair(case, "iid", seed)]
    elif part == "baselines":
        runs += [e for seed in seeds for dataset in DATASETS for e in baselines(dataset, "iid", seed)]
    else:
        for seed in seeds:
            for dataset in DATASETS:
                cases = [case for case, of in CASES.items() if of == dataset]
                runs += [e for case in cases for partition in skewed for e in pair(case, partition, seed)]
                runs += [e for partition in skewed for e in baselines(dataset, partition, seed)]
    return list(dict.fromkeys(runs))


def equal_accuracy(lost: float) -> bool:
    """Whether this much lost accuracy is within `TOLERANCE`, give or take the rounding of a float."""
    return round(lost, 6) <= TOLERANCE


def chosen_lams(scale: str, record: Record) -> dict[str, float]:
    """By case whose λ grid is done: the largest λ that loses no more than `TOLERANCE` against λ = 0.

    Where every λ loses more, the smallest. It is chosen by the one seed of the grid, on the test images.
    """
    chosen = {}
    for case, lams in SCALES[scale].lams.items():
        rows = {lam: record.row(SCALES[scale].experiment(case, lam=lam)) for lam in (0.0, *lams)}
        accuracy = {lam: row["accuracy_expected"] for lam, row in rows.items() if row}
        if len(accuracy) == len(rows):
            chosen[case] = max((lam for lam in lams if equal_accuracy(accuracy[0.0] - accuracy[lam])), default=lams[0])
    return chosen


def method_of(settings: Mapping[str, Any]) -> str:
    """`FedPM`, `regularized, λ = 4`, or a baseline."""
    return f"regularized, λ = {settings['lam']:g}" if settings["lam"] else METHODS[settings["algorithm"]]


def line_of(settings: Mapping[str, Any]) -> str:
    """The method, and how its λ starts late if it does: what tells runs on the same data apart."""
    return ", ".join([method_of(settings), *(words for name, words in SCHEDULES.items() if settings[name])])


def title_of(settings: Mapping[str, Any]) -> str:
    """Data set, partition, and `line_of`."""
    partition = "iid" if settings["partition"] == "iid" else f"c = {settings['classes_per_client']}"
    return f"{TITLES[settings['dataset']]}, {partition}, {line_of(settings)}"


def change_of(settings: Mapping[str, Any]) -> str:
    """What the ablation changed."""
    return next(name for name, change in reversed(OPEN.items()) if change.items() <= settings.items())
