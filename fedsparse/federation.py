"""The whole federation, told once: `run(Experiment(...))` trains, counts every byte, and leaves a run folder."""

import dataclasses
import math
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fedsparse
from fedsparse import algorithms, data
from fedsparse.control import missed_target
from fedsparse.entropy import Ledger
from fedsparse.errors import MessageError, RunError, TargetWarning
from fedsparse.evaluation import evaluate
from fedsparse.experiment import Experiment
from fedsparse.history import ACCURACIES, COLUMNS, History
from fedsparse.models import Architecture, MaskedNetwork
from fedsparse.network_file import TrainedNetwork, encode, load_network
from fedsparse.parallel import keep_freed_memory
from fedsparse.population import Meet, Population
from fedsparse.run_folder import RunFolder
from fedsparse.server import answering, sample_cohort


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
        meet: how the server comes to its clients; by default they are all in this process.

    Raises:
        DataError: the data set is missing, damaged, or too small for so many clients.
        SettingError: the images are too small for the model.
    """

    def __init__(self, experiment: Experiment, dataset: data.Dataset | None = None, meet: Meet = Population.of) -> None:
        self.experiment = experiment
        self.device = device_of(experiment)
        if dataset is None:
            dataset = data.load(experiment.dataset, experiment.data_root, experiment.train_size, experiment.seed)
        self.source, self.data = dataset.source, dataset.fingerprint()
        self.architecture = Architecture(
            experiment.model, experiment.width, dataset.shape, dataset.classes, experiment.init, experiment.seed
        )
        self.network = MaskedNetwork(self.architecture, precision_of(experiment, self.device)).to(self.device)
        self.frozen = self.network.fingerprint()
        self.clients = meet(experiment, dataset, self.device)
        self.holdings = self.clients.holdings
        self.test = dataset.x_test.to(self.device), dataset.y_test.to(self.device)
        self.algorithm = algorithms.make(experiment, self.network)
        self.state = self.algorithm.init()
        self.history = History()

    def round(self) -> Mapping[str, Any]:
        """One round: cohort, broadcast, local training, aggregation, evaluation; returns its row of history."""
        began = time.perf_counter()
        e, number = self.experiment, self.state.round + 1
        cohort = self.clients.present(sample_cohort(e.clients, e.cohort, e.seed, number))
        ledger = Ledger(self.network.layout.n)
        known = {k: k if self.clients.remembers(k) else None for k in cohort}
        messages = {k: self.algorithm.broadcast(self.state, known[k]) for k in cohort}
        ledger.downlink = [len(message) for message in messages.values()]
        answers = {k: messages[k] for k in answering(cohort, e.dropout, e.seed, number)}
        updates = self.clients.deliver(number, answers, self.algorithm.local_update)

        def refuse(update: bytes, error: MessageError) -> None:
            self.clients.refuse(update, error)
            ledger.uplink.pop()  # it is the last that arrived

        state, measures = self.algorithm.aggregate(self.state, _counted(updates, ledger), refuse)
        if not self.clients.enough(ledger.uplink):
            ledger.uplink.clear()
            state, measures = self.algorithm.aggregate(self.state, ())
        self.state = state
        scheduled = number % e.evaluate_every == 0 or number == e.rounds
        accuracies = self.evaluate() if scheduled else {}
        row = {"round": number, **accuracies, **measures, **ledger.rates(), "cohort": len(ledger.uplink)}
        seconds = {"seconds": time.perf_counter() - began}
        self.history.rows.append(dict.fromkeys(COLUMNS, math.nan) | row | seconds)
        return self.history.last

    def evaluate(self) -> dict[str, float]:
        """Accuracy on the test images of the state as it is: three ways, and client by client."""
        theta, e = self.algorithm.network(self.state), self.experiment
        return evaluate(self.network, theta, *self.test, e.seed, self.state.round, self.holdings)

    def checkpoint(self) -> dict[str, Any]:
        """All that a resume needs."""
        state = {f.name: getattr(self.state, f.name) for f in dataclasses.fields(self.state)}
        return {
            "state": {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in state.items()},
            "memory": self.clients.memories(),
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
        state = {k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in checkpoint["state"].items()}
        if set(state) != {f.name for f in dataclasses.fields(self.state)}:
            raise RunError("this run was begun by another version of fedsparse: choose another folder with out=")
        self.state = type(self.state)(**state)
        self.network.precision = checkpoint["precision"]  # with precision=auto, that of the machine it began on
        self.clients.remind(checkpoint["memory"])
        self.history = History(checkpoint["history"])
        last = self.history.last["round"]
        if last % self.experiment.evaluate_every and last < self.experiment.rounds:
            self.history.rows[-1].update(dict.fromkeys(ACCURACIES, math.nan))

    def check_frozen(self) -> None:
        """Raises `RunError` if any random weight has changed since the start."""
        if self.network.fingerprint() != self.frozen:
            raise RunError("the frozen weights have changed: the results of this run mean nothing")


def run(experiment: Experiment, *, progress: bool = False, meet: Meet = Population.of) -> Run:
    """Do a run, go on with one that was cut off, or return one that is finished.

    Its folder `<out>/<key>/` is brought up to date after every round; stopped at any moment and called again, the run
    ends the same as if never stopped.

    Args:
        experiment: what to run.
        progress: show a bar on standard error, with accuracy and bits per parameter.
        meet: how the server comes to its clients; by default they are all in this process.

    Raises:
        FedsparseError: bad data, a folder that cannot be written or is in use, training that diverged; a run that has
            more rounds already, or was made with other data of the same name.

    Warns:
        TargetWarning: the rate did not settle at `target_bpp`; the same line is the run's `note`.
    """
    with RunFolder(experiment) as folder:
        saved = folder.load()
        if saved and len(saved["history"]) > experiment.rounds:
            there = f"{folder.path} has {len(saved['history'])} rounds already"
            raise RunError(f"{there}: ask for as many or more, or choose another folder with out=")
        dataset = data.load(experiment.dataset, experiment.data_root, experiment.train_size, experiment.seed)
        if saved and saved["data"] != dataset.fingerprint():
            raise RunError(f"{folder.path} was made with other data of that name: choose another folder with out=")
        if saved and len(saved["history"]) == experiment.rounds and folder.complete():
            return Run(experiment, folder.path, History(saved["history"]))
        keep_freed_memory()
        federation = Federation(experiment, dataset, meet)
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
    folder.write("network.fsp", encode(federation.architecture, federation.algorithm.network(federation.state)))
    folder.write("history.csv", federation.history.to_csv().encode())


def device_of(experiment: Experiment) -> torch.device:
    """The device that an experiment asks for; `auto` is a GPU if there is one.

    Raises:
        RunError: the device is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    name = next(d for d in ("cuda", "mps", "cpu") if there[d]) if experiment.device == "auto" else experiment.device
    if not there[name]:
        raise RunError(f"device={name} is not there; on this machine: {', '.join(d for d in there if there[d])}")
    return torch.device(name)


def precision_of(experiment: Experiment, device: torch.device) -> str:
    """The precision that an experiment asks for; `auto` is bfloat16 where the device has instructions for it."""
    if experiment.precision != "auto":
        return experiment.precision
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        known: dict = getattr(torch.cpu, "get_capabilities", dict)()  # PyTorch 2.11 may not say
        native = device.type == "cpu" and (known.get("amx_bf16", False) or known.get("avx512_bf16", False))
    return "bfloat16" if native else "float32"


def _counted(updates: Iterable[bytes], ledger: Ledger) -> Iterator[bytes]:
    for update in updates:
        ledger.uplink.append(len(update))
        yield update


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
