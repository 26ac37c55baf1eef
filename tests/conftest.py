"""Shared by all tests: a tiny experiment, and real data where it is at hand."""

import os
from pathlib import Path

import pytest
import torch

from fedsparse import Experiment

ROOT = Path(__file__).parents[1]

torch.set_num_threads(1)  # the tests' networks are tiny, and several workers share the cores


@pytest.fixture
def tiny(tmp_path) -> Experiment:
    """Half a second of work: digits, four clients, a small dense network."""
    return Experiment(
        model="mlp", width=0.05, clients=4, rounds=2, local_epochs=1, train_size=200, out=str(tmp_path / "runs")
    )


@pytest.fixture(scope="session")
def mnist_root() -> str:
    """A data root with the real MNIST: $FEDSPARSE_DATA, or data/."""
    for root in (os.environ.get("FEDSPARSE_DATA"), ROOT / "data"):
        if root and (Path(root) / "MNIST" / "raw").is_dir():
            return str(root)
    pytest.skip("no real MNIST here: set FEDSPARSE_DATA to a data root that holds MNIST/raw")
