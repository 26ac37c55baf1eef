"""The whole federation: `run(Experiment(...))` trains, counts every byte, and leaves a run folder.

`Federation.round` is one round of federated learning, start to end.
"""

import logging
import math
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from fedsparse import algorithms, data, models
from fedsparse.algorithms.state import storable, unpacked
from fedsparse.entropy import Ledger
from fedsparse.errors import DataError, RunError, RunWarning
from fedsparse.evaluation import evaluate, three_accuracies
from fedsparse.experiment import Experiment
from fedsparse.history import ACCURACIES, COLUMNS, HELD_OUT, History
from fedsparse.own.names import is_own, named_if_it_fails, resolve
from fedsparse.population import WHOLE, ClientBackend, Clients, Population, sample_cohort, surviving_clients
from fedsparse.run_folder import RunFolder
from fedsparse.runs import Run, versions
from fedsparse.threads import keep_freed_memory
from fedsparse.wire.network_file import encode

log = logging.getLogger("fedsparse")


class Federation:
    """One server and its clients; `round()` is one round, start to end.

    Args:
        experiment: what to run.
        dataset: its data, if they are loaded already.
        client_backend: how the server reaches its clients; by default they are all in this process.
        min_updates: usable updates of a round below which θ, or the weights, stay as they are.

    Raises:
        DataError: the data set is missing, damaged, without test images, or too small for so many clients.
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
            dataset = data.load_for(experiment)
        if not len(dataset.y_test):
            raise DataError(f"{dataset.name} has no test image: the network could not be evaluated")
        self.experiment, self.min_updates = experiment, min_updates
        self.source, self.data = dataset.source, dataset.fingerprint()
        self.network = models.build(experiment, dataset.shape, dataset.classes)
        self.frozen = self.network.fingerprint()
        self.device = models.device_of(experiment)
        self.clients = client_backend(experiment, dataset, self.device)
        self.test = dataset.x_test.to(self.device), dataset.y_test.to(self.device)
        self.validation = dataset.x_val.to(self.device), dataset.y_val.to(self.device)
        self.algorithm = algorithms.make(experiment, self.network)
        self.state = self.algorithm.init()
        self.history = History()
        self.versions = versions()
        self.client_measures: dict[int, dict[str, float]] = {}
        """Of the last round, by client whose update was used: bytes both ways, and what was measured on the update;
        `accuracy` on the classes that it holds, where the round was evaluated."""

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
        updates = iter(self.clients.exchange(number, delivered, self.algorithm.local_update))

        # The server decodes and aggregates the updates as they arrive.
        done = self.algorithm.aggregate(self.state, updates, self.min_updates)
        deque(updates, maxlen=0)  # what an algorithm has not read: all its clients train, wherever they are
        for update in done.rejected:
            self.clients.report_rejected(update)
        self.state, ledger.uplink = done.state, list(done.uplink.values())

        scheduled = number % e.evaluate_every == 0 or number == e.rounds
        accuracies = self.evaluate() if scheduled else {}
        of_clients = accuracies.pop("accuracy_clients", ())
        self.client_measures = {
            k: {"downlink_bytes": len(messages[k]), "uplink_bytes": size, **done.of_client[k]}
            | ({"accuracy": float(of_clients[k])} if k < len(of_clients) else {})
            for k, size in done.uplink.items()
        }
        row = {"round": number, **accuracies, **done.measures, **ledger.rates(), "cohort": len(ledger.uplink)}
        seconds = {"seconds": time.perf_counter() - began}
        self.history.rows.append(dict.fromkeys(COLUMNS, math.nan) | row | seconds)
        self.versions = versions()
        return self.history.last

    def evaluate(self) -> dict[str, Any]:
        """Accuracy of the state as it is on the test images, as `evaluation.evaluate` has it; and on those held out."""
        parameters, key = self.algorithm.parameters(self.state), (self.experiment.seed, self.state.round)
        measured = evaluate(self.network, parameters, *self.test, *key, self.clients.label_counts)
        if len(self.validation[1]):
            held_out = three_accuracies(self.network, parameters, *self.validation, *key)[0]
            measured |= {HELD_OUT[name]: value for name, value in held_out.items()}
        return measured

    def checkpoint(self) -> dict[str, Any]:
        """All that a resume needs. Raises `RunError` as `storable`."""
        state = self.state.pack()
        kept = {
            "state": {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in state.items()},
            "memory": self.clients.client_states(),
            "history": self.history.rows,
            "data": self.data,
            "holdings": self.clients.holdings(),
            "frozen": self.frozen,
            "min_updates": self.min_updates,
            "precision": self.network.precision,
            "versions": self.versions,
        }
        return storable(kept)

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Go on from a checkpoint, as if never stopped.

        An evaluation that was made only because the run was to end there is taken back, so that 2 + 2 rounds leave the
        same history as 4.
        """
        self.state = unpacked(self.state, checkpoint)
        self.versions = checkpoint["versions"]
        self.network.precision = checkpoint["precision"]  # with precision=auto, that of the machine it began on
        self.clients.restore(checkpoint["memory"], checkpoint.get("holdings", {}))
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
    after_round: Callable[[Federation], object] | None = None,
    client_backend: ClientBackend = Population.of,
    min_updates: int = 0,
) -> Run:
    """Do a run, go on with one that was cut off, or return one that is finished.

    Its folder `<out>/<key>/` is brought up to date after every round; stopped at any moment and called again, the run
    ends the same as if never stopped. Every round is logged by the logger `fedsparse`, at level INFO.

    Args:
        experiment: what to run.
        progress: show a bar on standard error, with accuracy and bits per parameter.
        after_round: called with the federation when a round is done and kept, for loggers (`history.last`,
            `client_measures`) and early stopping: if it returns something true the run ends there, resumable.
        client_backend: how the server reaches its clients; by default they are all in this process.
        min_updates: usable updates of a round below which θ, or the weights, stay as they are.

    Raises:
        FedsparseError: bad data, a folder that cannot be written or is in use, training that diverged; a run that has
            more rounds already, or was made with other settings, other data of that name, or other images at a client.

    Warns:
        RunWarning: no client answered, or the rate did not settle at `target_bpp`; once, when the last round is done.
            The line stays the run's `note`.
    """
    model = resolve("model", experiment.model) if is_own(experiment.model) else None
    with RunFolder(experiment) as folder:
        saved = folder.load()
        dataset = data.load_for(experiment)
        if saved and len(saved["history"]) == experiment.rounds and folder.intact(saved):
            clients = client_backend(experiment, dataset, torch.device("cpu"))
            own = model or experiment.init == "own"  # else the seed has all to say of the frozen weights
            network = models.build(experiment.replace(device="cpu"), dataset.shape, dataset.classes) if own else None
            frozen = network.fingerprint() if network else saved.get("frozen")
            _check_same(folder, saved, dataset, clients, min_updates, frozen)
            return Run(experiment, folder.path, History(saved["history"]), saved["versions"], model)
        keep_freed_memory()
        with named_if_it_fails(experiment):
            federation = Federation(experiment, dataset, client_backend, min_updates)
        if saved:
            federation.restore(saved)
            _check_same(folder, saved, dataset, federation.clients, min_updates, federation.frozen)
        folder.write_config()
        if saved:
            _keep(federation, folder)
        _rounds(federation, folder, progress, after_round)
        federation.check_frozen()
    done = Run(experiment, folder.path, federation.history, federation.versions, model)
    if done.note:
        warnings.warn(done.note, RunWarning, stacklevel=2)
    return done


def _check_same(
    folder: RunFolder,
    saved: Mapping[str, Any],
    dataset: data.Dataset,
    clients: Clients,
    min_updates: int,
    frozen: str | None,
) -> None:
    """Raises `RunError` unless what is in a folder is this very run, as far as its settings do not say."""
    holdings = clients.holdings()
    before = saved.get("holdings", holdings)  # earlier versions kept neither these nor shapes
    fingerprint = dataset.fingerprint() if "holdings" in saved else dataset.checksum()
    changed = [name for name, held in holdings.items() if before.get(name, held) != held]
    wrong = ""
    if saved["data"] != fingerprint:
        wrong = "with other data of that name"
    elif saved.get("frozen", frozen) != frozen:
        wrong = "with other frozen weights"
    elif changed or (WHOLE in before) != (WHOLE in holdings):
        wrong = f"with other images at {', '.join(changed) or WHOLE}"
    elif max(1, saved.get("min_updates", min_updates)) != max(1, min_updates):
        wrong = f"with min_updates={saved['min_updates']}"
    if wrong:
        raise RunError(f"{folder.path} was made {wrong}: choose another folder with out=")


def _keep(federation: Federation, folder: RunFolder) -> None:
    """Bring the folder up to date; the checkpoint is last: a round counts as done once all its files are there."""
    parameters = federation.algorithm.parameters(federation.state)
    folder.write("network.fsp", encode(federation.network, parameters))
    folder.write("history.csv", federation.history.to_csv().encode())
    folder.save(federation.checkpoint())


def _rounds(
    federation: Federation, folder: RunFolder, progress: bool, after_round: Callable[[Federation], object] | None
) -> None:
    """The rounds that are still to do, with a bar over all of them, until `after_round` ends them."""
    from tqdm import tqdm

    e, history = federation.experiment, federation.history
    with tqdm(total=e.rounds, initial=len(history), unit="round", disable=not progress) as bar:
        while len(history) < e.rounds:
            with named_if_it_fails(e):
                federation.round()
            _keep(federation, folder)
            known = (f", accuracy {r['accuracy']:.3f}" for r in reversed(history.rows) if not math.isnan(r["accuracy"]))
            measured = f"up {history.last['bpp_uplink']:.3f} bpp" + next(known, "")
            log.info("%s: round %d of %d, %s", e.key, len(history), e.rounds, measured)
            bar.update()
            bar.set_postfix_str(measured)
            if after_round and after_round(federation):
                break
