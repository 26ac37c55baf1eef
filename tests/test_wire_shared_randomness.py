"""Coding with shared randomness: the same masks everywhere, a law near σ(s), few bits, and refusal of anything else."""

import hashlib
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsparse import MessageError
from fedsparse.entropy import kl_divergence
from fedsparse.randomness import philox
from fedsparse.wire import shared_randomness
from fedsparse.wire.shared_randomness import HEAD, Key, decode, encode

KEY = Key(seed=5, round=3, client=7)


def thetas(n: int) -> np.ndarray:
    """Levels 0 … 10 of 10 in a fixed order, kept in [0.01, 0.99]: (n,) float32."""
    levels = np.arange(n) * 7 % 11
    return np.clip(levels / 10, 0.01, 0.99).astype(np.float32)


def trained(p: np.ndarray, spread: float = 0.35) -> np.ndarray:
    """Probabilities as local training leaves them: scores moved by a normal of this spread; some 0.01 bpp of KL."""
    scores = np.log(p / (1 - p)) + spread * np.random.default_rng(1).normal(size=len(p))
    return 1 / (1 + np.exp(-scores))


def by_hand(numbers: list[int], bits: int, length: int, p: np.ndarray, key: Key) -> np.ndarray:
    """The mask of these numbers, parameter by parameter, from Philox's words and the layout that the module states."""
    blocks, candidates = -(-len(p) // length), 2**bits - 1
    words = philox(key.seed, "shared", key.round, key.client).random_raw(blocks * candidates * length // 4).tolist()
    mask = np.zeros(len(p), np.uint8)
    for j in range(len(p)):
        block, place = j % blocks, j // blocks
        at = (block * candidates + numbers[block] - 1) * length + place
        uniform = words[at // 4] >> (16 * (at % 4)) & 0xFFFF
        mask[j] = uniform < round(float(p[j]) * 65536)
    return mask


def body_of(numbers: list[int], bits: int, length: int, p: np.ndarray, key: Key = KEY) -> bytes:
    checksum = zlib.crc32(np.packbits(by_hand(numbers, bits, length, p, key)).tobytes())
    return HEAD.pack(length // 16 - 1, checksum) + shared_randomness.encode_numbers(numbers, bits)


# --- the same everywhere ---------------------------------------------------------------------------------------------

FROZEN = {  # bits, length, numbers -> body, first 16 bytes of SHA-256 of the mask, for 1,000 θ and KEY
    (4, 256, (1, 15, 8, 2)): ("0f566fc191cccc843f", "21ffdce0636cab521b2fa1ccda2d8c44"),
    (8, 112, (1, 255, 128, 2, 77, 1, 1, 3, 200)): (
        "062935b6162867fe1f56838096",
        "7667bc87201d0eba763ecd8a79f2cca0",
    ),
}


@pytest.mark.parametrize("case", FROZEN, ids=str)
def test_frozen_bodies_decode_to_frozen_masks(case):
    bits, length, numbers = case
    body, digest = FROZEN[case]
    mask = decode(bytes.fromhex(body), thetas(1000), KEY, bits)
    assert hashlib.sha256(mask.tobytes()).hexdigest()[:32] == digest
    assert np.array_equal(mask, by_hand(list(numbers), bits, length, thetas(1000), KEY))
    assert body_of(list(numbers), bits, length, thetas(1000)).hex() == body


@given(st.data())
@settings(deadline=None)
def test_decoded_masks_are_the_numbered_candidates(data):
    n, bits = data.draw(st.integers(1, 200)), data.draw(st.integers(4, 6))
    length = 16 * data.draw(st.integers(1, -(-n // 16)))
    blocks = -(-n // length)
    numbers = data.draw(st.lists(st.integers(1, 2**bits - 1), min_size=blocks, max_size=blocks))
    key = Key(data.draw(st.integers(0, 2**63 - 1)), data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9)))
    got = decode(body_of(numbers, bits, length, thetas(n), key), thetas(n), key, bits)
    assert got.dtype == np.uint8
    assert np.array_equal(got, by_hand(numbers, bits, length, thetas(n), key))


@given(st.integers(1, 3000), st.integers(4, 8), st.sampled_from([0, 0.1, 1, 30]), st.integers(0, 2**63 - 1))
@settings(deadline=None, max_examples=40)
def test_what_is_encoded_is_accepted_whatever_was_trained(n, bits, spread, seed):
    p, key = thetas(n), Key(seed, 1, 0)
    body = encode(trained(p, spread), p, key, bits)
    assert len(decode(body, p, key, bits)) == n
    assert encode(trained(p, spread), p, key, bits) == body, "keyed: the same again"


def test_certain_probabilities_stay_and_do_not_stand_in_the_way_of_others():
    p, q = np.tile([0, 1, 0.5, 0.5], 1000).astype(np.float32), np.tile([0, 1, 0.9, 0.1], 1000)
    off, on, wanted, unwanted = decode(encode(q, p, KEY), p, KEY).reshape(-1, 4).mean(axis=0)
    assert (off, on) == (0, 1)
    assert 0.7 < wanted < 0.95
    assert 0.05 < unwanted < 0.3


# --- the law ---------------------------------------------------------------------------------------------------------


def followed(bits: int, spare: float, n: int = 4000, keys: int = 100) -> float:
    """How far the mean mask goes on the way from θ to σ(s): 1 without bias, 0 if σ(s) were ignored.

    The slope of m − p over q − p, weighted by 1/p(1−p); its standard error is √(1 / 2 ln 2 · KL · n · keys), here 0.01.
    """
    p = thetas(n)
    q = trained(p)
    masks = [decode(encode(q, p, Key(0, 1, k), bits, spare), p, Key(0, 1, k), bits) for k in range(keys)]
    weight = (q - p) / (p * (1.0 - p))
    return float(np.sum(weight * (np.mean(masks, axis=0) - p)) / np.sum(weight * (q - p)))


def test_the_bias_shrinks_with_bits_to_spare():
    few, default, many = followed(8, -1), followed(8, 3), followed(10, 8)
    assert 0.65 < few < 0.77
    assert 0.77 < default < 0.90
    assert 0.95 < many < 1.03


def test_with_bits_to_spare_every_parameter_follows_its_own_probability():
    # z² of 300 draws is 1 on average, with a standard error of √(2/2000) = 0.03; had θ been drawn, it would be 1 + 300
    # times (q−p)²/q(1−q), on average some 6.
    p = thetas(2000)
    q, keys = trained(p), 300
    frequency = np.mean([decode(encode(q, p, Key(1, k, 0), 10, 8), p, Key(1, k, 0), 10) for k in range(keys)], axis=0)
    z2 = keys * (frequency - q) ** 2 / (q * (1 - q))
    assert 0.88 < z2.mean() < 1.12
    assert np.mean(keys * (p - q) ** 2 / (q * (1 - q))) > 3, "the bound can fail"


def test_clients_and_rounds_draw_different_candidates():
    p = thetas(2000)
    masks = {decode(encode(p, p, key), p, key).tobytes() for key in [KEY, Key(6, 3, 7), Key(5, 4, 7), Key(5, 3, 8)]}
    assert len(masks) == 4


# --- the rate --------------------------------------------------------------------------------------------------------


def test_the_rate_is_near_the_divergence():
    p = thetas(40_000)
    q = trained(p)
    kl = kl_divergence(q, p) * len(p)
    bits = 8 * (len(encode(q, p, KEY)) - HEAD.size)
    assert kl < bits < 1.4 * kl


def test_where_nothing_was_learnt_almost_nothing_is_sent():
    p = thetas(200_000)
    assert len(encode(p, p, KEY)) <= HEAD.size + 4


# --- refusal ---------------------------------------------------------------------------------------------------------

P = thetas(3000)
BODY = encode(trained(P), P, KEY)


@pytest.mark.parametrize("key", [Key(6, 3, 7), Key(5, 4, 7), Key(5, 3, 8)])
def test_another_key_is_refused(key):
    with pytest.raises(MessageError, match="another θ, seed, round or client"):
        decode(BODY, P, key)


def test_another_theta_is_refused():
    with pytest.raises(MessageError, match="another θ, seed, round or client"):
        decode(BODY, P[::-1].copy(), KEY)
    with pytest.raises(MessageError):
        decode(BODY, P[:-200], KEY)


def test_every_damaged_byte_is_refused():
    for place in range(len(BODY)):
        for flip in (1, 0x80, 0xFF):
            with pytest.raises(MessageError):
                decode(BODY[:place] + bytes([BODY[place] ^ flip]) + BODY[place + 1 :], P, KEY)


def test_every_other_length_is_refused():
    for end in range(len(BODY)):
        with pytest.raises(MessageError):
            decode(BODY[:end], P, KEY)
    for more in (b"\0", b"\0\0\0\0", b"\1\2\3\4\5\6\7\x08"):
        with pytest.raises(MessageError, match=r"cut off|no encoder"):
            decode(BODY + more, P, KEY)


def test_blocks_longer_than_the_network_are_refused_before_anything_is_made():
    body = HEAD.pack(3024 // 16 - 1, 0) + bytes(4)
    tracemalloc.start()
    try:
        with pytest.raises(MessageError, match="blocks of 3024"):
            decode(body, P, KEY)
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()


def test_another_number_of_candidates_is_refused():
    with pytest.raises(MessageError):
        decode(encode(trained(P), P, KEY, bits=6), P, KEY)
