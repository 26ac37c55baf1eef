"""Shared by all tests: a tiny experiment, and real data where it is at hand."""

import os
import subprocess
import sys
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
def mnist_root(tmp_path_factory) -> str:
    """A data root with the real MNIST: $FEDSPARSE_DATA, data/, or what a script beside the checkout lays out."""
    for root in (os.environ.get("FEDSPARSE_DATA"), ROOT / "data"):
        if root and (Path(root) / "MNIST" / "raw").is_dir():
            return str(root)
    prepare = ROOT.parent / "shared" / "data" / "prepare.py"
    if not prepare.exists():
        pytest.skip("no real MNIST here: set FEDSPARSE_DATA to a data root that holds MNIST/raw")
    root = tmp_path_factory.mktemp("data")
    subprocess.run([sys.executable, str(prepare), str(root), "mnist"], check=True, stdout=subprocess.DEVNULL)
    return str(root)
