"""What FedPM is compared with, and the learning rate of each: one of five, chosen on validation images.

They are tried on MNIST at the smaller scale, in the size of its ablation, seed 0: as many trials as the adaptive λ has.
FedPM and its regularized form keep the rate of FedPM's published code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rival:
    """A method, and the learning rates that are tried for it."""

    settings: dict[str, Any]
    rate: str
    """The setting that is tuned."""
    tried: tuple[float, ...]


SCORES, WEIGHTS = (0.01, 0.03, 0.1, 0.3, 1.0), (0.0005, 0.001, 0.002, 0.004, 0.008)
RIVALS = {
    "Top-mask": Rival({"algorithm": "top_mask"}, "lr", SCORES),
    "FedMask": Rival({"algorithm": "fed_mask"}, "lr", SCORES),
    "SignSGD, majority vote": Rival({"algorithm": "sign_sgd"}, "server_lr", WEIGHTS),
    "FedAvg": Rival({"algorithm": "fedavg"}, "weight_lr", WEIGHTS),
    "FedAvg, 4 bits down": Rival({"algorithm": "fedavg", "down_bits": 4}, "weight_lr", WEIGHTS),
    "QSGD, 1 bit up, 2 down": Rival({"algorithm": "qsgd", "down_bits": 2}, "weight_lr", WEIGHTS),
    "EDEN, 1 bit up, 2 down": Rival({"algorithm": "eden", "down_bits": 2}, "weight_lr", WEIGHTS),
    "zeroth-order": Rival(
        {"algorithm": "zeroth_order", "perturbations": 2}, "weight_lr", (0.0001, 0.0003, 0.001, 0.003, 0.01)
    ),
    "shared randomness, KL": Rival(
        {"codec": "shared", "clip": 0.001, "regularizer": "kl", "lam": 10.0}, "lr", (0.01, 0.03, 0.06, 0.1, 0.2)
    ),
}
"""By name. The last is ours: FedPM with masks coded by shared randomness."""
PAPERS = "Top-mask", "SignSGD, majority vote", "FedAvg"
"""Those that the papers compare with, in a form that is here."""


def rival_of(settings: Mapping[str, Any]) -> str | None:
    """The name of the method that settings describe, its rate apart; None for FedPM and its regularized form."""
    fits = (name for name, rival in reversed(RIVALS.items()) if rival.settings.items() <= settings.items())
    return next(fits, None)
