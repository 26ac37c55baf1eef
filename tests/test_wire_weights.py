"""Weights on the wire, and in one or two bits: bit equality, hand-computed quantizers, refusal of anything else."""

import struct
import zlib

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from fedsparse import MessageError
from fedsparse.algorithms import quantizers
from fedsparse.models import Layout
from fedsparse.wire import frame
from fedsparse.wire import weights as wire
from fedsparse.wire.frame import HEADER_BYTES, Kind
from fedsparse.wire.masks import Report

METHODS = ("packed", "context")
LAYOUT = Layout(((3, 4), (2, 3)))
N = LAYOUT.n
REPORT = Report(client=3, samples=120, loss=0.5, kl=0.0)
RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=N).astype(np.float32)
SUMS = RNG.integers(-6, 7, N).astype(np.int32)
START = wire.decode_weights(wire.encode_weights(VALUES, 7, LAYOUT, "packed"), LAYOUT)
BITS = RNG.integers(0, 2, N)
LEVELS = RNG.integers(0, 19, N)
ROUNDS = [VALUES[:3], VALUES[:0], VALUES[3:8]]
NORMS = np.array([2.5], np.float32)

floats = arrays(np.float32, N, elements=st.floats(-1024, 1024, width=32, allow_nan=False))


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


# --- round trips -----------------------------------------------------------------------------------------------------


@given(floats, st.sampled_from(METHODS), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_floats_survive_the_wire_bit_by_bit(values, method, round):
    got = wire.decode_weights(wire.encode_weights(values, round, LAYOUT, method), LAYOUT)
    assert same_bits(got.values, values)
    assert got.round == round
    update, report = wire.decode_update(wire.encode_update(values, REPORT, START, method), START)
    assert same_bits(update, values)
    assert report == REPORT


@given(st.integers(0, 40_000), st.integers(0, 2**32 - 1), st.sampled_from(METHODS))
@settings(deadline=None)
def test_sums_of_votes_survive_the_wire(top, seed, method):
    sums = np.random.default_rng(seed).integers(-top, top + 1, N).astype(np.int32)
    got = wire.decode_votes(wire.encode_votes(sums, top + 1, LAYOUT, method), LAYOUT)
    assert same_bits(got.values, sums)


@given(st.lists(arrays(np.float32, st.integers(0, 5), elements=st.floats(-9, 9, width=32))), st.sampled_from(METHODS))
@settings(deadline=None)
def test_the_scalars_of_each_round_survive_the_wire(rounds, method):
    message = wire.encode_scalars(rounds, len(rounds) + 3, LAYOUT, 12345, method)
    got, coming, checksum = wire.decode_scalars(message, LAYOUT)
    assert (coming, checksum, len(got)) == (len(rounds) + 3, 12345, len(rounds))
    assert all(map(same_bits, got, rounds))


@given(st.integers(1, 255), st.integers(0, 3), st.integers(0, 2**32 - 1), st.sampled_from(METHODS))
@settings(deadline=None)
def test_symbols_survive_the_wire(top, scales, seed, method):
    rng = np.random.default_rng(seed)
    symbols, lengths = rng.integers(0, top + 1, 50), rng.random(scales).astype(np.float32)
    message = wire.encode_symbols(Kind.QSGD, symbols, top, lengths, REPORT, START, method)
    got = wire.decode_symbols(message, Kind.QSGD, 50, top, scales, START)
    assert np.array_equal(got[0], symbols)
    assert same_bits(got[1], lengths)
    assert got[2] == REPORT


def test_sizes_are_what_the_names_say():
    packed = wire.encode_update(VALUES, REPORT, START, "packed")
    assert len(packed) == HEADER_BYTES + 12 + 4 * N
    signs = wire.encode_symbols(Kind.SIGNS, BITS, 1, np.empty(0), REPORT, START, "packed")
    assert len(signs) == HEADER_BYTES + 12 + -(-N // 8)
    assert len(wire.encode_votes(SUMS, 7, LAYOUT, "packed")) == HEADER_BYTES + 4 + N
    big = Layout(((100, 99),))
    alike = RNG.uniform(0.5, 1, big.n).astype(np.float32)
    deflated = wire.encode_weights(alike, 1, big, "context")
    assert 8 * len(deflated) / big.n < 25, "one exponent for all: of 32 bits, hardly more than the 23 of the mantissa"


# --- refusals --------------------------------------------------------------------------------------------------------


def messages():
    found = {}
    for method in METHODS:
        found[f"weights {method}"] = (
            wire.encode_weights(VALUES, 7, LAYOUT, method),
            lambda m: wire.decode_weights(m, LAYOUT),
            lambda got, method=method: wire.encode_weights(got.values, got.round, LAYOUT, method),
        )
        found[f"votes {method}"] = (
            wire.encode_votes(SUMS, 7, LAYOUT, method),
            lambda m: wire.decode_votes(m, LAYOUT),
            lambda got, method=method: wire.encode_votes(got.values, got.round, LAYOUT, method),
        )
        found[f"update {method}"] = (
            wire.encode_update(VALUES, REPORT, START, method),
            lambda m: wire.decode_update(m, START),
            lambda got, method=method: wire.encode_update(*got, START, method),
        )
        found[f"scalars {method}"] = (
            wire.encode_scalars(ROUNDS, 7, LAYOUT, 99, method),
            lambda m: wire.decode_scalars(m, LAYOUT),
            lambda got, method=method: wire.encode_scalars(got[0], got[1], LAYOUT, got[2], method),
        )
        for kind, symbols, top, scales in [(Kind.SIGNS, BITS, 1, np.empty(0)), (Kind.QSGD, LEVELS, 18, NORMS)]:
            found[f"{kind.name} {method}"] = (
                wire.encode_symbols(kind, symbols, top, scales, REPORT, START, method),
                lambda m, k=kind, t=top, s=scales: wire.decode_symbols(m, k, N, t, len(s), START),
                lambda got, k=kind, t=top, method=method: wire.encode_symbols(k, got[0], t, *got[1:], START, method),
            )
    found["network packed"] = (
        wire.encode_weight_network(wire.Weights(VALUES), LAYOUT, b"{}"),
        lambda m: wire.decode_weight_network(m, LAYOUT),
        None,
    )
    return found


MESSAGES = messages()


def resealed(message: bytes) -> bytes:
    """The message with its length and checksum made right again, as a forger would."""
    head = bytearray(message[: frame.HEADER.size])
    struct.pack_into("<I", head, frame.HEADER.size - 4, len(message) - HEADER_BYTES)
    payload = message[HEADER_BYTES:]
    return bytes(head) + struct.pack("<I", zlib.crc32(payload, zlib.crc32(bytes(head)))) + payload


@pytest.mark.parametrize("name", MESSAGES)
def test_every_cut_every_flip_and_every_tail_is_refused(name):
    message, decode, _ = MESSAGES[name]
    decode(resealed(message))
    for end in range(len(message)):
        with pytest.raises(MessageError):
            decode(message[:end])
        if end >= HEADER_BYTES:
            with pytest.raises(MessageError):
                decode(resealed(message[:end]))
    for tail in (b"\0", b"\0\0\0\0", message):
        with pytest.raises(MessageError):
            decode(resealed(message + tail))
    for position in range(len(message)):
        with pytest.raises(MessageError):
            decode(message[:position] + bytes([message[position] ^ 1]) + message[position + 1 :])


@pytest.mark.parametrize("name", [n for n in MESSAGES if not n.startswith("network")])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_forged_message_is_refused_or_is_exactly_what_an_encoder_makes(name, data):
    message, decode, encode = MESSAGES[name]
    forged = bytearray(message)
    for _ in range(data.draw(st.integers(1, 4))):
        forged[data.draw(st.integers(0, len(forged) - 1))] = data.draw(st.integers(0, 255))
    sealed = resealed(bytes(forged))
    try:
        got = decode(sealed)
    except MessageError:
        return
    assert encode(got)[HEADER_BYTES:] == sealed[HEADER_BYTES:]


def inside(frame: bytes) -> bytes:
    return resealed(MESSAGES["weights context"][0][:HEADER_BYTES] + frame)


def test_a_zstd_frame_is_opened_only_if_it_is_ours():
    planes = VALUES.view(np.uint8).reshape(-1, 4).T.tobytes()
    own = zstandard.ZstdCompressor().compress(planes)
    assert same_bits(wire.decode_weights(inside(own), LAYOUT).values, VALUES)
    bomb = zstandard.ZstdCompressor().compress(bytes(10**7))
    with pytest.raises(MessageError, match=f"another size than {4 * N}"):
        wire.decode_weights(inside(bomb), LAYOUT)
    for other in (
        b"junk",
        own[:-1],
        own + b"\0",
        own + own,
        zstandard.ZstdCompressor(write_checksum=True).compress(planes),
        zstandard.ZstdCompressor(write_content_size=False).compress(planes),
    ):
        with pytest.raises(MessageError):
            wire.decode_weights(inside(other), LAYOUT)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1025.0])
@pytest.mark.parametrize("method", METHODS)
def test_numbers_that_mean_divergence_are_neither_sent_nor_taken(bad, method):
    values = VALUES.copy()
    values[4] = bad
    with pytest.raises(MessageError, match="diverged"):
        wire.encode_weights(values, 7, LAYOUT, method)
    if method == "packed":
        forged = resealed(MESSAGES["weights packed"][0][:HEADER_BYTES] + values.tobytes())
        with pytest.raises(MessageError, match="diverged"):
            wire.decode_weights(forged, LAYOUT)


def test_an_answer_fits_one_broadcast_only():
    message = MESSAGES["update context"][0]
    for values, round in [(VALUES[::-1].copy(), 7), (VALUES, 8)]:
        other = wire.decode_weights(wire.encode_weights(values, round, LAYOUT, "packed"), LAYOUT)
        with pytest.raises(MessageError, match="another broadcast"):
            wire.decode_update(message, other)
    with pytest.raises(MessageError, match="kind"):
        wire.decode_update(MESSAGES["SIGNS packed"][0], START)


@pytest.mark.parametrize("report", [Report(0, 1, float("nan"), 0), Report(0, 1, -0.5, 0), Report(0, 0, 0.5, 0)])
def test_an_impossible_report_is_refused(report):
    with pytest.raises(MessageError, match="report"):
        wire.decode_update(wire.encode_update(VALUES, report, START, "packed"), START)


def test_scalars_are_those_of_earlier_rounds_and_not_beyond_measure():
    with pytest.raises(MessageError, match="scalars of 3 rounds before round 3"):
        wire.decode_scalars(wire.encode_scalars(ROUNDS, 3, LAYOUT, 0, "packed"), LAYOUT)
    claimed = struct.pack("<II", 1, wire.MAX_SCALARS + 1)
    forged = resealed(wire.encode_scalars([], 7, LAYOUT, 0, "context")[:HEADER_BYTES] + claimed + b"frame")
    with pytest.raises(MessageError, match="is the most"):
        wire.decode_scalars(forged, LAYOUT)


@pytest.mark.parametrize("scale", [-1.0, -0.0, np.nan, np.inf])
def test_an_impossible_scale_is_refused(scale):
    message = wire.encode_symbols(Kind.QSGD, LEVELS, 18, np.array([scale]), REPORT, START, "packed")
    with pytest.raises(MessageError, match="scale"):
        wire.decode_symbols(message, Kind.QSGD, N, 18, 1, START)


def test_there_are_no_more_votes_than_rounds():
    with pytest.raises(MessageError, match="6 votes before round 6"):
        wire.encode_votes(SUMS, 6, LAYOUT, "packed")
    assert wire.decode_votes(wire.encode_votes(SUMS, 7, LAYOUT, "packed"), LAYOUT).round == 7
    nothing = wire.encode_votes(np.zeros(N, np.int32), 1, LAYOUT, "context")
    assert len(nothing) == HEADER_BYTES + 4, "before the first vote there is nothing to say"


# --- quantizers ------------------------------------------------------------------------------------------------------


def test_qsgd_by_hand():
    # ‖(3, −4, 0)‖ = 5. With s = 5 the heights are the whole numbers 3, 4, 0, and chance has no say; with s = 1 they are
    # 0.6, 0.8, 0, and a height is rounded up where its noise is at least one minus it.
    v = np.array([3, -4, 0], np.float32)
    for noise in (0.001, 0.5, 0.999):
        signed, norms = quantizers.qsgd(v, 5, np.full(3, noise))
        assert signed.tolist() == [3, -4, 0]
        assert quantizers.qsgd_inverse(signed, norms, 5).tolist() == [3, -4, 0]
    for noise, expected in [(0.1, [0, 0, 0]), (0.3, [0, -1, 0]), (0.5, [1, -1, 0])]:
        assert quantizers.qsgd(v, 1, np.full(3, noise))[0].tolist() == expected


def test_qsgd_is_unbiased():
    rng = np.random.default_rng(1)
    v = rng.normal(size=40).astype(np.float32)
    draws = [quantizers.qsgd_inverse(*quantizers.qsgd(v, 3, rng.random(40)), 3) for _ in range(4000)]
    error = np.std(draws, axis=0) / np.sqrt(len(draws))
    assert np.all(np.abs(np.mean(draws, axis=0) - v) <= 5 * error)


def test_every_qsgd_bucket_has_its_own_norm():
    v = np.concatenate([np.full(1024, 2.0), [7.0]]).astype(np.float32)
    signed, norms = quantizers.qsgd(v, 9, np.full(1025, 0.5))
    assert norms.tolist() == [64.0, 7.0]
    assert signed[-1] == 9
    zero = quantizers.qsgd(np.zeros(5, np.float32), 9, np.full(5, 0.5))
    assert quantizers.qsgd_inverse(*zero, 9).tolist() == [0] * 5


@pytest.mark.parametrize("bits", [1, 2])
def test_qsgd_levels_cost_the_bits_that_they_are_listed_under(bits):
    rng = np.random.default_rng(0)
    signed, _ = quantizers.qsgd(rng.normal(size=2**19), quantizers.QSGD_LEVELS[bits], rng.random(2**19))
    share = np.unique(signed, return_counts=True)[1] / len(signed)
    assert -np.sum(share * np.log2(share)) == pytest.approx(bits, rel=0.01)


def test_hadamard_by_hand_and_orthogonal():
    assert quantizers.hadamard(np.array([[1.0, 2.0, 3.0, 4.0]])).tolist() == [[5.0, -1.0, -2.0, 0.0]]
    for d in (1, 2, 8, 64):
        matrix = quantizers.hadamard(np.eye(d))
        assert np.allclose(matrix @ matrix.T, np.eye(d), atol=1e-12)
        assert np.allclose(np.abs(matrix), d**-0.5)
        assert np.allclose(quantizers.hadamard(matrix), np.eye(d), atol=1e-12), "its own inverse"


def test_eden_by_hand():
    # x = (3, 4): R x = (7, −1)/√2, signs (+, −), S·√(2/π) = ‖x‖²/‖R x‖₁ = 25 √2/8, and rotated back (0, 6.25).
    nearest, scales = quantizers.eden(np.array([3.0, 4.0]), 1, np.zeros(2))
    assert nearest.tolist() == [1, 0]
    assert scales[0] * np.sqrt(2 / np.pi) == pytest.approx(25 * np.sqrt(2) / 8)
    assert np.allclose(quantizers.eden_inverse(nearest, scales, 1, np.zeros(2), 2), [0, 6.25])
    # With the second sign flipped: R x = (−1, 7)/√2, rotated back (0, −6.25), flipped (0, 6.25).
    flips = np.array([0, 1])
    flipped = quantizers.eden(np.array([3.0, 4.0]), 1, flips)
    assert np.allclose(quantizers.eden_inverse(*flipped, 1, flips, 2), [0, 6.25])


@pytest.mark.parametrize("bits", [1, 2])
def test_eden_is_unbiased_over_its_rotations(bits):
    rng = np.random.default_rng(2)
    x = rng.normal(size=64)
    draws = []
    for _ in range(3000):
        flips = rng.integers(0, 2, 64)
        draws.append(quantizers.eden_inverse(*quantizers.eden(x, bits, flips), bits, flips, 64))
    mean = np.mean(draws, axis=0)
    assert mean @ x / (x @ x) == pytest.approx(1, abs=1e-6), "exact along x: ⟨x̂, x⟩ = ‖x‖² by the choice of S"
    assert np.linalg.norm(mean - x) < 0.1 * np.linalg.norm(x)
    error = np.mean(np.square(np.array(draws) - x).sum(1)) / (x @ x)
    assert error == pytest.approx({1: np.pi / 2 - 1, 2: 1 / (1 - 0.1175) - 1}[bits], rel=0.1), "the paper's 1/(1−D) − 1"


def test_eden_of_nothing_is_nothing_and_blocks_are_apart():
    flips = np.zeros(8192)
    x = np.zeros(5000)
    x[4500:] = 1.0
    assert quantizers.eden_shape(5000) == (2, 4096)
    got = quantizers.eden_inverse(*quantizers.eden(x, 1, flips), 1, flips, 5000)
    assert not got[:4096].any()
    assert got[4096:] @ x[4096:] == pytest.approx(500)
    assert quantizers.eden_shape(5) == (1, 8)
    assert quantizers.eden_shape(1) == (1, 1)


@pytest.mark.parametrize("bits", range(1, 9))
def test_edens_scale_of_least_error_is_a_projection(bits):
    rng = np.random.default_rng(3)
    flips = rng.integers(0, 2, 4096)
    for x in (rng.normal(size=4096), rng.normal(size=4096) ** 3, np.eye(1, 4096)[0]):
        best, unbiased = (
            quantizers.eden_inverse(*quantizers.eden(x, bits, flips, u), bits, flips, 4096) for u in (False, True)
        )
        assert (x - best) @ best == pytest.approx(0, abs=1e-5 * (x @ x)), "what is left is orthogonal to what is sent"
        assert np.linalg.norm(x - best) <= min(np.linalg.norm(x - unbiased), np.linalg.norm(x))
        assert not quantizers.eden_inverse(*quantizers.eden(0 * x, bits, flips, False), bits, flips, 4096).any()


def squared_error(centroids: np.ndarray) -> float:
    """Of a standard normal, rounded to the nearest centroid."""
    borders = np.concatenate([[-np.inf], (centroids[1:] + centroids[:-1]) / 2, [np.inf]])
    share, slope = np.diff(norm.cdf(borders)), -np.diff(norm.pdf(borders))
    square = share - np.diff(np.where(np.isfinite(borders), borders, 0) * norm.pdf(borders))
    return float(np.sum(square - 2 * centroids * slope + centroids**2 * share))


@pytest.mark.parametrize("bits", range(3, 9))
def test_evenly_spaced_centroids_have_the_least_error(bits):
    centroids = quantizers.EDEN_CENTROIDS[bits]
    assert len(centroids) == 2**bits
    least = squared_error(centroids)
    assert least < min(squared_error(centroids * factor) for factor in (0.999, 1.001))
    assert least < squared_error(quantizers.EDEN_CENTROIDS[bits - 1]) / 3


@pytest.mark.parametrize("bits", [1, 2])
def test_centroids_are_the_means_of_the_normal_between_their_borders(bits):
    centroids = quantizers.EDEN_CENTROIDS[bits]
    borders = [-np.inf, *(centroids[1:] + centroids[:-1]) / 2, np.inf]
    for low, high, centroid in zip(borders[:-1], borders[1:], centroids, strict=True):
        mean = (norm.pdf(low) - norm.pdf(high)) / (norm.cdf(high) - norm.cdf(low))
        assert centroid == pytest.approx(mean, abs=1e-6)
