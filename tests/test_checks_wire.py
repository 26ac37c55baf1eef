"""Checks of notebook 04: what is right passes however it is written, and the usual mistakes get a hint."""

import struct
from fractions import Fraction

import numpy as np
import pytest

from fedsparse.entropy import binary_entropy, mask_entropy
from fedsparse.teaching import checks
from fedsparse.teaching.range_coder_by_hand import subdivide


def each_context(weigh):
    return lambda mask, contexts: weigh(
        [(np.mean(contexts == c), float(binary_entropy(mask[contexts == c].mean()))) for c in np.unique(contexts)]
    )


def not_what_is_left(bits, ones):
    low, width = 0.0, 1.0
    for bit in bits:
        low, width = (low + 1 - ones, width * ones) if bit else (low, width * (1 - ones))
    return low, width


def ones_first(bits, ones):
    return tuple(map(float, subdivide([1 - b for b in bits], 1 - Fraction(ones))[-1]))


MISTAKES = {
    "contexts ignored": (checks.conditional_entropy, lambda mask, contexts: mask_entropy(mask)),
    "contexts not weighed": (checks.conditional_entropy, each_context(lambda parts: np.mean([h for _, h in parts]))),
    "a sum, not a mean": (
        checks.conditional_entropy,
        lambda mask, contexts: len(mask) * each_context(lambda parts: sum(w * h for w, h in parts))(mask, contexts),
    ),
    "0 log 0": (
        checks.conditional_entropy,
        lambda mask, contexts: sum(
            -np.mean(contexts == c) * (p * np.log2(p) + (1 - p) * np.log2(1 - p))
            for c in np.unique(contexts)
            for p in [mask[contexts == c].mean()]
        ),
    ),
    "not of what is left": (checks.interval, not_what_is_left),
    "ones below": (checks.interval, ones_first),
    "high end, not width": (
        checks.interval,
        lambda bits, p: np.cumsum(list(map(float, subdivide(bits, Fraction(p))[-1]))),
    ),
    "before the last bit": (checks.interval, lambda bits, p: tuple(map(float, subdivide(bits, Fraction(p))[-2:][0]))),
    "padded fields": (checks.header, lambda m: [struct.unpack_from("4sBBII8sII", m)[i] for i in (3, 4, 7)]),
    "highest byte first": (checks.header, lambda m: [struct.unpack_from(">4sBBII8sII", m)[i] for i in (3, 4, 7)]),
    "one byte of each": (checks.header, lambda m: (m[6], m[10], m[26])),
    "the whole length": (checks.header, lambda m: (*struct.unpack_from("<II", m, 6), len(m))),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.filterwarnings("ignore:.*encountered in.*")
def test_the_usual_mistakes_get_a_hint(mistake, capsys):
    check, answer = MISTAKES[mistake]
    assert not check(answer)
    assert capsys.readouterr().out.startswith("Not yet")


def test_what_is_right_passes_however_it_is_written(capsys):
    assert checks.conditional_entropy(each_context(lambda parts: sum(w * h for w, h in parts)))
    assert checks.interval(lambda bits, ones: list(subdivide(bits, Fraction(ones))[-1]))
    assert checks.header(lambda m: np.array([int.from_bytes(m[i : i + 4], "little") for i in (6, 10, 26)]))
    assert capsys.readouterr().out == "PASS\n" * 3
