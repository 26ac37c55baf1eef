"""Weights that were learned elsewhere, to be frozen under masks: a dense conv4, trained on the letters of EMNIST.

A study that names `WEIGHTS` trains them first, unless they are there.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedsparse.experiment import Experiment
from fedsparse.federation import run
from fedsparse.models import build
from fedsparse.run_folder import write_whole

WEIGHTS = "data/letters-conv4.pt"
DIGITS = 10
"""In EMNIST's ByMerge split the first ten classes are digits; letters are the others."""
LEARN: dict[str, Any] = {
    "dataset": "emnist-bymerge",
    "train_size": 40_000,
    "partition": "fedsparse.analysis.pretrained:letters",
    "model": "conv4",
    "width": 0.25,
    "algorithm": "fedavg",
    "clients": 1,
    "rounds": 8,
    "local_epochs": 1,
    "evaluate_every": 8,
}


def letters(labels: np.ndarray, experiment: Experiment) -> list[np.ndarray]:
    """A partition: all letters at one client; digits are left out, so that nothing of MNIST is known beforehand."""
    return [np.flatnonzero(labels >= DIGITS)]


def learn(places: Mapping[str, str]) -> None:
    """Train the dense network and keep its weights, under a random last layer for ten classes, in `WEIGHTS`.

    Args:
        places: `data_root` and `out`, where they are not the defaults.

    Raises:
        DataError: emnist-bymerge.npz is not in `data_root`.
    """
    if Path(WEIGHTS).exists():
        return
    dense = run(Experiment.of(LEARN | dict(places))).network
    learned = dense.to_torch().state_dict()
    fresh = build(Experiment(model="conv4", width=LEARN["width"], init="fedpm"), dense.architecture.shape, DIGITS)
    random = dict(zip(learned, fresh.parts(fresh.weights(torch.ones(fresh.layout.n))), strict=True))
    kept = {name: tensor if tensor.shape == random[name].shape else random[name] for name, tensor in learned.items()}
    content = io.BytesIO()
    torch.save({name: tensor.detach().cpu().clone() for name, tensor in kept.items()}, content)
    write_whole(Path(WEIGHTS), content.getbuffer())
