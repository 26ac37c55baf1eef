"""Symbols to bits and back: packed as they are, or range coded with one distribution per context.

The range coder is constriction's (Bamler, 2022). The encoder counts frequencies, quantizes them to 16 bits and puts
them in front of the coded symbols, so that both ends build the same distributions from the same whole numbers.
"""

import constriction
import numpy as np

from fedsparse.errors import MessageError


def pack_bits(bits: np.ndarray) -> bytes:
    """Zeros and ones, eight per byte; the last byte is filled up with zeros."""
    return np.packbits(bits).tobytes()


def unpack_bits(body: bytes, count: int) -> np.ndarray:
    """The inverse of `pack_bits`: (count,) uint8. Raises `MessageError` if there are not just as many bytes."""
    if len(body) != -(-count // 8):
        raise MessageError(f"{len(body)} bytes of packed bits where {-(-count // 8)} were expected")
    return np.unpackbits(np.frombuffer(body, np.uint8), count=count)


def pack_levels(levels: np.ndarray, max_level: int) -> bytes:
    """Whole numbers 0 … max_level, (n,) uint8, each in as few bits as `max_level` needs."""
    return pack_bits(np.unpackbits(levels[:, None], axis=1)[:, -max_level.bit_length() :])


def unpack_levels(body: bytes, n: int, max_level: int) -> np.ndarray:
    """The inverse of `pack_levels`. Raises `MessageError` for a wrong length, or a number above `max_level`."""
    width = max_level.bit_length()
    bits = np.zeros((n, 8), np.uint8)
    bits[:, -width:] = unpack_bits(body, n * width).reshape(n, width)
    levels = np.packbits(bits, axis=1)[:, 0]
    if levels.max() > max_level:
        raise MessageError(f"a level of θ above the highest, {max_level}")
    return levels


class Contexts:
    """Which symbols share a distribution: the order that groups them, found once for all masks of a round.

    Args:
        numbers: the context of each symbol, (n,) integers from 0 to 255.
    """

    def __init__(self, numbers: np.ndarray) -> None:
        self.order = np.argsort(numbers.astype(np.uint8), kind="stable")  # 8 bits: a radix sort in one pass
        counts = np.bincount(numbers)
        self.counts: list[int] = counts[counts > 0].tolist()
        """Symbols in each context that occurs."""

    @classmethod
    def one(cls, count: int) -> "Contexts":
        """The same for all `count` symbols."""
        return cls(np.zeros(count, np.intp))

    def __len__(self) -> int:
        return len(self.order)


def _models(tables: np.ndarray) -> list:
    """One distribution per row of cumulative 16-bit frequencies."""
    rows = np.diff(tables.astype(np.int64), axis=1, prepend=0, append=65535)
    return [constriction.stream.model.Categorical(row / 65535, perfect=False) for row in rows]


def range_encode(symbols: np.ndarray, contexts: Contexts, alphabet: int) -> bytes:
    """Frequencies of the symbols 0 … alphabet−1 in each context that occurs, then the range-coded symbols.

    Args:
        symbols: whole numbers, (n,).
        contexts: of the symbols; the decoder has to know them.
    """
    counts = contexts.counts
    grouped = np.split(symbols[contexts.order].astype(np.int32), np.cumsum(counts)[:-1])
    tables = _tables(grouped, alphabet)
    encoder = constriction.stream.queue.RangeEncoder()
    for group, model in zip(grouped, _models(tables), strict=True):
        encoder.encode(group, model)
    return tables.tobytes() + encoder.get_compressed().astype("<u4").tobytes()


def _tables(grouped: list[np.ndarray], alphabet: int) -> np.ndarray:
    """Cumulative 16-bit frequencies of the symbols in each group, (groups, alphabet − 1)."""
    if alphabet == 2:  # a mask: several times as fast as counting each symbol
        histograms = np.array([[len(group) - np.count_nonzero(group)] for group in grouped])
    else:
        histograms = np.stack([np.bincount(group, minlength=alphabet)[:-1] for group in grouped])
    counts = np.array([len(group) for group in grouped])
    return np.rint(np.cumsum(histograms, axis=1) * 65535 / counts[:, None]).astype("<u2")


def range_decode(body: bytes, contexts: Contexts, alphabet: int) -> np.ndarray:
    """The inverse of `range_encode`: (n,) of the narrowest unsigned type that holds the alphabet.

    The frequencies have to be those of the symbols. Of the coded words only the end is left open: the last one, which
    may be one of several, and one more.

    Raises:
        MessageError: the bytes are cut off or too many, or cannot have come from an encoder with these contexts.
    """
    counts = contexts.counts
    size = len(counts) * (alphabet - 1) * 2
    if len(body) < size or (len(body) - size) % 4:
        raise MessageError("the coded symbols are cut off")
    tables = np.frombuffer(body[:size], "<u2").reshape(len(counts), alphabet - 1)
    if np.any(np.diff(tables.astype(np.int64), axis=1) < 0):
        raise MessageError("frequencies that decrease")
    decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(body[size:], "<u4").astype(np.uint32))
    try:
        grouped = [decoder.decode(model, count) for model, count in zip(_models(tables), counts, strict=True)]
    except AssertionError as error:
        raise MessageError("coded symbols that do not fit their frequencies") from error
    if not np.array_equal(tables, _tables(grouped, alphabet)):
        raise MessageError("frequencies that are not those of the coded symbols")
    if not decoder.maybe_exhausted():
        raise MessageError("more bytes than the coded symbols take")
    symbols = np.empty(len(contexts), np.min_scalar_type(alphabet - 1))
    for order, group in zip(np.split(contexts.order, np.cumsum(counts)[:-1]), grouped, strict=True):
        symbols[order] = group.astype(symbols.dtype)  # narrowed first: scattering is what takes the time
    return symbols
