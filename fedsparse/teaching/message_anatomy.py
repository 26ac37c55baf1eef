"""A message taken apart: which bytes say what, from the first of the header to the last coded symbol."""

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedsparse.models import Layout
from fedsparse.wire.frame import CHECKSUM, CODECS, HEADER, HEADER_BYTES, Kind
from fedsparse.wire.masks import MAX_CONTEXTS, REPORT, THETA, MaskBroadcast, decode_mask, decode_theta

SAY: dict[str, Callable[[Any], str]] = {
    "magic": bytes.decode,
    "kind": lambda kind: f"{kind}: {Kind(kind).name.lower()}",
    "codec": lambda codec: f"{codec}: {CODECS[codec]}",
    "round": str,
    "n": "{:,} parameters".format,
    "layout": bytes.hex,
    "reference": "{:08x}".format,
    "length": "{:,} bytes follow".format,
    "checksum": "{:08x}".format,
}
"""The fields of a header, in order, and how each puts its value into words."""


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
    contexts, theta = broadcast.contexts, broadcast.theta
    ends = np.cumsum(contexts.counts)
    groups = np.split(theta.levels[contexts.order], ends[:-1])
    names = [f"θ = {'…'.join(map(str, sorted({int(g.min()), int(g.max())})))}/{theta.max_level}" for g in groups]
    return _parts(message, "report", REPORT, ("client", "samples", "loss", "kl"), names, 1)


def of_theta(message: bytes, layout: Layout) -> list[Part]:
    """The parts of a broadcast of `encode_theta`, in order and without gaps.

    Raises:
        MessageError: not a θ for this layout.
    """
    max_level = decode_theta(message, layout).theta.max_level
    names = [f"layer {i}" for i in range(len(layout.sizes))] if max_level < MAX_CONTEXTS else ["all layers"]
    return _parts(message, "θ's fields", THETA, ("max_level", "clip", "λ"), names, max_level)


def _parts(
    message: bytes, group: str, fields: struct.Struct, names: Sequence[str], contexts: Sequence[str], top: int
) -> list[Part]:
    """Header, fields, a table of `top` cumulative frequencies for each context, and the coded symbols."""
    header = struct.Struct(HEADER.format + CHECKSUM.format.removeprefix("<"))
    parts = _fields("header", header, list(SAY), message, 0) + _fields(group, fields, names, message, HEADER_BYTES)
    at = parts[-1].stop
    coded = f"{len(message) - at:,} bytes, as they are"
    if message[5] == CODECS.index("context"):
        for name in contexts:
            shares = np.frombuffer(message[at : at + 2 * top], "<u2") / 65535
            several = f"shares up to level 0, 1, …: {', '.join(f'{s:.2f}' for s in shares)}"
            said = f"share of zeros {shares[0]:.3f}" if top == 1 else several
            parts.append(Part("tables", name, at, at := at + 2 * top, said))
        coded = f"{(len(message) - at) // 4:,} words of 32 bits"
    return [*parts, Part("symbols", "symbols", at, len(message), coded)]


def _fields(group: str, fields: struct.Struct, names: Sequence[str], message: bytes, at: int) -> list[Part]:
    """One part a field of a little-endian struct that begins at byte `at`."""
    parts = []
    codes = re.findall(r"\d*[a-zA-Z]", fields.format)
    for name, code, value in zip(names, codes, fields.unpack_from(message, at), strict=True):
        said = SAY.get(name, "{:.6g}".format)(value)
        parts.append(Part(group, name, at, at := at + struct.calcsize("<" + code), said))
    return parts
