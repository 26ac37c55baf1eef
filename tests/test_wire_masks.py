"""The wire: round trips for every density, sizes against the entropy, and refusal of anything else."""

import struct
import zlib

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsparse import MessageError
from fedsparse.entropy import (
    Ledger,
    binary_entropy,
    context_entropy,
    kl_divergence,
    layer_entropy,
    mask_entropy,
)
from fedsparse.models import Layout
from fedsparse.theta import Theta
from fedsparse.wire import frame, masks
from fedsparse.wire.masks import MaskBroadcast, Report
from fedsparse.wire.range_coder import Contexts, range_decode, range_encode

METHODS = ("packed", "context")
REPORT = Report(client=3, samples=120, loss=0.5, kl=0.25)


def layout_of(*outputs: int) -> Layout:
    return Layout(tuple((o, 4) for o in outputs))


def broadcast_of(
    levels: np.ndarray, top: int, layout: Layout, clip: float = 0.01, method: str = "context"
) -> MaskBroadcast:
    return masks.decode_theta(masks.encode_theta(Theta(levels, top, clip), 7, layout, method), layout)


@st.composite
def thetas(draw):
    layout = layout_of(*draw(st.lists(st.integers(1, 30), min_size=1, max_size=4)))
    top = draw(st.sampled_from([1, 2, 3, 10, 15, 16, 17, 100, 255]))
    seed = draw(st.integers(0, 2**32 - 1))
    spread = draw(st.sampled_from([0.0, 0.5, 1.0]))  # all equal, half the levels, all of them
    levels = np.random.default_rng(seed).integers(0, int(spread * top) + 1, layout.n).astype(np.uint8)
    return Theta(levels, top, draw(st.sampled_from([0.0, 0.01, 0.25])), draw(st.sampled_from([0.0, 0.1, 1e6]))), layout


@given(thetas(), st.sampled_from(METHODS), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_theta_survives_the_wire(theta_and_layout, method, round):
    theta, layout = theta_and_layout
    got = masks.decode_theta(masks.encode_theta(theta, round, layout, method), layout)
    assert np.array_equal(got.theta.levels, theta.levels)
    assert (got.theta.max_level, got.round) == (theta.max_level, round)
    assert got.theta.clip == pytest.approx(theta.clip)
    assert got.theta.lam == np.float32(theta.lam)
    assert np.all(
        np.abs(got.theta.probabilities() - np.clip(theta.levels / theta.max_level, theta.clip, 1 - theta.clip)) < 1e-6
    )


@given(thetas(), st.sampled_from(METHODS), st.floats(0, 1), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_masks_of_every_density_survive_the_wire(theta_and_layout, method, density, seed):
    theta, layout = theta_and_layout
    broadcast = broadcast_of(theta.levels, theta.max_level, layout, theta.clip)
    for p in (0.0, density, 1.0):
        mask = (np.random.default_rng(seed).random(layout.n) < p).astype(np.uint8)
        got, report = masks.decode_mask(masks.encode_mask(mask, REPORT, broadcast, method), broadcast)
        assert np.array_equal(got, mask)
        assert report == REPORT


@pytest.mark.parametrize("density", [0.001, 0.05, 0.5, 0.999])
def test_measured_bytes_are_within_half_a_percent_of_the_context_entropy(density):
    layout, rng = layout_of(60_000), np.random.default_rng(0)
    levels = rng.binomial(10, density, layout.n).astype(np.uint8)
    broadcast = broadcast_of(levels, 10, layout)
    mask = (rng.random(layout.n) < broadcast.theta.probabilities()).astype(np.uint8)
    measured = len(masks.encode_mask(mask, REPORT, broadcast)) * 8
    occurring = len(np.unique(levels))
    overhead = 8 * (frame.HEADER_BYTES + masks.REPORT.size + 2 * occurring + 4)
    floor = context_entropy(mask, levels.astype(np.intp)) * layout.n
    assert floor <= measured <= 1.005 * floor + overhead


def test_packed_masks_take_one_bit_a_parameter():
    layout = layout_of(1000)
    broadcast = broadcast_of(np.ones(layout.n, np.uint8), 2, layout)
    mask = np.random.default_rng(0).integers(0, 2, layout.n).astype(np.uint8)
    sent = masks.encode_mask(mask, REPORT, broadcast, "packed")
    assert len(sent) == frame.HEADER_BYTES + masks.REPORT.size + layout.n // 8


# --- refusals --------------------------------------------------------------------------------------------------------

LAYOUT = layout_of(8, 5)
LEVELS = (np.arange(LAYOUT.n) % 11).astype(np.uint8)
BROADCAST = broadcast_of(LEVELS, 10, LAYOUT)
MASK = (np.arange(LAYOUT.n) % 3 == 0).astype(np.uint8)


def messages() -> dict[str, tuple[bytes, object]]:
    """Every kind of message with the function that decodes it."""
    found: dict[str, tuple[bytes, object]] = {}
    for method in METHODS:
        theta = masks.encode_theta(BROADCAST.theta, 7, LAYOUT, method)
        found[f"theta {method}"] = theta, lambda m: masks.decode_theta(m, LAYOUT)
        found[f"mask {method}"] = (
            masks.encode_mask(MASK, REPORT, BROADCAST, method),
            lambda m: masks.decode_mask(m, BROADCAST),
        )
    found["network"] = masks.encode_network(MASK, LAYOUT, b"{}"), lambda m: masks.decode_network(m, LAYOUT)
    return found


MESSAGES = messages()


def resealed(message: bytes) -> bytes:
    """The message with length and checksum made to fit: what an attacker would send."""
    body = message[frame.HEADER_BYTES :]
    head = bytearray(message[: frame.HEADER.size])
    head[-4:] = struct.pack("<I", len(body))
    return bytes(head) + struct.pack("<I", zlib.crc32(body, zlib.crc32(bytes(head)))) + body


@pytest.mark.parametrize("name", MESSAGES)
def test_every_cut_every_addition_and_every_flipped_bit_is_refused(name):
    message, decode = MESSAGES[name]
    decode(message)
    for length in range(len(message)):
        with pytest.raises(MessageError):
            decode(message[:length])
    for tail in (b"\0", b"\0\0\0\0", message):
        with pytest.raises(MessageError):
            decode(message + tail)
    for position in range(len(message)):
        for bit in (1, 128):
            with pytest.raises(MessageError):
                decode(message[:position] + bytes([message[position] ^ bit]) + message[position + 1 :])


@pytest.mark.parametrize("name", MESSAGES)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_forged_message_is_refused_or_is_exactly_what_an_encoder_makes(name, data):
    message, decode = MESSAGES[name]
    forged = bytearray(message)
    for _ in range(data.draw(st.integers(1, 4))):
        forged[data.draw(st.integers(0, len(forged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 6))
    sealed = resealed(bytes(forged[: len(forged) - cut]) + data.draw(st.binary(max_size=6)))
    try:
        got = decode(sealed)
    except MessageError:
        return
    if name.startswith("theta"):
        again = masks.encode_theta(got.theta, got.round, LAYOUT, name.split()[1])
    elif name.startswith("mask"):
        again = masks.encode_mask(*got, BROADCAST, name.split()[1])
    else:
        again = masks.encode_network(got, LAYOUT, masks.network_description(sealed))
    if name != "mask context":
        assert again == sealed
        return
    # Not encoded again to be compared: the coder's last word is left open, and whether there is one more.
    assert abs(len(again) - len(sealed)) <= 4
    body = slice(frame.HEADER_BYTES, min(len(again), len(sealed)) - 4)
    assert again[body] == sealed[body]


def test_a_mask_with_other_frequencies_than_its_own_is_refused():
    symbols, contexts = np.tile([0, 1], 500), Contexts.one(1000)
    body = range_encode(symbols, contexts, 2)
    for frequency in (32767, 32769):  # 32768 of 65535 are zeros
        encoder = constriction.stream.queue.RangeEncoder()
        model = constriction.stream.model.Categorical(np.array([frequency, 65535 - frequency]) / 65535, perfect=False)
        encoder.encode(symbols.astype(np.int32), model)
        forged = struct.pack("<H", frequency) + encoder.get_compressed().tobytes()
        assert len(forged) == len(body)
        with pytest.raises(MessageError, match="frequencies that are not those"):
            range_decode(forged, contexts, 2)
    with pytest.raises(MessageError, match="more bytes"):
        range_decode(body + bytes(8), contexts, 2)


def test_damage_that_leaves_a_valid_message_is_found_by_the_checksum():
    message = bytearray(MESSAGES["mask packed"][0])
    message[-2] ^= 4  # another mask, as packed bits any is
    with pytest.raises(MessageError, match="checksum"):
        masks.decode_mask(bytes(message), BROADCAST)


@pytest.mark.parametrize(
    ("offset", "value", "words"),
    [(0, b"X", "magic"), (3, b"2", "version"), (4, b"\2", "kind"), (5, b"\x09", "codec"), (10, b"\x01", "layout")],
)
def test_a_wrong_header_field_is_named(offset, value, words):
    message = MESSAGES["theta context"][0]
    with pytest.raises(MessageError, match=words):
        masks.decode_theta(resealed(message[:offset] + value + message[offset + 1 :]), LAYOUT)


def test_a_mask_fits_one_broadcast_only():
    sent = MESSAGES["mask context"][0]
    other_theta = broadcast_of(LEVELS[::-1].copy(), 10, LAYOUT)
    with pytest.raises(MessageError, match="another θ"):
        masks.decode_mask(sent, other_theta)
    later = masks.decode_theta(masks.encode_theta(BROADCAST.theta, 8, LAYOUT), LAYOUT)
    with pytest.raises(MessageError, match="round 7; this is round 8"):
        masks.decode_mask(sent, later)
    with pytest.raises(MessageError, match="layout"):
        masks.decode_theta(MESSAGES["theta context"][0], layout_of(5, 8))


@pytest.mark.parametrize(
    "report", [Report(0, 1, float("nan"), 0), Report(0, 1, -0.5, 0), Report(0, 1, 0, -1), Report(0, 0, 0, 0)]
)
def test_an_impossible_report_is_refused(report):
    with pytest.raises(MessageError, match="report"):
        masks.decode_mask(masks.encode_mask(MASK, report, BROADCAST), BROADCAST)


@pytest.mark.parametrize("lam", [-1.0, float("inf"), float("nan")])
def test_an_impossible_lam_is_refused(lam):
    with pytest.raises(MessageError, match="λ of"):
        masks.decode_theta(masks.encode_theta(Theta(LEVELS, 10, 0.01, lam), 0, LAYOUT), LAYOUT)


def test_a_level_above_the_highest_is_refused():
    with pytest.raises(MessageError):
        masks.encode_theta(Theta(LEVELS, 9, 0.01), 0, LAYOUT)
    packed = bytearray(MESSAGES["theta packed"][0])
    packed[frame.HEADER_BYTES + masks.THETA.size] = 0xFF  # two levels of 15, where 10 is the highest
    with pytest.raises(MessageError, match="above the highest"):
        masks.decode_theta(resealed(bytes(packed)), LAYOUT)


# --- entropies -------------------------------------------------------------------------------------------------------


def test_entropies_by_hand():
    assert binary_entropy(np.array([0.0, 0.5, 1.0])).tolist() == [0.0, 1.0, 0.0]
    assert binary_entropy(0.11) == pytest.approx(0.49992, abs=1e-5)
    mask = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    assert mask_entropy(mask) == 1.0
    assert layer_entropy(mask, [4, 4]) == 0.0
    assert layer_entropy(mask, [2, 4, 2]) == 0.5
    assert context_entropy(mask, np.array([0, 0, 0, 0, 2, 2, 2, 2])) == 0.0
    assert mask_entropy(np.zeros(5)) == 0.0, "no clipping before counting"
    assert kl_divergence(np.array([1.0, 0.5]), np.array([0.5, 0.5])) == pytest.approx(0.5)
    assert kl_divergence(np.array([0.5]), np.array([0.0])) == np.inf
    assert kl_divergence(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0.0


def test_the_ledger_counts_every_byte_once():
    rates = Ledger(n=100, uplink=[10, 30], downlink=[5, 5]).rates()
    assert rates == {"bpp_uplink": 1.6, "bpp_downlink": 0.4, "uplink_bytes": 40, "downlink_bytes": 10}
    assert Ledger(n=100).rates()["bpp_uplink"] == 0.0
