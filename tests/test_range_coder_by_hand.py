"""The coder to be read makes what the coder that is used makes."""

from fractions import Fraction

import constriction
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsparse.teaching import range_coder_by_hand
from fedsparse.wire.range_coder import Contexts, range_encode

BITS = st.lists(st.integers(0, 1), max_size=12)
SHARES = st.integers(1, 15).map(lambda k: Fraction(k, 16))


def test_an_interval_by_hand():
    quarter = Fraction(1, 4)
    steps = range_coder_by_hand.subdivide([0, 1, 0], quarter)
    assert steps == [
        (0, 1),
        (0, Fraction(3, 4)),
        (Fraction(9, 16), Fraction(3, 16)),
        (Fraction(9, 16), Fraction(9, 64)),
    ]
    # [0.5625, 0.703125) holds [0.5625, 0.625) = 0.1001 but no eighth: [0.5, 0.625) and [0.625, 0.75) stick out
    assert range_coder_by_hand.shortest(*steps[-1]) == "1001"
    assert range_coder_by_hand.shortest(Fraction(0), Fraction(1)) == ""


@given(BITS, SHARES)
def test_the_width_is_the_probability_and_the_digits_are_at_most_one_more_than_its_surprise_rounded_up(bits, ones):
    low, width = range_coder_by_hand.subdivide(bits, ones)[-1]
    assert width == ones ** sum(bits) * (1 - ones) ** (len(bits) - sum(bits))
    digits = range_coder_by_hand.shortest(low, width)
    assert Fraction(1, 2 ** len(digits)) <= width < Fraction(4, 2 ** len(digits))
    assert range_coder_by_hand.read(digits, ones, len(bits)) == bits


@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(0, 65535))
@settings(deadline=None, max_examples=300)
def test_it_makes_constrictions_very_bytes(seed, count, share):
    bits = (np.random.default_rng(seed).random(count) >= share / 65535).astype(np.int32)
    model = constriction.stream.model.Categorical(np.array([share, 65535 - share]) / 65535, perfect=False)
    encoder = constriction.stream.queue.RangeEncoder()
    encoder.encode(bits, model)
    zeros = range_coder_by_hand.quantized(share / 65535)
    code = range_coder_by_hand.encode(bits.tolist(), zeros)
    assert code == encoder.get_compressed().astype(">u4").tobytes()
    assert range_coder_by_hand.decode(code, zeros, count) == bits.tolist()


def test_the_package_sends_a_table_and_the_same_words():
    mask = (np.random.default_rng(0).random(1000) < 0.2).astype(np.uint8)
    body = range_encode(mask, Contexts.one(1000), 2)
    zeros = range_coder_by_hand.quantized(int.from_bytes(body[:2], "little") / 65535)
    assert np.frombuffer(body[2:], "<u4").astype(">u4").tobytes() == range_coder_by_hand.encode(mask.tolist(), zeros)
