"""Flower's nodes as the clients of a federation: they may come late, fall silent, or send what cannot be used.

Nothing that a node does ends a run. An update that cannot be used is logged and left out, and θ is aggregated from the
others. Node ids are random and replies come in any order, so clients are known by their partition id and all sums are
of whole numbers: a run over Flower equals the run in one process, byte for byte.
"""

import csv
import logging
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
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
from fedsparse.errors import DataError, MessageError, RunError, TooFewUpdates
from fedsparse.experiment import Experiment
from fedsparse.flower.client_app import RECORD, payload_of, record_of
from fedsparse.flower.run_config import FlowerSettings
from fedsparse.partition import fingerprint, label_counts, split
from fedsparse.population import WHOLE, LocalUpdate
from fedsparse.wire.frame import claim_of

UNREADABLE = (
    ValueError, LookupError, TypeError, AttributeError, RecursionError, ProtobufError, UnexpectedObjectContentError,
)  # fmt: skip
"""What Flower raises over a reply that it cannot decode; none of these is raised because the SuperLink is gone."""
POLL = 0.2
"""Least number of seconds between two questions for replies."""
REASON_LENGTH = 300
"""Characters of a reason that are noted."""

log = logging.getLogger("flwr.fedsparse")


class NoAnswer(MessageError):
    """A node did not answer in time."""


class Node(NamedTuple):
    """A node that has said which client it is."""

    id: int
    samples: int


class Nodes:
    """Clients that are nodes of Flower (`population.Clients`).

    Args:
        grid: Flower's, or one in this process.
        settings: how long to wait for nodes and replies.
        refused_csv: where updates that were refused or never came are listed; nowhere if None.
        experiment: the settings of the run.
        dataset: the server's data: with `site_classes` only its test set counts, otherwise clients hold parts of it.

    Raises:
        DataError: the images cannot be dealt so, or `site_classes` is not the server's number of classes.
    """

    def __init__(
        self,
        grid: Grid,
        settings: FlowerSettings,
        refused_csv: Path | None,
        experiment: Experiment,
        dataset: Dataset,
        _device: torch.device,
    ) -> None:
        self.grid, self.settings, self.refused_csv, self.experiment = grid, settings, refused_csv, experiment
        self.fingerprint = dataset.fingerprint()
        self.label_counts = np.zeros((0, dataset.classes), np.int64)  # only the sites know theirs
        self.held: dict[str, int] = {}
        """As `holdings`, of all clients that have ever been known in this run."""
        if not settings.site_classes:
            parts = split(dataset.y_train.numpy(), experiment)
            self.label_counts = label_counts(dataset.y_train.numpy(), parts, dataset.classes)
            self.held = {WHOLE: fingerprint(parts, self.fingerprint)}
        elif settings.site_classes != dataset.classes:
            server = f"the server's dataset={dataset.name} has {dataset.classes} classes"
            raise DataError(f"site_classes={settings.site_classes}, and {server}: both must be the same")
        self.nodes: dict[int, Node] = {}
        self.rejected_nodes: set[int] = set()
        self.up_to_date: set[int] = set()
        """Clients whose last update arrived: they still have the message that it answered."""
        self.remember = False
        """Whether any client has said that it remembers something of a round for the next."""
        self.last_refusal = ""
        self.round = 0

    def reachable(self, cohort: Sequence[int]) -> dict[int, bool]:
        """The clients of a cohort whose node is online; the first call waits for as many nodes as there are clients.

        True for a client whose last update arrived: one that fell silent may have lost what it received.

        Raises:
            RunError: no node can take part.
        """
        online = self._wait_for_nodes(1 if self.nodes else self.experiment.clients)
        still_here = {client: node for client, node in self.nodes.items() if node.id in online}
        # A client whose node left is free again: a node that was rejected may be the one to take its place.
        self.rejected_nodes = self.rejected_nodes & online if len(still_here) == len(self.nodes) else set()
        self.nodes = still_here
        self.up_to_date &= still_here.keys()  # another node that takes the client over holds nothing
        self._identify(sorted(online - {node.id for node in self.nodes.values()} - self.rejected_nodes))
        if not self.nodes:
            raise RunError(f"none of {len(online)} nodes can take part: {self.last_refusal}")
        return {k: k in self.up_to_date for k in cohort if k in self.nodes}

    def exchange(
        self, round: int, messages: Mapping[int, bytes], local_update: LocalUpdate
    ) -> Iterator[tuple[int, bytes]]:
        """(client, update) as the updates arrive; a reply that holds none, or another client's, is left out."""
        self.round = round
        self.up_to_date -= set(messages)
        clients = {self.nodes[k].id: k for k in messages}
        sent = [self._message(node, MessageType.TRAIN, {"payload": messages[k]}) for node, k in clients.items()]
        for node, reply in self._replies(sent):
            client, update = clients[node], b""
            try:
                update = payload_of(reply)
                claimed, samples = claim_of(update)
                if (claimed, samples) != (client, self.nodes[client].samples):
                    raise MessageError(f"it says that it is client {claimed} with {samples} images")
            except MessageError as error:
                self._note(client, len(update), str(error))
            else:
                self.up_to_date.add(client)
                self.remember |= record_of(reply).get("remembers") is True
                yield client, update

    def report_rejected(self, rejected: Rejected) -> None:
        """Note the update, and go on."""
        if not isinstance(rejected.error, TooFewUpdates):
            self.up_to_date.discard(rejected.client)
        self._note(rejected.client, rejected.size, str(rejected.error))

    def client_states(self) -> dict[int, dict] | None:
        """None if clients remember anything: it stays at their nodes."""
        return None if self.remember else {}

    def holdings(self) -> dict[str, int]:
        """One checksum if the server's data were dealt; with `site_classes` one for each site that has been online.

        Raises:
            RunError: no node can take part.
        """
        if self.settings.site_classes and not self.nodes:
            self.reachable([])
        return dict(self.held)

    def restore(self, client_states: dict[int, dict] | None, holdings: Mapping[str, int]) -> None:
        """Nothing can be given back: after a restart every client is sent the whole θ.

        Raises:
            RunError: clients kept their optimizer's moments, which ended with the run that was interrupted.
        """
        if self.experiment.optimizer_state == "kept":
            lost = "optimizer_state=kept: the clients' moments ended with the server that was stopped"
            raise RunError(f"{lost}; begin again with another out=, or take optimizer_state=fresh")
        self.remember = client_states is None
        self.held |= {name: held for name, held in holdings.items() if name != WHOLE}

    def _wait_for_nodes(self, count: int) -> set[int]:
        deadline = time.monotonic() + self.settings.node_wait
        while len(online := set(self.grid.get_node_ids())) < count and time.monotonic() < deadline:
            time.sleep(POLL)
        if not online:
            raise RunError(f"no node within node_wait={self.settings.node_wait:g} s")
        if len(online) < count:
            log.warning("%d of %d nodes after %g s: going on with them", len(online), count, self.settings.node_wait)
        return online

    def _identify(self, nodes: list[int]) -> None:
        """Ask each node which client it is. A node that is rejected is not asked again; a silent one is."""
        for node, reply in self._replies([self._message(node, MessageType.QUERY, {}) for node in nodes]):
            try:
                self._add(node, record_of(reply))
            except MessageError as error:
                if not isinstance(error, NoAnswer):
                    self.rejected_nodes.add(node)
                self._note(f"node {node}", 0, str(error))

    def _add(self, node: int, answer: ConfigRecord) -> None:
        client, samples, data = (answer.get(name) for name in ("client", "samples", "data"))
        if not (type(client) is int and 0 <= client < self.experiment.clients and type(samples) is int and samples > 0):
            raise MessageError(f"it says that it is client {client!r} with {samples!r} images")
        if type(data) is not int:
            raise MessageError(f"client {client} gives no checksum of its data")
        if client in self.nodes:
            raise MessageError(f"client {client} is node {self.nodes[client].id} already")
        if not self.settings.site_classes:
            expected = self.label_counts[client].sum(), self.fingerprint
            if (samples, data) != expected:
                raise MessageError(f"client {client} has other data than the server: {self.experiment.dataset} differs")
        elif self.held.setdefault(f"client {client}", data) != data:
            raise MessageError(f"client {client} has other data than earlier in this run")
        self.nodes[client] = Node(node, samples)

    def _message(self, node: int, kind: str, record: dict) -> Message:
        content = RecordDict({RECORD: ConfigRecord(record)})
        return Message(content, node, kind, ttl=self.settings.reply_timeout, group_id=str(self.round))

    def _replies(self, messages: list[Message]) -> Iterator[tuple[int, Message | MessageError]]:
        """(node, reply) for each message, as replies arrive; an error in place of one that is unreadable or missing.

        The sender that a reply names is its own claim. Each reply is therefore asked for by the id of the message that
        it answers: the SuperLink accepts an answer to it from its addressee alone.
        """
        ids = self.grid.push_messages(messages) if messages else []
        waiting = {m.metadata.dst_node_id: id for m, id in zip(messages, ids, strict=True)}  # no id: it was not sent
        deadline = time.monotonic() + self.settings.reply_timeout
        while any(waiting.values()):
            began = time.monotonic()
            for node, id in [(node, id) for node, id in waiting.items() if id]:
                try:
                    replies: list[Message | MessageError] = list(self.grid.pull_messages([id]))
                except UNREADABLE:
                    replies = [MessageError("a reply that Flower cannot read")]
                if replies:
                    del waiting[node]
                    yield node, replies[0]
            if time.monotonic() > deadline:
                break
            if waiting:
                time.sleep(max(POLL, time.monotonic() - began))  # leaves half of the SuperLink's time to its nodes
        for node in waiting:
            yield node, NoAnswer(f"no answer within {self.settings.reply_timeout:g} s")

    def _note(self, client: int | str, size: int, reason: str) -> None:
        printable = "".join(c if c.isprintable() else " " for c in reason)  # a node may have written it
        self.last_refusal = textwrap.shorten(printable, REASON_LENGTH, placeholder=" …")
        log.warning("round %s, client %s: %s", self.round, client, self.last_refusal)
        if self.refused_csv:
            header = [] if self.refused_csv.exists() else [("round", "client", "bytes", "why")]
            with open(self.refused_csv, "a", newline="", encoding="utf-8") as file:
                rows = [*header, (self.round, client, size, self.last_refusal)]
                csv.writer(file, lineterminator="\n").writerows(rows)
