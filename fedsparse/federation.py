"""The whole federation: `run(Experiment(...))` trains, counts every byte, and leaves a run folder.

`Federation.round` is one round of federated learning, start to end.
"""

import math
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fedsparse
from fedsparse import algorithms, data, models
from fedsparse.algorithms.lambda_schedule import missed_target
from fedsparse.entropy import Ledger
from fedsparse.errors import RunError, TargetWarning
from fedsparse.evaluation import evaluate
from fedsparse.experiment import Experiment
from fedsparse.history import ACCURACIES, COLUMNS, History
from fedsparse.population import ClientBackend, Population, sample_cohort, surviving_clients
from fedsparse.run_folder import RunFolder
from fedsparse.threads import keep_freed_memory
from fedsparse.wire.network_file import TrainedNetwork, encode, load_network


@dataclass(frozen=True)
class Run:
    """A run that is there, whole: its history, and its network as one file."""

    experiment: Experiment
    folder: Path
    history: History

    @property
    def network(self) -> TrainedNetwork:
        """The thresholded network, read from `network.fsp`."""
        return load_network(self.folder / "network.fsp")

    @property
    def network_bytes(self) -> int:
        """Size of `network.fsp`."""
        return (self.folder / "network.fsp").stat().st_size

    @property
    def note(self) -> str:
        """One line on why `target_bpp` was not met; empty if it was, or if there is none."""
        return missed_target(self.experiment, self.history)

    @property
    def versions(self) -> dict[str, str]:
        """Of fedsparse, torch and numpy, as of the last round that was done."""
        return (RunFolder(self.experiment).load() or {}).get("versions", {})


class Federation:
    """One server and its clients; `round()` is one round, start to end.

    Args:
        experiment: what to run.
        dataset: its data, if they are loaded already.
        client_backend: how the server reaches its clients; by default they are all in this process.
        min_updates: usable updates of a round below which θ, or the weights, stay as they are.

    Raises:
        DataError: the data set is missing, damaged, or too small for so many clients.
        RunError: the device is not there.
        SettingError: the images are too small for the model.
    """

    def __init__(
        self,
        experiment: Experiment,
        dataset: data.Dataset | None = None,
        client_backend: ClientBackend = Population.of,
        min_updates: int = 0,
    ) -> None:
        if dataset is None:
            dataset = data.load(experiment.dataset, experiment.data_root, experiment.train_size, experiment.seed)
        self.experiment, self.min_updates = experiment, min_updates
        self.source, self.data = dataset.source, dataset.fingerprint()
        self.network = models.build(experiment, dataset.shape, dataset.classes)
        self.frozen = self.network.fingerprint()
        self.device = models.device_of(experiment)
        self.clients = client_backend(experiment, dataset, self.device)
        self.test = dataset.x_test.to(self.device), dataset.y_test.to(self.device)
        self.algorithm = algorithms.make(experiment, self.network)
        self.state = self.algorithm.init()
        self.history = History()

    def round(self) -> Mapping[str, Any]:
        """One round; returns its row of history."""
        began = time.perf_counter()
        e, number = self.experiment, self.state.round + 1
        ledger = Ledger(self.network.layout.n)

        # The server samples a cohort, and broadcasts θ to it as bytes.
        cohort = self.clients.reachable(sample_cohort(e.clients, e.cohort, e.seed, number))
        messages = {k: self.algorithm.broadcast(self.state, k if holds else None) for k, holds in cohort.items()}
        ledger.downlink = [len(message) for message in messages.values()]

        # Each client that does not drop out decodes θ, trains on its own data, and sends an update as bytes.
        delivered = {k: messages[k] for k in surviving_clients(cohort, e.dropout, e.seed, number)}
        updates = self.clients.exchange(number, delivered, self.algorithm.local_update)

        # The server decodes and aggregates the updates as they arrive.
        state, measures, ledger.uplink, rejected = self.algorithm.aggregate(self.state, updates, self.min_updates)
        for update in rejected:
            self.clients.report_rejected(update)
        self.state = state

        scheduled = number % e.evaluate_every == 0 or number == e.rounds
        accuracies = self.evaluate() if scheduled else {}
        row = {"round": number, **accuracies, **measures, **ledger.rates(), "cohort": len(ledger.uplink)}
        seconds = {"seconds": time.perf_counter() - began}
        self.history.rows.append(dict.fromkeys(COLUMNS, math.nan) | row | seconds)
        return self.history.last

    def evaluate(self) -> dict[str, float]:
        """Accuracy on the test images of the state as it is: three ways, and for each client."""
        parameters, key = self.algorithm.parameters(self.state), (self.experiment.seed, self.state.round)
        return evaluate(self.network, parameters, *self.test, *key, self.clients.label_counts)

    def checkpoint(self) -> dict[str, Any]:
        """All that a resume needs."""
        state = self.state.pack()
        return {
            "state": {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in state.items()},
            "memory": self.clients.client_states(),
            "history": self.history.rows,
            "data": self.data,
            "precision": self.network.precision,
            "versions": {"fedsparse": fedsparse.__version__, "torch": str(torch.__version__), "numpy": np.__version__},
        }

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Go on from a checkpoint, as if never stopped.

        An evaluation that was made only because the run was to end there is taken back, so that 2 + 2 rounds leave the
        same history as 4.
        """
        packed = {k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in checkpoint["state"].items()}
        if set(packed) != set(self.state.pack()):
            raise RunError("this run was begun by another version of fedsparse: choose another folder with out=")
        self.state = type(self.state).unpack(packed)
        self.network.precision = checkpoint["precision"]  # with precision=auto, that of the machine it began on
        self.clients.restore(checkpoint["memory"])
        self.history = History(checkpoint["history"])
        last = self.history.last["round"]
        if last % self.experiment.evaluate_every and last < self.experiment.rounds:
            self.history.rows[-1].update(dict.fromkeys(ACCURACIES, math.nan))

    def check_frozen(self) -> None:
        """Raises `RunError` if any random weight has changed since the start."""
        if self.network.fingerprint() != self.frozen:
            raise RunError("the frozen weights have changed: the results of this run mean nothing")


def run(
    experiment: Experiment,
    *,
    progress: bool = False,
    client_backend: ClientBackend = Population.of,
    min_updates: int = 0,
) -> Run:
    """Do a run, go on with one that was cut off, or return one that is finished.

    Its folder `<out>/<key>/` is brought up to date after every round; stopped at any moment and called again, the run
    ends the same as if never stopped.

    Args:
        experiment: what to run.
        progress: show a bar on standard error, with accuracy and bits per parameter.
        client_backend: how the server reaches its clients; by default they are all in this process.
        min_updates: usable updates of a round below which θ, or the weights, stay as they are.

    Raises:
        FedsparseError: bad data, a folder that cannot be written or is in use, training that diverged; a run that has
            more rounds already, or was made with other data of the same name.

    Warns:
        TargetWarning: the rate did not settle at `target_bpp`; the same line is the run's `note`.
    """
    with RunFolder(experiment) as folder:
        saved = folder.load()
        if saved and len(saved["history"]) > experiment.rounds:
            longer = f"{folder.path} has {len(saved['history'])} rounds already"
            raise RunError(f"{longer}: ask for as many or more, or choose another folder with out=")
        dataset = data.load(experiment.dataset, experiment.data_root, experiment.train_size, experiment.seed)
        if saved and saved["data"] != dataset.fingerprint():
            raise RunError(f"{folder.path} was made with other data of that name: choose another folder with out=")
        if saved and len(saved["history"]) == experiment.rounds and folder.complete():
            return Run(experiment, folder.path, History(saved["history"]))
        keep_freed_memory()
        federation = Federation(experiment, dataset, client_backend, min_updates)
        folder.write_config()
        if saved:
            federation.restore(saved)
            _write_results(federation, folder)
        for _ in _bar(federation, progress):
            federation.round()
            _write_results(federation, folder)
            folder.save(federation.checkpoint())  # last: a round counts as done once all its files are there
        federation.check_frozen()
    done = Run(experiment, folder.path, federation.history)
    if done.note:
        warnings.warn(done.note, TargetWarning, stacklevel=2)
    return done


def _write_results(federation: Federation, folder: RunFolder) -> None:
    parameters = federation.algorithm.parameters(federation.state)
    folder.write("network.fsp", encode(federation.network.architecture, parameters))
    folder.write("history.csv", federation.history.to_csv().encode())


def _bar(federation: Federation, progress: bool) -> Iterator[int]:
    """The rounds that are still to do, with a bar over all of them."""
    from tqdm import tqdm

    done, rounds = len(federation.history), federation.experiment.rounds
    with tqdm(total=rounds, initial=done, unit="round", disable=not progress) as bar:
        for number in range(done + 1, rounds + 1):
            yield number
            last = federation.history.last
            bar.update()
            bar.set_postfix_str(f"accuracy {last['accuracy']:.3f}, up {last['bpp_uplink']:.3f} bpp")
