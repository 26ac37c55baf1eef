"""The frame of every message and file: a header that says what it holds, and a checksum over all.

    magic "FSP1" | kind | codec | round | n | layout | reference | payload length | checksum     34 bytes
    payload

`layout` is a hash of the layers' shapes. `reference` is the checksum of the broadcast that a message answers, 0
otherwise. The checksum (CRC-32) covers all the rest.
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

from fedsparse.errors import MessageError
from fedsparse.models import Layout

MAGIC = b"FSP1"  # the last character is the version
HEADER = struct.Struct("<4sBBII8sII")
CHECKSUM = struct.Struct("<I")
CLAIM = struct.Struct("<II")
HEADER_BYTES = HEADER.size + CHECKSUM.size
CODECS = ("packed", "context", "shared")


class Kind(IntEnum):
    """What a message holds."""

    THETA = 1
    MASK = 2
    NETWORK = 3
    RELAY = 4
    WEIGHTS = 16  # from here on those of weights.py
    VOTES = 17
    UPDATE = 18
    SIGNS = 19
    QSGD = 20
    EDEN = 21
    WEIGHT_NETWORK = 22
    STEPS = 23
    SCALARS = 24


@dataclass(frozen=True)
class Header:
    """The fields of a header, once they have been checked."""

    codec: str
    round: int
    n: int
    layout: bytes
    reference: int
    checksum: int


def message_of(kind: Kind, codec: str, round: int, layout: Layout, reference: int, payload: bytes) -> bytes:
    """Header and payload."""
    head = HEADER.pack(MAGIC, kind, CODECS.index(codec), round, layout.n, layout.digest, reference, len(payload))
    return head + CHECKSUM.pack(zlib.crc32(payload, zlib.crc32(head))) + payload


def header_of(message: bytes, kind: Kind) -> Header:
    """The header, its own fields checked, and the checksum over all.

    Raises:
        MessageError: too short, another version, cut off, damaged, or of another kind.
    """
    if len(message) < HEADER_BYTES:
        raise MessageError(f"{len(message)} bytes are too short for a message: a header alone has {HEADER_BYTES}")
    magic, got, codec, round, n, layout, reference, length = HEADER.unpack_from(message)
    (checksum,) = CHECKSUM.unpack_from(message, HEADER.size)
    if magic != MAGIC:
        what = f"version {magic[3:]!r}" if magic[:3] == MAGIC[:3] else f"magic {magic!r}"
        raise MessageError(f"not a message of this version of fedsparse: {what} instead of {MAGIC!r}")
    if length != len(message) - HEADER_BYTES:
        raise MessageError(f"a payload of {len(message) - HEADER_BYTES} bytes where the header announces {length}")
    if checksum != zlib.crc32(memoryview(message)[HEADER_BYTES:], zlib.crc32(message[: HEADER.size])):
        raise MessageError("damaged: the checksum does not fit")
    if got != kind or codec >= len(CODECS):
        raise MessageError(f"a message of kind {got}, codec {codec}, where a {kind.name.lower()} was expected")
    return Header(CODECS[codec], round, n, layout, reference, checksum)


def kind_of(message: bytes) -> int:
    """The kind that a message says it is of; nothing else is checked. 0 if it is too short to say."""
    return message[len(MAGIC)] if len(message) > len(MAGIC) else 0


def claim_of(update: bytes) -> tuple[int, int]:
    """The client and the number of samples that an update claims: every report begins with them.

    Raises:
        MessageError: as `header_of`, of whatever kind it may be, or too short to say.
    """
    kind = kind_of(update)
    header_of(update, Kind(kind) if kind in set(Kind) else Kind.MASK)
    client, samples = unpack(CLAIM, update[HEADER_BYTES:])
    return client, samples


def open_message(message: bytes, kind: Kind, layout: Layout) -> tuple[Header, bytes]:
    """Header and payload of a message for a network of this layout; raises `MessageError` as `header_of`, and for
    another layout."""
    header = header_of(message, kind)
    if (header.n, header.layout) != (layout.n, layout.digest):
        same = " or with other frozen weights" * (header.n == layout.n)
        raise MessageError(f"for a network of {header.n} parameters in another layout{same}; this one has {layout.n}")
    return header, message[HEADER_BYTES:]


def unpack(fields: struct.Struct, payload: bytes) -> tuple:
    """The fields at the beginning of a payload. Raises `MessageError` if they are not all there."""
    if len(payload) < fields.size:
        raise MessageError("the payload is cut off")
    return fields.unpack_from(payload)


def check_same(message: bytes, again: bytes) -> None:
    """Raises `MessageError` unless what was decoded encodes to the same bytes again."""
    if message != again:
        raise MessageError("bytes that no encoder makes: what they decode to is encoded differently")
