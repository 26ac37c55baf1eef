"""A range coder to be read: an interval in exact fractions, as by hand, then the same in whole numbers.

Messages are coded by constriction (`wire/range_coder.py`). What is here codes one mask of zeros and ones with one
frequency, in plain Python, and `encode` gives constriction's very bytes: Martin (1979), as in Bamler (2022).
"""

from collections.abc import Sequence
from fractions import Fraction

WORD = 32
"""Bits that leave the coder at a time."""
PRECISION = 24
"""Bits of a quantized probability."""


def subdivide(bits: Sequence[int], ones: Fraction) -> list[tuple[Fraction, Fraction]]:
    """The interval [low, low + width) before the first bit, [0, 1), and after each: `len(bits)` + 1 pairs low, width.

    Each bit takes its part of what is left: a 0 the lower 1 − `ones` of it, a 1 the rest.
    """
    low, width = Fraction(0), Fraction(1)
    steps = [(low, width)]
    for bit in bits:
        zeros = width * (1 - ones)
        low, width = (low + zeros, width - zeros) if bit else (low, zeros)
        steps.append((low, width))
    return steps


def shortest(low: Fraction, width: Fraction) -> str:
    """The fewest binary digits d₁d₂… for which every number that begins with 0.d₁d₂… lies in [low, low + width)."""
    digits = 0
    while True:
        number = -(-low * 2**digits // 1)  # the first multiple of 2^−digits that is not below low
        if number + 1 <= (low + width) * 2**digits:
            return f"{int(number):0{digits}b}" if digits else ""
        digits += 1


def read(digits: str, ones: Fraction, count: int) -> list[int]:
    """The inverse of `shortest` after `subdivide`: the `count` bits whose interval holds 0.d₁d₂…"""
    point = Fraction(int(digits or "0", 2), 2 ** len(digits))
    bits: list[int] = []
    for _ in range(count):
        low, width = subdivide(bits, ones)[-1]
        bits.append(int(point >= low + width * (1 - ones)))
    return bits


def quantized(zeros: float) -> int:
    """The share of zeros in parts of 2²⁴, rounded as constriction does; neither bit is ever impossible."""
    return int(zeros * (2**PRECISION - 2)) + 1


def encode(bits: Sequence[int], zeros: int) -> bytes:
    """What constriction's range coder makes of these bits, given the share of zeros as from `quantized`.

    The interval is kept in whole numbers. `width` has at most 64 bits, since whenever it falls below 2³², a word of
    `low` is settled but for a carry, and both move up by a word.
    """
    low, width, words = 0, 2 ** (2 * WORD) - 1, 1
    for bit in bits:
        part = width >> PRECISION
        low, width = (low + part * zeros, part * (2**PRECISION - zeros)) if bit else (low, part * zeros)
        if width < 2**WORD:
            low, width, words = low << WORD, width << WORD, words + 1
    if not bits:
        return b""
    last = low + 2**WORD - 1 >> WORD  # the first whole word that is not below low
    again = last == low + width >> WORD  # the interval ends within that word: another one says where
    return last.to_bytes(4 * words, "big") + bytes(4 * again)


def decode(code: bytes, zeros: int, count: int) -> list[int]:
    """The inverse of `encode`."""
    later = [code[i : i + 4] for i in range(8, len(code), 4)]
    value, low, width = int.from_bytes(code[:8].ljust(8, b"\0"), "big"), 0, 2 ** (2 * WORD) - 1
    bits = []
    for _ in range(count):
        part = width >> PRECISION
        bit = int(value - low >= part * zeros)
        bits.append(bit)
        low, width = (low + part * zeros, part * (2**PRECISION - zeros)) if bit else (low, part * zeros)
        if width < 2**WORD:
            word = int.from_bytes(later.pop(0), "big") if later else 0
            value, low, width = value << WORD | word, low << WORD, width << WORD
    return bits
