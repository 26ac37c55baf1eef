"""Which runs answer the papers' claims, at which scale, the most telling first; and what each is called.

Batch size, local epochs and the networks for CIFAR are those of FedPM's published code, and so is the number of rounds.
The network and the rounds for MNIST are ours, since no running code has any, and so are the 30 non-IID clients.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product, zip_longest
from typing import TYPE_CHECKING, Any

from fedsparse.analysis.reproduction.record import Record, key_of, settings_of
from fedsparse.data import CLASSES
from fedsparse.experiment import Experiment

if TYPE_CHECKING:
    import pandas

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
    by_dataset: dict[str, dict[str, Any]]
    lams: dict[str, tuple[float, ...]]
    """By case, ascending, without 0."""
    ablation: dict[str, Any] = field(default_factory=dict)
    """What is smaller where settings are compared with each other alone."""
    seeds: int = 3

    def experiment(self, case: str, partition: str = "iid", **settings: Any) -> Experiment:
        """A run of the plan; the schedule of λ says nothing, and is left out, where λ is 0."""
        dataset, late = CASES[case], LATE.get(case, {}) if settings.get("lam") else {}
        common = PARTITIONS[partition] | self.changes | self.by_dataset.get(dataset, {}) | late
        e = Experiment.of(common | settings, preset=f"paper-{dataset}")
        owners = -(-CLASSES[dataset] // e.classes_per_client) if e.partition == "classes" else 0
        return e.replace(clients=max(e.clients, owners))


SCALES = {
    "paper": Scale({"precision": "bfloat16", "evaluate_every": 5}, {}, dict.fromkeys(CASES, (0.25, 1.0, 4.0, 16.0))),
    "small": Scale(
        {"precision": "bfloat16", "train_size": 10_000, "width": 0.25, "batch_size": 32, "evaluate_every": 3},
        {"mnist": {"rounds": 60}, "cifar10": {"rounds": 39}, "cifar100": {"rounds": 24, "model": "conv6"}},
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

Schedule = Iterator[tuple[str, str, str, Experiment]]
SCALE_TITLES = {"paper": "the papers' scale", "small": "a smaller scale"}


def schedule(scale: str, chosen: Mapping[str, float]) -> Schedule:
    """Part, case, partition and experiment of every run, in order; a run that two comparisons share comes twice.

    Args:
        scale: of `SCALES`.
        chosen: λ by case, as from `chosen_lams`; regularized runs of a case without one wait for its λ grid.
    """
    plan = SCALES[scale]
    skewed = [partition for partition in PARTITIONS if partition != "iid"]
    seeded = list(product(range(plan.seeds), DATASETS))

    def pair(part: str, case: str, partition: str, seed: int) -> Schedule:
        for lam in [0.0, chosen[case]] if case in chosen else [0.0]:
            yield part, case, partition, plan.experiment(case, partition, lam=lam, seed=seed)

    def baselines(part: str, dataset: str, partition: str, seed: int) -> Schedule:
        for name in BASELINES:
            yield part, dataset, partition, plan.experiment(dataset, partition, algorithm=name, seed=seed)

    for cases in (DATASETS, LATE):  # the papers' own first, λ = 0 of all before the next λ of any
        for level in zip_longest(*([(case, lam) for lam in (0.0, *plan.lams[case])] for case in cases)):
            yield from (("lambda", case, "iid", plan.experiment(case, lam=lam)) for case, lam in filter(None, level))
    for seed, case in product(range(plan.seeds), CASES):
        yield from pair("pairs", case, "iid", seed)
    for change, lam in product(OPEN.values(), (0.0, ABLATION_LAM)):
        yield "ablation", "mnist", "iid", plan.experiment("mnist", lam=lam, **plan.ablation, **change)
    for seed, dataset in seeded:
        yield from baselines("baselines", dataset, "iid", seed)
    for seed, dataset in seeded:
        for case, partition in product([case for case, of in CASES.items() if of == dataset], skewed):
            yield from pair("non-iid", case, partition, seed)
        for partition in skewed:
            yield from baselines("non-iid", dataset, partition, seed)


def members(part: str, scale: str, chosen: Mapping[str, float]) -> list[Experiment]:
    """The runs of a part, in order, each once."""
    return list(dict.fromkeys(e for of, _, _, e in schedule(scale, chosen) if of == part))


def planned(record: Record, scale: str) -> "pandas.DataFrame":
    """The `schedule` at a scale, one row per run, joined with what is in the record; NaN where it is not `done`.

    Columns: `part`, `case`, `clients hold` (the partition), `method`, `line`, `change`, `λ`, `done`, `experiment`;
    those of `runs.csv`; `percent`, the accuracy of the expected network; and means over all rounds,
    `bpp_entropy_overall` and `bpp_uplink_overall`.
    """
    import pandas

    if scale not in record.plans:
        rows = []
        for part, case, partition, e in schedule(scale, chosen_lams(scale, record)):
            row, place = record.row(e), {"part": part, "case": case, "clients hold": partition, "experiment": e}
            words = {"method": method_of(e.settings), "line": line_of(e.settings), "change": change_of(e.settings)}
            known = {"key": key_of(e), "accuracy_expected": float("nan"), **settings_of(e), **(row or {})}
            rows.append({**place, **words, "λ": f"{e.lam:g}", "done": row is not None, **known})
        table = pandas.DataFrame(rows)
        rounds = record.rounds(list(table["experiment"]))
        overall = rounds.groupby("key")[["bpp_entropy", "bpp_uplink"]].mean().add_suffix("_overall")
        record.plans[scale] = table.assign(percent=100 * table["accuracy_expected"]).join(overall, on="key")
    return record.plans[scale]


def equal_accuracy(lost: float) -> bool:
    """Whether this much lost accuracy is within `TOLERANCE`, give or take the rounding of a float."""
    return round(lost, 6) <= TOLERANCE


def chosen_lams(scale: str, record: Record) -> dict[str, float]:
    """By case whose λ grid is done: the largest λ that loses no more than `TOLERANCE` against λ = 0.

    Where every λ loses more, the smallest. It is chosen by the one seed of the grid, on the test images.
    """
    chosen = {}
    for case, lams in SCALES[scale].lams.items():
        rows = [record.row(SCALES[scale].experiment(case, lam=lam)) for lam in (0.0, *lams)]
        if all(rows):
            first, *others = (row["accuracy_expected"] for row in rows if row)
            good = [lam for lam, accuracy in zip(lams, others, strict=True) if equal_accuracy(first - accuracy)]
            chosen[case] = max(good, default=lams[0])
    return chosen


def method_of(settings: Mapping[str, Any]) -> str:
    """`FedPM`, `regularized, λ = 4`, or a baseline."""
    return f"regularized, λ = {settings['lam']:g}" if settings["lam"] else METHODS[settings["algorithm"]]


def line_of(settings: Mapping[str, Any]) -> str:
    """The method, and how its λ starts late if it does: what tells runs on the same data apart."""
    return ", ".join([method_of(settings), *(words for name, words in SCHEDULES.items() if settings[name])])


def title_of(settings: Mapping[Any, Any]) -> str:
    """Data set, partition, and `line_of`."""
    partition = "iid" if settings["partition"] == "iid" else f"c = {settings['classes_per_client']}"
    return f"{TITLES[settings['dataset']]}, {partition}, {line_of(settings)}"


def change_of(settings: Mapping[str, Any]) -> str:
    """What the ablation changed."""
    return next(name for name, change in reversed(OPEN.items()) if change.items() <= settings.items())
