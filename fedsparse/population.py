"""Where the clients are: `Clients` is what the server's loop asks of them, `Population` has them in its own process.

Elsewhere clients may be late, lost or hostile; here they answer at once, and an update that is refused is a mistake of
ours, raised as it is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch

from fedsparse.client import Client
from fedsparse.data import Dataset
from fedsparse.errors import MessageError, RunError
from fedsparse.experiment import Experiment
from fedsparse.parallel import side_by_side, workers
from fedsparse.partition import holdings, split

Update = Callable[[bytes, Client], bytes]
"""What a client makes of a message: the third of an algorithm's five functions."""


class Clients(Protocol):
    """What the server's loop asks of its clients, wherever they are."""

    holdings: np.ndarray
    """How many images of each class each client holds, (clients, classes) int64; no rows if that is not known."""

    def present(self, cohort: list[int]) -> list[int]:
        """Those of a cohort who can be sent anything."""

    def remembers(self, client: int) -> bool:
        """Whether a message to this client may lean on what it received before."""

    def deliver(self, round: int, messages: Mapping[int, bytes], update: Update) -> Iterable[bytes]:
        """Send to each client its message; what comes back, as it arrives."""

    def refuse(self, update: bytes, error: MessageError) -> None:
        """An update that arrived and cannot be used."""

    def enough(self, sizes: Sequence[int]) -> bool:
        """Whether updates of so many bytes are enough of them to make the next θ; if not, it stays as it is."""

    def memories(self) -> dict[int, dict] | None:
        """What each client remembers that remembers anything; None if that never leaves it."""

    def remind(self, memories: dict[int, dict] | None) -> None:
        """Give back what a checkpoint kept of it."""


Meet = Callable[[Experiment, Dataset, torch.device], Clients]
"""How a server comes to its clients."""


class Population(Sequence[Client]):
    """Clients whose images are views of one tensor, sorted by owner; each comes into being when it is first asked for.

    So many clients that never take part cost nothing but their data.
    """

    def __init__(self, dataset: Dataset, parts: list[np.ndarray], device: torch.device, workers: int = 1) -> None:
        order = torch.from_numpy(np.concatenate(parts))
        self.images, self.labels = dataset.x_train[order].to(device), dataset.y_train[order].to(device)
        self.ends = np.cumsum([len(part) for part in parts])
        self.holdings = holdings(dataset.y_train.numpy(), parts, dataset.classes)
        self.workers = workers
        self.made: dict[int, Client] = {}

    @classmethod
    def of(cls, experiment: Experiment, dataset: Dataset, device: torch.device) -> "Population":
        """The training images dealt as the experiment says. Raises `DataError` if they cannot be."""
        count = workers(device) if experiment.engine == "cohort" else 1
        return cls(dataset, split(dataset.y_train.numpy(), experiment), device, count)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(f"client {index} of {len(self)}")
        if index not in self.made:
            mine = slice(int(self.ends[index - 1]) if index else 0, int(self.ends[index]))
            self.made[index] = Client(index, self.images[mine], self.labels[mine])
        return self.made[index]

    def present(self, cohort: list[int]) -> list[int]:
        """All of them."""
        return cohort

    def remembers(self, client: int) -> bool:
        """Always."""
        return True

    def deliver(self, round: int, messages: Mapping[int, bytes], update: Update) -> Iterable[bytes]:
        """Each client's update, in their order, several being made at a time."""
        answers = [self[k] for k in messages]
        return side_by_side(lambda client: update(messages[client.index], client), answers, self.workers)

    def refuse(self, update: bytes, error: MessageError) -> None:
        """Raises the error."""
        raise error

    def enough(self, sizes: Sequence[int]) -> bool:
        """Any number is: who drops out here does so because the experiment says so."""
        return True

    def memories(self) -> dict[int, dict] | None:
        """What each client remembers that remembers anything."""
        return {index: client.memory for index, client in sorted(self.made.items()) if client.memory}

    def remind(self, memories: dict[int, dict] | None) -> None:
        """Give back what a checkpoint kept.

        Raises:
            RunError: the clients of that run are on other machines, and remember for themselves.
        """
        if memories is None:
            raise RunError("what this run's clients remember is on their machines: go on with flwr run")
        for index, memory in memories.items():
            self[index].memory = memory
