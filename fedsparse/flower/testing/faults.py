"""Links that fail on purpose: what a node may do to a round, by name, and the run in one process to compare with.

For notebooks and tests, with `in_process.InProcessGrid`.
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
"""From the update that a client would have sent to what arrives; None is silence."""


def killed(update: bytes) -> None:
    """Its process is gone, or hangs: nothing comes."""


def raising(update: bytes) -> bytes:
    """Its app stops with an error."""
    raise OSError("no space left on device")


def garbage(update: bytes) -> bytes:
    """As many bytes, but zeros."""
    return bytes(len(update))


def truncated(update: bytes) -> bytes:
    """The connection ended early."""
    return update[: len(update) // 2]


def flipped(update: bytes) -> bytes:
    """One bit arrived wrong."""
    return update[:-1] + bytes([update[-1] ^ 1])


def stale() -> Fault:
    """What it sent first, every time."""
    sent: list[bytes] = []

    def again(update: bytes) -> bytes:
        sent.append(update)
        return sent[0]

    return again


def faulty(schedule: Mapping[tuple[int, int], Fault], through: Link = direct) -> Link:
    """A link on which updates of some (round, client) meet with a fault, and all others do not."""

    def link(app: ClientApp, message: Message, context: Context) -> Message | None:
        reply = through(app, message, context)
        fault = schedule.get((int(message.metadata.group_id or 0), int(context.node_config["partition-id"])))
        if fault is None or reply is None or message.metadata.message_type != "train":
            return reply
        arrives = fault(payload_of(reply))
        if arrives is None:
            return None
        return Message(RecordDict({RECORD: ConfigRecord({"payload": arrives})}), reply_to=message)

    return link


def without(lost: Iterable[tuple[int, int]]) -> ClientBackend:
    """Clients in one process, of whom those of some (round, client) do not answer."""
    lost = set(lost)

    class Fewer(Population):
        def exchange(
            self, round: int, messages: Mapping[int, bytes], local_update: LocalUpdate
        ) -> Iterable[tuple[int, bytes]]:
            present = {k: message for k, message in messages.items() if (round, k) not in lost}
            return super().exchange(round, present, local_update)

    def client_backend(experiment: Experiment, dataset: Dataset, device: torch.device) -> Population:
        return Fewer.of(experiment, dataset, device)

    return client_backend
