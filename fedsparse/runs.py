"""A run that is there: its settings, history, network and θ. It may be opened wherever its folder lies."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

import fedsparse
from fedsparse import algorithms
from fedsparse.algorithms.lambda_schedule import missed_target
from fedsparse.algorithms.state import unpacked
from fedsparse.errors import RunError, SettingError
from fedsparse.experiment import Experiment
from fedsparse.history import History
from fedsparse.run_folder import expanded, read_checkpoint, settings_in
from fedsparse.theta import Weights
from fedsparse.wire.network_file import TrainedNetwork, load_network


@dataclass(frozen=True)
class Run:
    """A run that is there, whole: its history, and its network as one file."""

    experiment: Experiment
    folder: Path
    history: History
    versions: dict[str, str] = field(default_factory=dict)
    """Of fedsparse, torch and numpy, as of the last round that was done."""
    model: Callable[..., nn.Module] | None = None
    """What made the module, where it is the user's own."""
    weights: str | Path | None = None
    """Where the file of its frozen weights lies now, if it was moved."""

    @property
    def network(self) -> TrainedNetwork:
        """The thresholded network, read from `network.fsp`."""
        return load_network(self.folder / "network.fsp", self.model, self.weights)

    @property
    def network_bytes(self) -> int:
        """Size of `network.fsp`."""
        return (self.folder / "network.fsp").stat().st_size

    @property
    def parameters(self) -> np.ndarray | Weights:
        """θ, (n,) float32, or the trained weights, as the server has them after the last round."""
        plain = self.experiment.replace(engine="plain", device="cpu")
        algorithm = algorithms.make(plain, self.network.masked)
        return algorithm.parameters(unpacked(algorithm.init(), read_checkpoint(self.folder)))

    @property
    def unanswered(self) -> bool:
        """Whether no client answered in any round, so that nothing was learned."""
        return not any(row["cohort"] for row in self.history)

    @property
    def note(self) -> str:
        """One line on what is not as it should be: no client answered, or why `target_bpp` was not met; else empty."""
        if self.unanswered:
            why = f" (dropout={self.experiment.dropout:g})" * bool(self.experiment.dropout)
            return f"no client answered in any of the {len(self.history)} rounds{why}: the network is as it was made"
        return missed_target(self.experiment, self.history)


def open_run(
    folder: str | Path, model: Callable[..., nn.Module] | None = None, weights: str | Path | None = None
) -> Run:
    """The run in a folder, finished or not: without its data, its lock, or write access.

    Its experiment names the place where the folder lies now.

    Args:
        model, weights: as in `load_network`, for a network around a module, or with frozen weights, of one's own.

    Raises:
        RunError: there is no run, it cannot be read, or another version of fedsparse made it.
    """
    path = expanded(folder)
    saved = read_checkpoint(path)
    try:
        experiment = Experiment(**{**settings_in(path, saved), "out": path.resolve().parent})
    except SettingError as error:
        raise RunError(f"the run in {path} was made by another version of fedsparse: {error}") from None
    return Run(experiment, path, History(saved["history"]), saved["versions"], model, weights)


def versions() -> dict[str, str]:
    """Of fedsparse, torch and numpy, as installed."""
    return {"fedsparse": fedsparse.__version__, "torch": str(torch.__version__), "numpy": np.__version__}
