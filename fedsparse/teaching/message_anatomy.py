"""A message taken apart: which bytes say what, from the first of the header to the last coded symbol."""

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedsparse.models import Layout
from fedsparse.wire.frame import CHECKSUM, CODECS, HEADER, HEADER_BYTES, Kind
from fedsparse.wire.masks import MAX_CONTEXTS, REPORT, THETA, MaskBroadcast, decode_mask, decode_theta


@dataclass(frozen=True)
class Part:
    """Some bytes of a message, start … stop − 1, that together say one thing."""

    group: str
    """header, report, θ's fields, tables or symbols."""
    name: str
    start: int
    stop: int
    value: str
    """What they say."""

    def __len__(self) -> int:
        return self.stop - self.start


def of_mask(message: bytes, broadcast: MaskBroadcast) -> list[Part]:
    """The parts of an update of `encode_mask`, in order and without gaps.

    Raises:
        MessageError: not such an update for this broadcast.
    """
    decode_mask(message, broadcast)
    told = _fields(
        "report", REPORT, dict.fromkeys(("client", "samples", "loss", "kl"), "{:.6g}".format), message, HEADER_BYTES
    )
    contexts, theta = broadcast.contexts, broadcast.theta
    ends = np.cumsum(contexts.counts)
    groups = np.split(theta.levels[contexts.order], ends[:-1])
    names = [f"θ = {'…'.join(map(str, sorted({int(g.min()), int(g.max())})))}/{theta.max_level}" for g in groups]
    return _header(message) + told + _body(message, told[-1].stop, names, 1)


def of_theta(message: bytes, layout: Layout) -> list[Part]:
    """The parts of a broadcast of `encode_theta`, in order and without gaps.

    Raises:
        MessageError: not a θ for this layout.
    """
    max_level = decode_theta(message, layout).theta.max_level
    said = _fields(
        "θ's fields", THETA, dict.fromkeys(("max_level", "clip", "λ"), "{:.6g}".format), message, HEADER_BYTES
    )
    names = [f"layer {i}" for i in range(len(layout.sizes))] if max_level < MAX_CONTEXTS else ["all layers"]
    return _header(message) + said + _body(message, said[-1].stop, names, max_level)


def _header(message: bytes) -> list[Part]:
    say: dict[str, Callable[[Any], str]] = {
        "magic": bytes.decode,
        "kind": lambda kind: f"{kind}: {Kind(kind).name.lower()}",
        "codec": lambda codec: f"{codec}: {CODECS[codec]}",
        "round": str,
        "n": "{:,} parameters".format,
        "layout": bytes.hex,
        "reference": "{:08x}".format,
        "length": "{:,} bytes follow".format,
    }
    parts = _fields("header", HEADER, say, message, 0)
    return parts + _fields("header", CHECKSUM, {"checksum": "{:08x}".format}, message, HEADER.size)


def _fields(
    group: str, fields: struct.Struct, say: Mapping[str, Callable[[Any], str]], message: bytes, at: int
) -> list[Part]:
    """One part a field of a little-endian struct that begins at byte `at`; `say` puts its value into words."""
    parts = []
    codes = re.findall(r"\d*[a-zA-Z]", fields.format)
    for (name, words), code, value in zip(say.items(), codes, fields.unpack_from(message, at), strict=True):
        parts.append(Part(group, name, at, at := at + struct.calcsize("<" + code), words(value)))
    return parts


def _body(message: bytes, at: int, contexts: Sequence[str], top: int) -> list[Part]:
    """What follows the fields: a table of `top` cumulative frequencies a context, then the coded symbols."""
    coded = f"{len(message) - at:,} bytes, as they are"
    parts = []
    if message[5] == CODECS.index("context"):
        for name in contexts:
            shares = np.frombuffer(message[at : at + 2 * top], "<u2") / 65535
            said = ", ".join(f"{s:.3f}" if top == 1 else f"{s:.2f}" for s in shares)
            said = f"share of zeros {said}" if top == 1 else f"shares up to level 0, 1, …: {said}"
            parts.append(Part("tables", name, at, at := at + 2 * top, said))
        coded = f"{(len(message) - at) // 4:,} words of 32 bits"
    return [*parts, Part("symbols", "symbols", at, len(message), coded)]
