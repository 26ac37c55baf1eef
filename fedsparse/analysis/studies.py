"""The comparisons whose results are in `data/results/`: `python -m fedsparse study NAME [data_root=…] [out=…]`.

A study is a list of experiments. They run in parallel and resume after an interruption. Their results are collected in
one CSV and drawn in one figure, whose caption names data, scale and seeds; what the λ explorer needs beyond the CSV is
beside it, as JSON.
"""

import itertools
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsparse.analysis.explorer.sweep import write_details
from fedsparse.analysis.pretrained import WEIGHTS, learn
from fedsparse.analysis.sweeps import SCHEDULES, Failed, attempt_all, collect, parted, schedules_of
from fedsparse.errors import RunError
from fedsparse.experiment import PRESETS, Experiment
from fedsparse.runs import Run

if TYPE_CHECKING:
    import pandas

MNIST = {"dataset": "mnist", "train_size": 10_000, "model": "conv4", "width": 0.25, "precision": "bfloat16"}
SKEWED = {"model": "mlp", "batch_size": 16, "init": "fedpm", "evaluate_every": 3}
TWO = {"partition": "classes", "classes_per_client": 2}
SGD = {"optimizer": "sgd", "lr": 100.0}
FEDAVG_SGD = {"algorithm": "fedavg", "optimizer": "sgd", "weight_lr": 0.3}
ONE_STEP = {"local_epochs": 1, "batch_size": 2_000}
FEW = {"dataset": "mnist", "train_size": 1_000, "model": "conv4", "width": 0.25, "rounds": 20, "batch_size": 16}
CIFAR10 = {
    "dataset": "cifar10",
    "train_size": 10_000,
    "validation": 0.2,
    "rounds": 30,
    "init": "fedpm",
    "evaluate_every": 5,
}
RESNET = "fedsparse.teaching.resnet:resnet20_quarter"
DEMO = {name: value for name, value in PRESETS["demo"].items() if name not in ("lam", "lam_schedule")}
SHARED = {"codec": "shared", "clip": 0.001}
KL = {"regularizer": "kl"}
BASELINES = ("fedavg", "sign_sgd", "top_mask", "fed_mask", "qsgd", "eden")


@dataclass(frozen=True)
class Study:
    """A comparison: what it asks, and every combination of one value from each axis."""

    question: str
    common: dict[str, Any]
    axes: tuple[dict[str, dict[str, Any]], ...]
    """Each axis: the settings behind a label."""
    seeds: int
    explored: bool = False
    """Whether `fedsparse.analysis.explorer` shows it, which needs a JSON file beside the CSV."""
    frontier: bool = False
    """Whether the figure has one dot per run, accuracy against entropy, instead of lines of accuracy against bytes."""
    prepare: Callable[[Mapping[str, str]], None] | None = None
    """What has to be there before its runs; it is called with the `places` of `carry_out`."""

    def members(self) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        """Labels and settings of every run."""
        for combination in itertools.product(*(axis.items() for axis in self.axes)):
            labels, changes = zip(*combination, strict=True)
            for seed in range(self.seeds):
                yield labels, dict(ChainMap({"seed": seed}, *reversed(changes), self.common))


def _each(name: str, values: Sequence[Any]) -> dict[str, dict[str, Any]]:
    return {f"λ = {v:g}" if name == "lam" else str(v): {name: v} for v in values}


SCHEDULED = {
    "λ = 0": {},
    **{
        f"λ = {lam:g}, {words}": {"lam": lam, "lam_schedule": name}
        for name, words in SCHEDULES.items()
        for lam in (1.0, 3.0, 10.0, 30.0, 100.0)
    },
}

STUDIES = {
    "rivals-digits": Study(
        "What does each algorithm send, and how far does it get?",
        {},
        (_each("algorithm", ("fedpm", *BASELINES)),),
        seeds=3,
    ),
    "lambda-digits": Study(
        "What does λ save, and where does the mask collapse?",
        DEMO,
        (_each("lam", (0.0, 0.3, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 13.0, 14.0, 16.0, 18.0, 20.0)),),
        seeds=3,
        explored=True,
        frontier=True,
    ),
    "regularizers-digits": Study(
        "Which regularizer sends fewest bytes at which accuracy?",
        DEMO,
        (_each("regularizer", ("sparsity", "entropy", "kl")), _each("lam", (0.3, 1.0, 3.0, 10.0))),
        seeds=3,
    ),
    "schedules-digits": Study(
        "Which λ is safe: constant, or adaptive at the server or at the clients?",
        DEMO | {"validation": 0.2},
        (SCHEDULED,),
        seeds=5,
        frontier=True,
    ),
    "lambda-mnist": Study(
        "What does λ save, what does it cost, and does it slow convergence?",
        MNIST | {"rounds": 10},
        (_each("lam", (0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 8.0)),),
        seeds=3,
        frontier=True,
    ),
    "pretrained-mnist": Study(
        "Few images: masks over random weights, and over weights that have learned letters",
        FEW,
        (
            {"random weights": {"init": "fedpm"}, "pre-trained weights": {"init": "own", "weights": WEIGHTS}},
            {"λ = 0": {}, "λ = 10, adaptive": {"lam": 10.0, "lam_schedule": "server_loss"}},
        ),
        seeds=3,
        prepare=learn,
    ),
    "resnet-cifar10": Study(
        "A residual network beside conv6, both at a quarter of the width",
        CIFAR10,
        ({"conv6": {"model": "conv6", "width": 0.25}, "ResNet-20": {"model": RESNET}},),
        seeds=3,
    ),
    "precision-digits": Study(
        "Does bfloat16 cost accuracy?",
        {"evaluate_every": 2},
        (_each("precision", ("float32", "bfloat16")),),
        seeds=5,
    ),
    "non-iid-digits": Study(
        "Non-IID clients: what do masks lose, and what do weights lose?",
        SKEWED,
        (
            {
                "iid": {},
                "Dirichlet 0.3": {"partition": "dirichlet", "alpha": 0.3},
                "2 classes": TWO,
                "1 class": TWO | {"classes_per_client": 1},
            },
            {
                "FedPM": {},
                "λ = 10, adaptive": {"lam": 10.0, "lam_schedule": "server_loss"},
                "Top-mask": {"algorithm": "top_mask"},
                "FedAvg": {"algorithm": "fedavg"},
            },
        ),
        seeds=5,
    ),
    "remedies-digits": Study(
        "Two classes per client: which remedy helps, at equal bytes?",
        SKEWED | TWO,
        (
            {
                "baseline": {},
                "a third of lr": {"lr": 0.1 / 3},
                "1 epoch, 3 × rounds": {"local_epochs": 1, "rounds": 90},
                "KL, λ = 3": {"regularizer": "kl", "lam": 3.0},
                "half per round": {"cohort": 5, "rounds": 99},
                "half drop out": {"dropout": 0.5, "rounds": 60},
            },
        ),
        seeds=5,
    ),
    "local-work-digits": Study(
        "One class per client: how much is lost to many local steps, and how much to masks?",
        SKEWED,
        (
            {"iid": {}, "1 class": TWO | {"classes_per_client": 1}},
            {
                "masks, 3 epochs of Adam": {"rounds": 12},
                "masks, 3 epochs of SGD": SGD | {"rounds": 12},
                "masks, 1 epoch of SGD": SGD | {"local_epochs": 1, "rounds": 36},
                "masks, 1 step of SGD": SGD | ONE_STEP | {"rounds": 48},
                "masks, 1 step of SGD, 480 rounds": SGD | ONE_STEP | {"rounds": 480, "evaluate_every": 12},
                "FedAvg, 3 epochs of SGD": FEDAVG_SGD | {"rounds": 12},
                "FedAvg, 1 step of SGD": FEDAVG_SGD | ONE_STEP | {"rounds": 48},
            },
        ),
        seeds=3,
    ),
    "top-mask-digits": Study(
        "Top-mask on non-IID clients: how far do its scores move in a round?",
        SKEWED | {"algorithm": "top_mask"},
        ({"iid": {}, "2 classes": TWO}, _each("lr", (0.3, 0.1, 0.03, 0.01))),
        seeds=5,
    ),
    "sizes-digits": Study(
        "Clients of unequal sizes with two classes each: how should votes be counted?",
        SKEWED | TWO | {"size_skew": 1.5},
        (
            {
                "mean": {},
                "weighted by images": {"aggregation": "weighted"},
                "Beta, reset every 3rd round": {"aggregation": "beta", "prior_reset": 3},
            },
        ),
        seeds=5,
    ),
    "shared-mnist": Study(
        "Coding with shared randomness, against lossless coding, in both directions",
        MNIST | {"rounds": 15},
        (
            {
                "lossless": {},
                "shared": SHARED | {"lr": 0.06},
                "shared, KL held at 0.01 bpp": SHARED | KL | {"lr": 0.06, "lam": 12.0, "target_bpp": 0.01},
                "shared, KL, small steps": SHARED | KL | {"lr": 0.03, "lam": 10.0, "rounds": 25},
            },
        ),
        seeds=5,
    ),
}


def carry_out(name: str, places: Mapping[str, str] | None = None) -> list[Run | Failed]:
    """Do a study, write its table and draw its figure; returns the outcome of every run.

    Args:
        name: of `STUDIES`.
        places: `data_root` and `out`, where they are not the defaults.

    Raises:
        RunError: every run failed, or the table cannot be written.
    """
    study = STUDIES[name]
    if study.prepare:
        study.prepare(places or {})
    members = list(study.members())
    outcomes = attempt_all([Experiment.of({**settings, **(places or {})}) for _, settings in members], log=True)
    failed = [o for o in outcomes if isinstance(o, Failed)]
    if failed and len(failed) == len(outcomes):
        raise RunError(f"every run failed, and nothing was written; {failed[0].experiment.key}: {failed[0].why}")
    kept = Path("data/results") / f"{name}.csv"
    table = collect(outcomes, kept)
    if study.explored:
        write_details([o for o in outcomes if isinstance(o, Run)], kept.with_suffix(".json"))
    _draw(name, study, labelled(table, [labels for labels, _ in members]))
    return outcomes


def labelled(table: "pandas.DataFrame", labels: Sequence[tuple[str, ...]]) -> "pandas.DataFrame":
    """The collected table, whose runs follow each other as `labels` do, with columns `line` and `panel`."""
    of_row = [labels[i] for i in (table["round"].isna() | (table["round"] == 1)).cumsum() - 1]
    return table.assign(line=[label[-1] for label in of_row], panel=["".join(label[:-1]) for label in of_row])


def _of_seeds(values: "pandas.Series") -> str:
    """Their mean, or each by itself where they have parted."""
    return " / ".join(f"{value:.3f}" for value in values) if parted(values) else f"{values.mean():.3f}"


def _draw(name: str, study: Study, table: "pandas.DataFrame") -> None:
    from fedsparse.analysis import plots

    done = table[table["failed"].isna() & table["accuracy_expected"].notna()]
    if study.frontier:
        last = done.groupby(["line", "seed"], sort=False).tail(1)
        last = last.assign(lam_schedule=last.get("lam_schedule", study.common.get("lam_schedule", "constant")))
        figure = plots.frontier(
            last.assign(line=schedules_of(last)), ("accuracy", "accuracy_threshold"), title=study.question
        )
        alt = "Accuracy of sampled and of threshold networks against entropy, one dot per run. " + "; ".join(
            f"{line}: {_of_seeds(runs['accuracy'])} and {_of_seeds(runs['accuracy_threshold'])} "
            f"at {_of_seeds(runs['bpp_entropy'])} bpp"
            for line, runs in last.groupby("line", sort=False)
        )
    else:
        figure = plots.tradeoff(done, title=study.question)
        runs = done.groupby(["panel", "line", "seed"], sort=False).tail(1)
        runs = runs.assign(megabytes=runs["megabytes_up"] + runs["megabytes_down"])
        alt = "Accuracy of sampled and of threshold networks at the end, and all bytes, means over seeds. " + "; ".join(
            f"{f'{panel}, ' * bool(panel)}{line}: {_of_seeds(ends['accuracy'])} and "
            f"{_of_seeds(ends['accuracy_threshold'])} at {ends['megabytes'].mean():.1f} MB"
            for (panel, line), ends in runs.groupby(["panel", "line"], sort=False)
        )
    first = done.iloc[0]
    settings = {**study.common, "seeds": study.seeds}
    scale = ", ".join(f"{k}={v}" for k, v in settings.items())
    drawn = "" if study.frontier else "Mean over seeds, band: their range. "
    caption = f"{drawn}{scale}; PyTorch {first['torch']}. python -m fedsparse study {name}"
    plots.save(figure, name, alt=f"{alt}.", caption=caption,
               folder="figures", notebook=f"python -m fedsparse study {name}", parameters=settings)  # fmt: skip
