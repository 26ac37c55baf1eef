"""What the runs of the plan are called on a page: the data, the method, who holds what, what was changed."""

from collections.abc import Mapping
from typing import Any

from fedsparse.analysis.reproduction.plan import OPEN

SCHEDULES = {"lam_warmup": "λ warmed up", "lam_delay": "λ delayed"}
TITLES = {
    "mnist": "MNIST",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "mnist-warm-up": f"MNIST, {SCHEDULES['lam_warmup']}",
    "cifar10-delay": f"CIFAR-10, {SCHEDULES['lam_delay']}",
}
METHODS = {"fedpm": "FedPM", "top_mask": "Top-mask", "sign_sgd": "SignSGD, majority vote", "fedavg": "FedAvg"}


def method(settings: Mapping[str, Any]) -> str:
    """`FedPM`, `regularized, λ = 4`, or a rival."""
    return f"regularized, λ = {settings['lam']:g}" if settings["lam"] else METHODS[settings["algorithm"]]


def schedule(settings: Mapping[str, Any]) -> str:
    """How λ comes late, in a few words; empty where it does not, as in the papers."""
    return next((words for name, words in SCHEDULES.items() if settings[name]), "")


def line(settings: Mapping[str, Any]) -> str:
    """The method, and how its λ comes late: what tells runs on the same data apart."""
    return listed(method(settings), schedule(settings))


def run(settings: Mapping[str, Any], changed: str = "") -> str:
    """All of it: the data, who holds what, the method, and what was changed, or else how its λ comes late."""
    words = changed or schedule(settings)
    return listed(TITLES[settings["dataset"]], partition(settings), method(settings), words)


def listed(*words: str) -> str:
    """With commas, without those that are empty."""
    return ", ".join(word for word in words if word)


def partition(settings: Mapping[str, Any]) -> str:
    """`iid`, `c = 4` or `c = 2`."""
    return "iid" if settings["partition"] == "iid" else f"c = {settings['classes_per_client']}"


def change(settings: Mapping[str, Any]) -> str:
    """What the ablation changed."""
    return next(
        name
        for name, changes in reversed(OPEN.items())
        if all(settings[setting] == value for setting, value in changes.items())
    )
