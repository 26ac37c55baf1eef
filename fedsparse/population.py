"""The population: which clients take part in a round, and how the server's loop reaches them.

`Clients` is what the loop asks of its clients, wherever they are. `Population` has them in its own process, where they
answer at once; on Flower (`fedsparse.flower`) they may be late, lost or hostile.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch

from fedsparse.aggregation import Rejected
from fedsparse.client import Client
from fedsparse.data import Dataset
from fedsparse.errors import RunError, TooFewUpdates
from fedsparse.experiment import Experiment
from fedsparse.partition import fingerprint, label_counts, split
from fedsparse.randomness import permutation, uniforms
from fedsparse.threads import parallel_map, worker_count

WHOLE = "its clients"
"""The name under which the whole population holds one data set, dealt to all."""
LocalUpdate = Callable[[bytes, Client], bytes]
"""What a client makes of a message: `local_update` of an algorithm."""


def sample_cohort(clients: int, size: int, seed: int, round: int) -> list[int]:
    """Clients of a round, ascending: `size` of them without replacement, all if 0; keyed by (seed, round) alone."""
    if size in (0, clients):
        return list(range(clients))
    return sorted(permutation(clients, seed, "cohort", round)[:size].tolist())


def surviving_clients(cohort: Iterable[int], dropout: float, seed: int, round: int) -> list[int]:
    """Those of a cohort that answer: each drops out with probability `dropout`, keyed by (seed, round, client)."""
    return [k for k in cohort if uniforms(1, seed, "dropout", round, k)[0] >= dropout]


class Clients(Protocol):
    """What the server's loop asks of its clients, wherever they are."""

    label_counts: np.ndarray
    """How many images of each class each client holds, (clients, classes) int64; no rows if that is not known."""

    def reachable(self, cohort: Sequence[int]) -> dict[int, bool]:
        """The clients of a cohort that can be sent a message now; True for one that still has what it last received."""

    def exchange(
        self, round: int, messages: Mapping[int, bytes], local_update: LocalUpdate
    ) -> Iterable[tuple[int, bytes]]:
        """Send each client its message; (client, update) of those that answer, as the updates arrive."""

    def report_rejected(self, rejected: Rejected) -> None:
        """An update arrived and could not be used."""

    def client_states(self) -> dict[int, dict] | None:
        """What clients remember between rounds, for the checkpoint; None if that never leaves them."""

    def holdings(self) -> dict[str, int]:
        """Checksums of who holds which images: under `WHOLE` if one data set was dealt, else by client, of those that
        can be asked. A run goes on only with clients that hold what they held before."""

    def restore(self, client_states: dict[int, dict] | None, holdings: Mapping[str, int]) -> None:
        """Give back what a checkpoint kept of it, and tell what clients held."""


ClientBackend = Callable[[Experiment, Dataset, torch.device], Clients]
"""Makes the clients of a federation: in this process, or over a network."""


class Population(Sequence[Client]):
    """Clients in this process: their images are views of one tensor, sorted by owner.

    A client is made when it is first asked for, so clients that never take part cost nothing but their data.
    """

    def __init__(self, dataset: Dataset, parts: list[np.ndarray], device: torch.device, workers: int = 1) -> None:
        order = torch.from_numpy(np.concatenate(parts))
        self.images, self.labels = dataset.x_train[order].to(device), dataset.y_train[order].to(device)
        self.ends = np.cumsum([len(part) for part in parts])
        self.label_counts = label_counts(dataset.y_train.numpy(), parts, dataset.classes)
        self.fingerprint = fingerprint(parts, dataset.fingerprint())
        self.workers = workers
        self.clients: dict[int, Client] = {}

    @classmethod
    def of(cls, experiment: Experiment, dataset: Dataset, device: torch.device) -> "Population":
        """The training images dealt as the experiment says. Raises `DataError` if they cannot be."""
        workers = worker_count(device) if experiment.engine == "fast" else 1
        return cls(dataset, split(dataset.y_train.numpy(), experiment), device, workers)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(f"client {index} of {len(self)}")
        if index not in self.clients:
            own = slice(int(self.ends[index - 1]) if index else 0, int(self.ends[index]))
            self.clients[index] = Client(index, self.images[own], self.labels[own])
        return self.clients[index]

    def reachable(self, cohort: Sequence[int]) -> dict[int, bool]:
        """All of them, and none forgets anything."""
        return dict.fromkeys(cohort, True)

    def exchange(
        self, round: int, messages: Mapping[int, bytes], local_update: LocalUpdate
    ) -> Iterable[tuple[int, bytes]]:
        """Each client's update, in their order, several being made at a time."""
        clients = [self[k] for k in messages]
        updates = parallel_map(lambda client: local_update(messages[client.index], client), clients, self.workers)
        return zip(messages, updates, strict=True)

    def report_rejected(self, rejected: Rejected) -> None:
        """Raises the error: where every client is our own, an unusable update is a mistake of ours."""
        if not isinstance(rejected.error, TooFewUpdates):
            raise rejected.error

    def client_states(self) -> dict[int, dict] | None:
        """The memory of each client that has any."""
        return {index: client.memory for index, client in sorted(self.clients.items()) if client.memory}

    def holdings(self) -> dict[str, int]:
        """One checksum for all."""
        return {WHOLE: self.fingerprint}

    def restore(self, client_states: dict[int, dict] | None, holdings: Mapping[str, int]) -> None:
        """Give each client its memory back.

        Raises:
            RunError: the clients of that run are on other machines, and keep their own memory.
        """
        if client_states is None:
            raise RunError("what this run's clients remember is on their machines: go on with flwr run")
        for index, memory in client_states.items():
            self[index].memory = memory
