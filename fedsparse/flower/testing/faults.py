"""Links that fail on purpose, with named faults, and the run in one process to compare with.

For tests and notebooks, with `in_process.InProcessGrid`.
"""

from collections.abc import Callable, Iterable, Mapping

import torch
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from fedsparse.data import Dataset
from fedsparse.experiment import Experiment
from fedsparse.flower.client_app import RECORD, payload_of
from fedsparse.flower.testing.in_process import Link, direct
from fedsparse.population import ClientBackend, LocalUpdate, Population

Fault = Callable[[bytes], bytes | None]
"""From the update that a client sends to the bytes that arrive; None if nothing arrives."""


def killed(update: bytes) -> None:
    """Its process was killed: nothing arrives."""


def raising(update: bytes) -> bytes:
    """Its app stops with an error."""
    raise OSError("no space left on device")


def garbage(update: bytes) -> bytes:
    """As many bytes arrive, but all are zeros."""
    return bytes(len(update))


def truncated(update: bytes) -> bytes:
    """The connection ends early: half arrives."""
    return update[: len(update) // 2]


def flipped(update: bytes) -> bytes:
    """One bit arrives wrong."""
    return update[:-1] + bytes([update[-1] ^ 1])


def stale() -> Fault:
    """A fault that sends the client's first update every time."""
    sent: list[bytes] = []

    def repeat(update: bytes) -> bytes:
        """The first update arrives again, every time."""
        sent.append(update)
        return sent[0]

    return repeat


def faulty(schedule: Mapping[tuple[int, int], Fault], link: Link = direct) -> Link:
    """A link that applies a fault to the updates of the given (round, client) pairs, and to no others."""

    def faulty_link(app: ClientApp, message: Message, context: Context) -> Message | None:
        reply = link(app, message, context)
        fault = schedule.get((int(message.metadata.group_id or 0), int(context.node_config["partition-id"])))
        if fault is None or reply is None or message.metadata.message_type != "train":
            return reply
        update = fault(payload_of(reply))
        if update is None:
            return None
        return Message(RecordDict({RECORD: ConfigRecord({"payload": update})}), reply_to=message)

    return faulty_link


def without(lost: Iterable[tuple[int, int]]) -> ClientBackend:
    """Clients in one process; the updates of the given (round, client) pairs never arrive."""
    lost = set(lost)

    class LosingPopulation(Population):
        def exchange(
            self, round: int, messages: Mapping[int, bytes], local_update: LocalUpdate
        ) -> Iterable[tuple[int, bytes]]:
            answering = {k: message for k, message in messages.items() if (round, k) not in lost}
            return super().exchange(round, answering, local_update)

    def client_backend(experiment: Experiment, dataset: Dataset, device: torch.device) -> Population:
        return LosingPopulation.of(experiment, dataset, device)

    return client_backend
