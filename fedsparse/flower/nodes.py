"""Flower's nodes as the clients of a federation: they come late, fall silent, or send what they should not.

Nothing that a node does ends a run. What arrives and cannot be used is logged and left out; θ is made of the rest. Node
ids are random and replies come in any order: clients are known by their partition id, sums are of whole numbers, and so
a run over Flower is the run in one process, byte for byte.
"""

import csv
import logging
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.inflatable.inflatable_object import UnexpectedObjectContentError
from google.protobuf.message import Error as ProtobufError

from fedsparse.aggregation import Rejected
from fedsparse.data import Dataset
from fedsparse.errors import DataError, MessageError, RunError
from fedsparse.experiment import Experiment
from fedsparse.flower.client_app import RECORD
from fedsparse.flower.run_config import Terms
from fedsparse.partition import label_counts, split
from fedsparse.population import LocalUpdate
from fedsparse.wire.frame import claim_of

UNREADABLE = (
    ValueError, LookupError, TypeError, AttributeError, RecursionError, ProtobufError, UnexpectedObjectContentError,
)  # fmt: skip
"""What Flower raises over a reply whose objects are not what they say. A SuperLink that is gone is none of these."""
PAUSE = 0.2
"""Seconds between two looks at what has arrived, at least."""

LONGEST = 300
"""Characters of a reason that are noted."""

log = logging.getLogger("flwr.fedsparse")


class Lost(NamedTuple):
    """A row of `refused.csv`: what was lost, and why."""

    round: int
    client: int | str
    bytes: int
    why: str


@dataclass(frozen=True)
class Member:
    """A node that has said which client it is."""

    node: int
    samples: int


class Nodes:
    """Clients that are nodes of Flower (`population.Clients`).

    Args:
        grid: Flower's, or one in this process.
        terms: how long to wait, and for how many.
        file: where to note what was refused or never came, as CSV; nowhere if None.
        dataset: the server's data: those that clients hold parts of, or, where each site brings its own, a test set.

    Raises:
        DataError: the images cannot be dealt so, or the sites' number of classes is not the server's.
    """

    def __init__(
        self, grid: Grid, terms: Terms, file: Path | None, experiment: Experiment, dataset: Dataset, _: torch.device
    ) -> None:
        self.grid, self.terms, self.file, self.experiment = grid, terms, file, experiment
        self.samples: list[int] | None = None
        self.fingerprint = dataset.fingerprint()
        if terms.site_classes:
            if terms.site_classes != dataset.classes:
                sites = f"site_classes={terms.site_classes}"
                raise DataError(f"{sites}, and dataset={dataset.name}, the server's, has {dataset.classes} classes")
            self.label_counts = np.zeros((0, dataset.classes), np.int64)  # theirs to know
        else:
            parts = split(dataset.y_train.numpy(), experiment)
            self.label_counts = label_counts(dataset.y_train.numpy(), parts, dataset.classes)
            self.samples = [len(part) for part in parts]
        self.members: dict[int, Member] = {}
        self.strangers: set[int] = set()
        self.up_to_date: set[int] = set()
        self.refused: list[Lost] = []
        self.round = 0

    def reachable(self, cohort: Sequence[int]) -> dict[int, bool]:
        """Those of a cohort whose node is there now; the first time, after as many have come as there are clients.

        A client still has what it received if its last update arrived here: one that fell silent may have lost it.

        Raises:
            RunError: nobody came.
        """
        nodes = self._wait_for(1 if self.members else self.experiment.clients)
        there = {k: member for k, member in self.members.items() if member.node in nodes}
        self.strangers = self.strangers & nodes if len(there) == len(self.members) else set()  # a seat is free
        self.members = there
        self._ask(sorted(nodes - {m.node for m in self.members.values()} - self.strangers))
        if not self.members:
            raise RunError(f"none of {len(nodes)} nodes can take part: {self.refused[-1].why}")
        return {k: k in self.up_to_date for k in cohort if k in self.members}

    def exchange(
        self, round: int, messages: Mapping[int, bytes], local_update: LocalUpdate
    ) -> Iterator[tuple[int, bytes]]:
        """Each client's update as it arrives; what is none, or says that it is another client's, is left out."""
        self.round = round
        self.up_to_date -= set(messages)
        asked = {self.members[k].node: k for k in messages}
        sent = [self._message(node, MessageType.TRAIN, {"payload": messages[k]}) for node, k in asked.items()]
        for node, reply in self._replies(sent):
            client = asked.pop(node)
            try:
                arrived = _checked(reply)
                claimed, samples = claim_of(arrived)
                if (claimed, samples) != (client, self.members[client].samples):
                    raise MessageError(f"it says that it is client {claimed} with {samples} images")
            except MessageError as error:
                self._note(client, _size(reply), str(error))
                continue
            self.up_to_date.add(client)
            yield client, arrived
        for client in asked.values():
            self._note(client, 0, f"no answer within {self.terms.reply_timeout:g} s")

    def report_rejected(self, rejected: Rejected) -> None:
        """Note it, and go on."""
        self.up_to_date.discard(rejected.client)
        self._note(rejected.client, rejected.size, str(rejected.error))

    def client_states(self) -> dict[int, dict] | None:
        """None if there is anything that clients remember: it stays with them."""
        keeps = self.experiment.optimizer_state == "kept" or self.experiment.codec == "shared"
        return None if keeps else {}

    def restore(self, client_states: dict[int, dict] | None) -> None:
        """Nothing can be given back: after a restart every client is sent θ whole.

        Raises:
            RunError: clients kept their optimizer's moments, which ended with the run that was cut off.
        """
        if self.experiment.optimizer_state == "kept":
            lost = "optimizer_state=kept: the clients' moments ended with the server that was stopped"
            raise RunError(f"{lost}; begin again with another out=, or take optimizer_state=fresh")

    def _wait_for(self, count: int) -> set[int]:
        until = time.monotonic() + self.terms.node_wait
        while len(nodes := set(self.grid.get_node_ids())) < count and time.monotonic() < until:
            time.sleep(PAUSE)
        if not nodes:
            raise RunError(f"no node within node_wait={self.terms.node_wait:g} s")
        if len(nodes) < count:
            log.warning("%d of %d nodes after %g s: going on with them", len(nodes), count, self.terms.node_wait)
        return nodes

    def _ask(self, nodes: list[int]) -> None:
        """Which client each of these nodes is. Who cannot take part is not asked again, who is silent is."""
        silent = set(nodes)
        for node, reply in self._replies([self._message(node, MessageType.QUERY, {}) for node in nodes]):
            silent.discard(node)
            try:
                client, member = self._introduced(node, _record(reply))
            except MessageError as error:
                self.strangers.add(node)
                self._note(f"node {node}", 0, str(error))
            else:
                self.members[client] = member
        for node in sorted(silent):
            self._note(f"node {node}", 0, f"it did not say which client it is within {self.terms.reply_timeout:g} s")

    def _introduced(self, node: int, said: ConfigRecord) -> tuple[int, Member]:
        client, samples, fingerprint = (said.get(name) for name in ("client", "samples", "data"))
        if not (type(client) is int and 0 <= client < self.experiment.clients and type(samples) is int and samples > 0):
            raise MessageError(f"it says that it is client {client!r} with {samples!r} images")
        if client in self.members:
            raise MessageError(f"client {client} is node {self.members[client].node} already")
        if self.samples and (samples, fingerprint) != (self.samples[client], self.fingerprint):
            raise MessageError(f"client {client} has other data than the server: {self.experiment.dataset} differs")
        return client, Member(node, samples)

    def _message(self, node: int, kind: str, record: dict) -> Message:
        content = RecordDict({RECORD: ConfigRecord(record)})
        return Message(content, node, kind, ttl=self.terms.reply_timeout, group_id=str(self.round))

    def _replies(self, messages: list[Message]) -> Iterator[tuple[int, Message | None]]:
        """Each node's reply as it arrives, one at most, until all are there or the time is up; None is unreadable.

        What a reply says of its sender is the sender's own word. So each is asked for by the message that it answers:
        the SuperLink takes an answer to it from its addressee alone.
        """
        pushed = self.grid.push_messages(messages) if messages else []
        waiting = {one: m.metadata.dst_node_id for one, m in zip(pushed, messages, strict=True) if one}
        until = time.monotonic() + self.terms.reply_timeout
        while waiting:
            began = time.monotonic()
            for one, node in list(waiting.items()):
                try:
                    arrived: list[Message | None] = list(self.grid.pull_messages([one]))
                except UNREADABLE:
                    arrived = [None]
                if arrived:
                    del waiting[one]
                    yield node, arrived[0]
            if not waiting or time.monotonic() > until:
                return
            time.sleep(max(PAUSE, time.monotonic() - began))  # however many they are, half of the SuperLink is free

    def _note(self, client: int | str, size: int, why: str) -> None:
        said = "".join(c if c.isprintable() else " " for c in why)  # a node's own words, perhaps
        lost = Lost(self.round, client, size, textwrap.shorten(said, LONGEST, placeholder=" …"))
        self.refused.append(lost)
        log.warning("round %s, client %s: %s", lost.round, lost.client, lost.why)
        if self.file:
            new = not self.file.exists()
            with open(self.file, "a", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([Lost._fields, lost] if new else [lost])


def _record(reply: Message | None) -> ConfigRecord:
    """The record in a reply. Raises `MessageError` if it is an error, Flower's or our own, or something else."""
    if reply is None:
        raise MessageError("a reply that Flower cannot read")
    if reply.has_error():
        lines = (reply.error.reason or "").strip().splitlines() or ["it does not say why"]
        raise MessageError(f"its app failed: {lines[-1]}")
    record = reply.content.get(RECORD) if isinstance(reply.content, RecordDict) else None
    if not isinstance(record, ConfigRecord):
        raise MessageError("no bytes of fedsparse in this message")
    if isinstance(why := record.get("error"), str):
        raise MessageError(why)
    return record


def _checked(reply: Message | None) -> bytes:
    payload = _record(reply).get("payload")
    if not isinstance(payload, bytes):
        raise MessageError("no bytes of fedsparse in this message")
    return payload


def _size(reply: Message | None) -> int:
    try:
        return len(_checked(reply))
    except MessageError:
        return 0
