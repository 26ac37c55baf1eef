"""The downlink by relay: a client receives the masks that the others sent, and rebuilds the θ that they add up to.

A client that answered in round r holds that round's θ. With the bodies of all masks of the rounds since, it draws the
same candidates as the server did, counts the same votes, and arrives at the same θ. While masks cost hundredths of a
bit (`shared_randomness.py`), a cohort's masks are far smaller than the θ of many levels that they make::

    λ | clip | one record per round
    a record: round | fingerprint of its θ | twice the number of masks, plus one if weights follow
              | of each mask: clients left out before it, length/16 − 1 of its blocks, weight | length of the numbers
              | numbers of all masks, range coded in one stream

A late mask is a few dozen bytes, so what it need not say again is left out: all masks learn their frequencies together,
and one checksum stands for all, the header's reference to the broadcast that the relay amounts to. Whole numbers are
varints: seven bits a byte, the lowest first, the top bit set on all but the last. A client may hold a later θ than the
server knows of, if its answer was lost: it begins with the record of the round that it holds.
"""

import itertools
import struct
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from fedsparse.errors import MessageError
from fedsparse.theta import Theta, Votes, add_votes
from fedsparse.wire import shared_randomness
from fedsparse.wire.frame import Kind, check_same, message_of, open_message, unpack
from fedsparse.wire.masks import MaskBroadcast, decode_theta, encode_theta

HEAD = struct.Struct("<ff")


class Relayed(Protocol):
    """What took the clients of one round to what those of the next begin from."""

    @property
    def clients(self) -> Collection[int]:
        """Those that answered in the round: they hold what it began from."""

    def pack(self) -> bytes:
        """As it is sent to them."""


R = TypeVar("R", bound=Relayed)


class Mask(NamedTuple):
    """One client's mask, as what it chose."""

    client: int
    weight: int
    """1, or its samples if aggregation is weighted."""
    choice: shared_randomness.Choice


@dataclass(frozen=True)
class Record:
    """All masks of one round, in the order of clients."""

    round: int
    theta: int
    """Fingerprint of the θ that the masks answer."""
    masks: tuple[Mask, ...]

    @property
    def clients(self) -> list[int]:
        """Those whose masks these are."""
        return [mask.client for mask in self.masks]

    def pack(self) -> bytes:
        """As bytes."""
        weighted = any(mask.weight != 1 for mask in self.masks)
        parts = [_varint(self.round), struct.pack("<I", self.theta), _varint(2 * len(self.masks) + weighted)]
        before = -1
        for mask in self.masks:
            parts += [_varint(mask.client - before - 1), bytes([mask.choice.length // shared_randomness.UNIT - 1])]
            parts += [_varint(mask.weight)] if weighted else []
            before = mask.client
        stream = shared_randomness.encode_numbers([number for mask in self.masks for number in mask.choice.numbers])
        return b"".join([*parts, _varint(len(stream)), stream])


def unpack_records(packed: bytes, n: int) -> list[Record]:
    """The records in so many bytes, for a network of n parameters. Raises `MessageError` if they are damaged."""
    records, reader = [], _Reader(packed)
    while reader.at < len(packed):
        records.append(_record(reader, n))
    return records


def _record(reader: "_Reader", n: int) -> Record:
    round, (theta,) = reader.number(), struct.unpack("<I", reader.bytes(4))
    count, weighted = divmod(reader.number(), 2)
    clients, lengths, weights, before = [], [], [], -1
    for _ in range(count):
        before += reader.number() + 1
        clients.append(before)
        lengths.append(shared_randomness.UNIT * (reader.bytes(1)[0] + 1))
        weights.append(reader.number() if weighted else 1)
    counts = [shared_randomness.count_of(length, n) for length in lengths]
    numbers = iter(shared_randomness.decode_numbers(reader.bytes(reader.number()), sum(counts)))
    chosen = [
        shared_randomness.Choice(lg, tuple(itertools.islice(numbers, c))) for lg, c in zip(lengths, counts, strict=True)
    ]
    return Record(round, theta, tuple(map(Mask, clients, weights, chosen)))


def records_for_client(records: Sequence[R], client: int | None) -> list[R]:
    """The records that a client needs: from the last round that it answered in; none if it answered in none."""
    answered = [i for i, record in enumerate(records) if client in record.clients]
    return list(records[answered[-1] :]) if answered else []


def votes_after(theta: Theta, record: Record, seed: int) -> Votes:
    """The votes that a round's masks make: θ's own levels if there is no mask.

    Raises:
        MessageError: another θ than the masks answer; a mask that no client can have sent; a weight of zero.
    """
    if theta.fingerprint() != record.theta:
        raise MessageError(f"relayed masks that answer another θ in round {record.round}")
    if not record.masks:
        return Votes.of_theta(theta)
    probabilities = theta.probabilities()
    ones = np.zeros(len(theta.levels), np.int64)
    for mask in record.masks:
        if not mask.weight:
            raise MessageError(f"a relayed mask of client {mask.client} without weight")
        key = shared_randomness.Key(seed, record.round, mask.client)
        add_votes(ones, shared_randomness.draw(mask.choice, probabilities, key), mask.weight)
    return Votes.of(ones, [mask.weight for mask in record.masks])


def encode_relay(records: Sequence[Record], goal: MaskBroadcast) -> bytes:
    """A broadcast for a client that holds the θ of the first record's round.

    Args:
        records: of every round from the one whose θ is held to the one before the coming one.
        goal: the θ of the coming round.
    """
    payload = HEAD.pack(goal.theta.lam, goal.theta.clip) + b"".join(r.pack() for r in records)
    return message_of(Kind.RELAY, "shared", goal.round, goal.layout, goal.checksum, payload)


@lru_cache(maxsize=8)
def decode_relay(message: bytes, held: MaskBroadcast, seed: int) -> MaskBroadcast:
    """The coming round's θ, rebuilt from the θ that is held; clients in one process that hold the same θ share it.

    Raises:
        MessageError: anything that `encode_relay` would not have made for a client that holds this θ; masks that do not
            add up to the θ that the server has.
    """
    header, payload = open_message(message, Kind.RELAY, held.layout)
    lam, clip = unpack(HEAD, payload)
    records = unpack_records(payload[HEAD.size :], held.layout.n)
    first = header.round - len(records)
    if any(record.round != first + i for i, record in enumerate(records)) or not first <= held.round < header.round:
        raise MessageError(f"a relay to round {header.round} that leaves out rounds since {held.round}")
    if not 0 <= clip < 0.5 or not 0 <= lam < np.inf:
        raise MessageError(f"a relay with a clip of {clip} and a λ of {lam}")
    theta = held.theta
    for record in records[held.round - first :]:
        theta = votes_after(theta, record, seed).theta(clip)
    goal = decode_theta(encode_theta(replace(theta, lam=lam), header.round, held.layout), held.layout)
    if goal.checksum != header.reference:
        raise MessageError("relayed masks that do not add up to the server's θ")
    check_same(message, encode_relay(records, goal))
    return goal


def latest_records(records: Iterable[R], max_bytes: int) -> list[R]:
    """The latest records, as many as fit `max_bytes`: more would be larger than θ itself."""
    found: list[R] = []
    for record in reversed(list(records)):
        max_bytes -= len(record.pack())
        if max_bytes < 0:
            break
        found.insert(0, record)
    return found


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


class _Reader:
    """Numbers and bytes, from the front."""

    def __init__(self, packed: bytes) -> None:
        self.packed, self.at = packed, 0

    def bytes(self, count: int) -> bytes:
        if self.at + count > len(self.packed):
            raise MessageError("the relayed masks are cut off")
        self.at += count
        return self.packed[self.at - count : self.at]

    def number(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.bytes(1)[0]
            value |= (byte & 127) << shift
            if byte < 128 and value < 2**32:
                return value
        raise MessageError("a number of more than 32 bits among the relayed masks")
