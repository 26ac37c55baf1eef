"""Aggregation: updates that arrive one by one become the server's next state; one that is unusable is left out.

All sums are of whole numbers, so the result does not depend on the order in which updates arrive.
"""

import math
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from fedsparse.entropy import layer_entropy, mask_entropy
from fedsparse.errors import MessageError, TooFewUpdates
from fedsparse.theta import Votes, add_votes
from fedsparse.wire import shared_randomness
from fedsparse.wire.masks import MaskBroadcast, Report, decode_mask, mask_body


class Rejected(NamedTuple):
    """An update that was left out, and the reason."""

    client: int
    size: int
    """In bytes."""
    error: MessageError


class Aggregated(NamedTuple):
    """What a round's updates came to."""

    state: Any
    """The server's next state."""
    measures: dict[str, float]
    """Means over the clients of what was measured on their updates; λ of the round."""
    uplink: dict[int, int]
    """Bytes of each update that was used, by client."""
    rejected: list[Rejected]
    of_client: dict[int, dict[str, float]]
    """What was measured on each update that was used, by client."""


class Aggregator(Protocol):
    """A running sum of updates."""

    def add(self, client: int, update: bytes) -> None:
        """Count one update. Raises `MessageError`, and is then as it was before, if the update is unusable."""


A = TypeVar("A", bound=Aggregator)


def check_sender(report: Report, client: int, counted: Container[int], round: int) -> None:
    """Raises `MessageError` if an update says that it is another client's, or its client has been counted already."""
    if report.client != client:
        raise MessageError(f"an update from client {client} says that it is client {report.client}'s")
    if client in counted:
        raise MessageError(f"client {client} has already answered in round {round}")


def collect(
    updates: Iterable[tuple[int, bytes]], empty: Callable[[], A], min_updates: int = 0
) -> tuple[A, dict[int, int], list[Rejected]]:
    """Count the updates of a round as they arrive.

    Args:
        updates: (client, update) pairs, read once.
        empty: makes an aggregator that has counted nothing.
        min_updates: with fewer usable updates than this all are rejected, and the result is empty.

    Returns:
        The aggregator, the bytes of each update that it counted, by client, and the updates that were rejected.
    """
    aggregator, used, rejected = empty(), dict[int, int](), list[Rejected]()
    for client, update in updates:
        try:
            aggregator.add(client, update)
        except MessageError as error:
            rejected.append(Rejected(client, len(update), error))
        else:
            used[client] = len(update)
    if len(used) < min_updates:
        too_few = TooFewUpdates(f"{len(used)} usable updates in this round, and the minimum is {min_updates}")
        return empty(), {}, rejected + [Rejected(client, size, too_few) for client, size in used.items()]
    return aggregator, used, rejected


def means(of_client: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
    """Mean over the clients of what was measured on each update; `math.fsum` keeps it free of their order."""
    every = list(of_client.values())
    return {name: math.fsum(m[name] for m in every) / len(every) for name in every[0]} if every else {}


@dataclass
class MaskAggregator:
    """Masks of one round, added as they arrive; memory O(n) whatever their number."""

    broadcast: MaskBroadcast
    """The θ that the masks answer."""
    seed: int | None = None
    """Of the randomness that is shared with the clients, if masks are coded with it."""
    weighted: bool = False
    """Count each client by its number of samples instead of once."""
    previous: Votes | None = None
    """Votes of earlier rounds to add to (the Beta posterior between resets)."""
    weights: dict[int, int] = field(default_factory=dict)
    choices: dict[int, shared_randomness.Choice] = field(default_factory=dict)
    """What each client chose, if masks are coded with shared randomness: what a relay passes on."""
    measures: dict[int, dict[str, float]] = field(default_factory=dict)
    """By client: what was measured on its mask."""

    def __post_init__(self) -> None:
        self.ones = np.zeros(self.broadcast.layout.n, np.int64)

    def add(self, client: int, update: bytes) -> None:
        """Count one client's mask.

        Raises:
            MessageError: no mask for this round's θ, or as `check_sender`; the aggregator is then as it was before.
        """
        mask, report = decode_mask(update, self.broadcast, self.seed)
        check_sender(report, client, self.weights, self.broadcast.round)
        self.weights[client] = report.samples if self.weighted else 1
        if self.seed is not None:
            self.choices[client] = shared_randomness.choice_of(mask_body(update), len(mask))
        add_votes(self.ones, mask, self.weights[client])
        self.measures[client] = self._measure(mask, report)

    def merge(self, other: "MaskAggregator") -> None:
        """Count all that another aggregator has counted: sums of masks are sums, so a tree of them ends as one.

        Raises:
            MessageError: the other one counts masks for another θ, or one of its clients has been counted here. This
                aggregator is then as it was before.
        """
        if other.broadcast.checksum != self.broadcast.checksum:
            raise MessageError("an aggregator of masks for another θ than this round's broadcast")
        if both := sorted(self.weights.keys() & other.weights.keys()):
            raise MessageError(f"client {both[0]} is in both aggregators of round {self.broadcast.round}")
        self.ones += other.ones
        self.weights |= other.weights
        self.choices |= other.choices
        self.measures |= other.measures

    def _measure(self, mask: np.ndarray, report: Report) -> dict[str, float]:
        return {
            "loss": report.loss,
            "density": np.count_nonzero(mask) / len(mask),
            "bpp_entropy": mask_entropy(mask),
            "bpp_layer": layer_entropy(mask, self.broadcast.layout.sizes),
            "bpp_kl": report.kl,
        }

    def votes(self) -> Votes:
        """The votes counted so far; if no mask arrived, those of earlier rounds, or those of the θ as it was."""
        if not self.weights:
            return self.previous or Votes.of_theta(self.broadcast.theta)
        votes = Votes.of(self.ones, self.weights.values())
        return votes + self.previous if self.previous else votes
