"""A sampled mask for little more than its KL divergence from θ: coding with shared randomness.

Client and server hold θ, and draw the same numbered candidates from it, with one Philox stream per client and round.
The client chooses one, with a probability that grows with its likelihood under σ(s) relative to θ, and sends its
number; the server draws that candidate alone. The message costs the choice and not the noise of sampling: about KL(σ(s)
‖ θ).

- *Blocks.* 2^bits candidates suffice for a KL a few bits smaller than `bits`, so the mask is cut into such blocks.
  Parameter j belongs to block j mod B: every block has its share of every layer, so all have nearly the same KL, and no
  borders are sent, only a length.
- *Choice.* The client chooses the candidate k with the smallest T_k / w_k, where w_k is its importance weight and
  T_1 < T_2 < … are the ordered times of as many exponential clocks: ordered random coding (Theis & Yosri, ICML 2022).
  The mask's law is that of minimal random coding (Havasi et al., 2019), but small numbers are chosen more often, and
  are sent in fewer bits.
- *Bias.* With finitely many candidates the mean of the masks is not σ(s): it lies between θ and
  σ(s), 10 to 20 % of the way short of σ(s) with 3 spare bits, and closer with more, at a higher rate.
- *Numbers.* k is sent as its length in binary, range coded with the frequencies seen so far, and its further bits.

The body of a message:

    length/16 − 1 | checksum of the mask | range-coded numbers                                            1 + 4 bytes

Candidates are comparisons of whole numbers, 16 bits against 65,536 θ: the same on every machine. Only a client computes
with logarithms, and what it chose is what it sends.
"""

import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import constriction
import numpy as np

from fedsparse.entropy import kl_divergence
from fedsparse.errors import MessageError
from fedsparse.randomness import philox, uniforms

BITS = 8
SPARE = 3
UNIT = 16
"""Uniforms in one step of Philox's counter, four words of four. A block's length is a multiple of it."""
MAX_LENGTH = 256 * UNIT
CHUNK = 2**19
"""Uniforms that are drawn at once; few enough for a processor's cache."""
HEAD = struct.Struct("<BI")


class Key(NamedTuple):
    """Key of a stream of candidates: the same at both ends, and never used twice."""

    seed: int
    round: int
    client: int


class Choice(NamedTuple):
    """A client's choice: with θ and a key, it determines the mask."""

    length: int
    """Parameters in a block, a multiple of 16."""
    numbers: tuple[int, ...]
    """Of the chosen candidate of each block, from 1."""


def encode(q: np.ndarray, p: np.ndarray, key: Key, bits: int = BITS, spare: float = SPARE) -> bytes:
    """One mask m whose law is close to Bernoulli(q), for a receiver that knows p.

    Close while a block of 16 parameters has no more KL than `bits` − `spare`, some 0.3 bpp; beyond, lossless coding is
    cheaper anyway.

    Args:
        q: what the client trained, σ(s), (n,).
        p: θ as broadcast, (n,) float32. Both are kept in [2⁻¹⁶, 1 − 2⁻¹⁶].
        bits: a block has 2^bits − 1 candidates, and the work is n times as many. Both ends know it.
        spare: by how many bits the KL of a block is less than `bits`.
    """
    thresholds = _thresholds(p)
    likely = thresholds / 65536
    q = np.clip(np.asarray(q, np.float64), 2.0**-16, 1 - 2.0**-16)
    length = _length(len(q), len(q) * kl_divergence(q, likely), bits - spare)
    limits = _blocks(thresholds, length)
    # log w = Σ mⱼ (logit qⱼ − logit pⱼ), up to what all candidates of a block have in common.
    gains = _blocks((np.log(q / (1 - q)) - np.log(likely / (1 - likely))).astype(np.float32), length)

    count = 2**bits - 1
    stream = philox(key.seed, "shared", key.round, key.client)
    numbers, mask = np.empty(len(limits), np.int64), np.empty(limits.shape, np.bool_)
    step = max(1, CHUNK // (count * length))
    for start in range(0, len(limits), step):
        part = slice(start, start + step)
        rows = len(limits[part])
        candidates = _uniforms(stream, rows * count * length).reshape(rows, count, length) < limits[part, None]
        # Not a product of matrices: these sums are the same for any number of threads.
        weights = np.einsum("bkl,bl->bk", candidates.astype(np.float32), gains[part])
        clocks = -np.log(uniforms(rows * count, *_clocks(key), start)).reshape(rows, count) / np.arange(count, 0, -1)
        chosen = np.argmax(weights - np.log(np.cumsum(clocks, axis=1)), axis=1)
        numbers[part] = chosen + 1
        mask[part] = candidates[np.arange(rows), chosen]
    head = HEAD.pack(length // UNIT - 1, _checksum(_unblock(mask, len(q))))
    return head + encode_numbers(numbers.tolist(), bits)


def decode(body: bytes, p: np.ndarray, key: Key, bits: int = BITS) -> np.ndarray:
    """The mask, (n,) uint8, in a body that `encode` made for the same p, key and bits.

    Raises:
        MessageError: anything that `encode` would not have made; another θ, seed, round or client.
    """
    mask = draw(choice_of(body, len(p), bits), p, key, bits)
    if _checksum(mask) != HEAD.unpack_from(body)[1]:
        raise MessageError("numbers of other candidates: coded with another θ, seed, round or client")
    return mask


@lru_cache(maxsize=1)  # a server decodes the mask, and keeps the choice that it is made of
def choice_of(body: bytes, n: int, bits: int = BITS) -> Choice:
    """The choice in a body, for a network of n parameters. Raises `MessageError` if it is damaged."""
    if len(body) < HEAD.size:
        raise MessageError("the coded numbers are cut off")
    length = UNIT * (HEAD.unpack_from(body)[0] + 1)
    return Choice(length, tuple(decode_numbers(body[HEAD.size :], count_of(length, n), bits)))


def count_of(length: int, n: int) -> int:
    """Blocks of this length in n parameters. Raises `MessageError` for blocks longer than n."""
    if length >= n + UNIT:
        raise MessageError(f"blocks of {length} in a network of {n} parameters")
    return -(-n // length)


def draw(choice: Choice, p: np.ndarray, key: Key, bits: int = BITS) -> np.ndarray:
    """The mask of a choice, (n,) uint8: of each block, the candidate of its number and no other."""
    limits = _blocks(_thresholds(p), choice.length)
    stream = philox(key.seed, "shared", key.round, key.client)
    mask, steps, position = np.empty(limits.shape, np.bool_), choice.length // UNIT, 0
    for block, number in enumerate(choice.numbers):
        target = (block * (2**bits - 1) + number - 1) * steps
        stream.advance(target - position)
        mask[block] = _uniforms(stream, choice.length) < limits[block]
        position = target + steps
    return _unblock(mask, len(p))


# --- candidates ------------------------------------------------------------------------------------------------------


def _thresholds(p: np.ndarray) -> np.ndarray:
    """65,536 p, (n,) uint16, from 1 to 65,535: a uniform of 16 bits is below it with probability p."""
    return np.clip(np.rint(np.asarray(p, np.float32) * 65536), 1, 65535).astype(np.uint16)


def _uniforms(stream: np.random.Philox, count: int) -> np.ndarray:
    """The next `count` uniforms of 16 bits, low bits of a word first."""
    return stream.random_raw(count // 4).astype("<u8", copy=False).view("<u2")


def _clocks(key: Key) -> tuple[int, str, int, int]:
    return key.seed, "clocks", key.round, key.client


def _length(n: int, kl: float, most: float) -> int:
    """Parameters a block, for about `most` bits of KL in each: a multiple of 16 that fits n and, as units, a byte."""
    units = round(most * n / max(kl, 1e-9) / UNIT)
    return UNIT * max(1, min(units, -(-n // UNIT), MAX_LENGTH // UNIT))


def _blocks(values: np.ndarray, length: int) -> np.ndarray:
    """(B, length), parameter j in row j mod B; zeros where there are none left."""
    count = -(-len(values) // length)
    padded = np.zeros(count * length, values.dtype)
    padded[: len(values)] = values
    return np.ascontiguousarray(padded.reshape(length, count).T)


def _unblock(blocks: np.ndarray, n: int) -> np.ndarray:
    """The inverse of `_blocks`, as uint8."""
    return blocks.T.astype(np.uint8).reshape(-1)[:n]


def _checksum(mask: np.ndarray) -> int:
    return zlib.crc32(np.packbits(mask).tobytes())


# --- numbers ---------------------------------------------------------------------------------------------------------


def _length_model(seen: list[int]) -> constriction.stream.model.Categorical:
    """Distribution of the next number's length, from how often each has been seen, plus a half."""
    return constriction.stream.model.Categorical(np.array(seen) + 0.5, perfect=False)


def encode_numbers(numbers: Sequence[int], bits: int = BITS) -> bytes:
    """Numbers 1 … 2^bits − 1: of each its length in binary, then what follows its leading one."""
    encoder = constriction.stream.queue.RangeEncoder()
    seen = [0] * bits
    for number in numbers:
        rest = number.bit_length() - 1
        encoder.encode(rest, _length_model(seen))
        seen[rest] += 1
        if rest:
            encoder.encode(number - (1 << rest), constriction.stream.model.Uniform(1 << rest))
    return encoder.get_compressed().astype("<u4").tobytes()


def decode_numbers(body: bytes, count: int, bits: int = BITS) -> list[int]:
    """The inverse of `encode_numbers`. Raises `MessageError` for bytes that it would not have made."""
    if len(body) % 4:
        raise MessageError("the coded numbers are cut off")
    decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(body, "<u4").astype(np.uint32))
    seen = [0] * bits
    numbers = []
    try:
        for _ in range(count):
            rest = int(decoder.decode(_length_model(seen)))
            seen[rest] += 1
            further = int(decoder.decode(constriction.stream.model.Uniform(1 << rest))) if rest else 0
            numbers.append((1 << rest) + further)
    except AssertionError as error:
        raise MessageError("coded numbers that do not fit their frequencies") from error
    if encode_numbers(numbers, bits) != body:
        raise MessageError("bytes that no encoder makes: the numbers in them are encoded differently")
    return numbers
