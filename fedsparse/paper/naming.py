"""What the runs of the plan are called on a page: the data, the method, who holds what, what was changed."""

from collections.abc import Mapping
from typing import Any

from fedsparse.paper.plan import OPEN

TITLES = {
    "mnist": "MNIST",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "mnist-warm-up": "MNIST, λ warmed up",
    "cifar10-warm-up": "CIFAR-10, λ warmed up",
}
METHODS = {"fedpm": "FedPM", "top_mask": "Top-mask", "sign_sgd": "SignSGD, majority vote", "fedavg": "FedAvg"}


def method(settings: Mapping[str, Any]) -> str:
    """`FedPM`, `regularized, λ = 4`, or a rival."""
    return f"regularized, λ = {settings['lam']:g}" if settings["lam"] else METHODS[settings["algorithm"]]


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
