"""Shared randomness in a federation: masks as numbers going up, and what others sent going down instead of θ."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsparse import Experiment, Federation, MessageError, SettingError, run
from fedsparse.wire import frame, masks, relay, shared_randomness
from fedsparse.wire.relay import Mask, Record

THREE = {"codec": "shared", "clients": 6, "cohort": 3, "rounds": 8, "local_epochs": 1}


def sent(federation: Federation, kind: frame.Kind) -> list[int]:
    """Clients of the coming round that would get a message of this kind."""
    messages = {k: federation.algorithm.broadcast(federation.state, k) for k in range(len(federation.clients))}
    return [k for k, message in messages.items() if frame.kind_of(message) == kind]


def test_relayed_masks_rebuild_the_very_theta_that_the_server_has(tiny):
    for extra in ({}, {"aggregation": "weighted", "train_size": 203}, {"dropout": 0.4}, {"target_bpp": 0.03}):
        federation = Federation(tiny.replace(**THREE, **extra))
        algorithm, received = federation.algorithm, []
        original = algorithm._receive

        def receive(message, client, original=original, received=received):
            received.append((frame.kind_of(message), original(message, client)))
            return received[-1][1]

        algorithm._receive = receive
        for _ in range(8):
            whole = masks.decode_theta(algorithm.broadcast(federation.state), federation.network.layout)
            federation.round()
            for _, got in received:
                assert got.checksum == whole.checksum
                assert np.array_equal(got.theta.levels, whole.theta.levels)
            kinds = [kind for kind, _ in received]
            received.clear()
        assert frame.Kind.RELAY in kinds, extra


def test_who_answered_is_relayed_to_and_a_stranger_gets_the_whole(tiny):
    federation = Federation(tiny.replace(**THREE, train_size=600))
    assert sent(federation, frame.Kind.RELAY) == []
    answered = set()
    for _ in range(2):
        federation.round()
        answered |= {k for k, c in enumerate(federation.clients) if "broadcast" in c.memory}
        assert set(sent(federation, frame.Kind.RELAY)) <= answered
        assert set(sent(federation, frame.Kind.THETA)) >= set(range(6)) - answered


def test_a_relay_is_sent_only_while_it_is_smaller_than_theta(tiny):
    federation = Federation(tiny.replace(**THREE | {"rounds": 12}))
    for _ in range(6):
        federation.round()
        whole = federation.algorithm.broadcast(federation.state)
        assert sum(len(record.pack()) for record in federation.state.records) <= len(whole)
        assert all(len(federation.algorithm.broadcast(federation.state, k)) <= len(whole) for k in range(6))


def test_a_posterior_over_several_rounds_is_sent_whole(tiny):
    federation = Federation(tiny.replace(**THREE | {"aggregation": "beta", "prior_reset": 3, "cohort": 0}))
    for _ in range(4):
        federation.round()
        assert sent(federation, frame.Kind.RELAY) == []


def test_the_masks_of_the_first_round_are_relayed_too(tiny):
    # The first θ, ½ everywhere, takes no room: what counts is the size of the θ that the masks lead to.
    federation = Federation(tiny.replace(model="conv2", width=0.3, codec="shared", local_epochs=1, train_size=0))
    federation.round()
    assert sent(federation, frame.Kind.RELAY) == [0, 1, 2, 3]
    assert federation.round()["bpp_downlink"] < 0.5 * 8 * len(federation.algorithm.broadcast(federation.state)) / (
        federation.network.layout.n
    )


def test_a_shared_run_is_the_same_when_it_is_cut(tiny, tmp_path):
    whole = run(tiny.replace(**THREE | {"rounds": 4, "out": str(tmp_path / "a")}))
    run(tiny.replace(**THREE | {"rounds": 2, "out": str(tmp_path / "b")}))
    cut = run(tiny.replace(**THREE | {"rounds": 4, "out": str(tmp_path / "b")}))
    drop = lambda history: [{k: v for k, v in row.items() if k != "seconds"} for row in history]  # noqa: E731
    assert str(drop(cut.history)) == str(drop(whole.history))
    assert (cut.folder / "network.fsp").read_bytes() == (whole.folder / "network.fsp").read_bytes()


@pytest.mark.slow
def test_shared_masks_cost_a_fraction_of_coded_ones_and_learn(tiny):
    settings = {"model": "conv2", "width": 0.2, "train_size": 0, "rounds": 12, "local_epochs": 2}
    rates = {}
    for name in ("context", "shared"):
        history = run(tiny.replace(**settings, codec=name)).history
        rates[name] = history.last["bpp_uplink"], history.last["bpp_downlink"]
        assert history.last["accuracy_expected"] > 0.5, name
    assert rates["shared"][0] < rates["context"][0] / 3
    assert rates["shared"][1] < rates["context"][1] / 3


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.fixture
def played(tiny):
    """A federation after two rounds, a client that answered in both, its θ of round 2, and its relay to round 3."""
    federation = Federation(tiny.replace(**THREE | {"cohort": 0}))
    federation.round()
    held = masks.decode_theta(federation.algorithm.broadcast(federation.state), federation.network.layout)
    federation.round()
    message = federation.algorithm.broadcast(federation.state, 1)
    assert frame.kind_of(message) == frame.Kind.RELAY
    return federation, held, message


def test_a_relay_is_refused_with_another_seed_or_another_theta(played):
    _, held, message = played
    assert relay.decode_relay(message, held, 0).round == 3
    with pytest.raises(MessageError, match="do not add up"):
        relay.decode_relay(message, held, 1)
    other = dataclasses.replace(held.theta, levels=held.theta.levels[::-1].copy())
    with pytest.raises(MessageError, match="answer another θ"):
        relay.decode_relay(message, dataclasses.replace(held, theta=other, checksum=1), 0)


def test_damaged_and_forged_relays_are_refused(played):
    federation, held, message = played
    goal = relay.decode_relay(message, held, 0)
    (record,) = relay.unpack_records(message[frame.HEADER_BYTES + relay.HEAD.size :], held.layout.n)
    short = dataclasses.replace(record, masks=record.masks[:-1])
    forged = {
        "do not add up": relay.encode_relay([short], goal),
        "leaves out rounds": relay.encode_relay([dataclasses.replace(record, round=1)], goal),
        "leaves out rounds since": relay.encode_relay([dataclasses.replace(record, round=2**32 - 2)], goal),
        "without weight": relay.encode_relay(
            [dataclasses.replace(record, masks=(record.masks[0]._replace(weight=0),))], goal
        ),
    }
    for words, bad in forged.items():
        with pytest.raises(MessageError, match=words):
            relay.decode_relay(bad, held, 0)
    for cut in (0, 3, frame.HEADER_BYTES + 2, len(message) - 1):
        with pytest.raises(MessageError):
            relay.decode_relay(message[:cut], held, 0)
    for at in range(0, len(message), 7):
        damaged = bytearray(message)
        damaged[at] ^= 64
        with pytest.raises(MessageError):
            relay.decode_relay(bytes(damaged), held, 0)
    stranger = dataclasses.replace(federation.clients[0], memory={})
    with pytest.raises(MessageError, match="holds no θ yet"):
        federation.algorithm.local_update(message, stranger)


N = 40
choices = st.sampled_from([16, 32, 48]).flatmap(
    lambda length: st.builds(
        shared_randomness.Choice,
        st.just(length),
        st.lists(st.integers(1, 255), min_size=-(-N // length), max_size=-(-N // length)).map(tuple),
    )
)
relayed_masks = st.lists(
    st.builds(Mask, st.integers(0, 2**32 - 1), st.integers(1, 10_000), choices),
    max_size=4,
    unique_by=lambda mask: mask.client,
).map(sorted)


def test_a_frozen_record():
    # round 300 | θ | two masks, weights follow | clients 3 and 3 + 1 + 4 | a block of 32, two of 16 … | numbers
    one, other = Mask(3, 1, shared_randomness.Choice(32, (1, 200))), Mask(8, 130, shared_randomness.Choice(48, (7,)))
    packed = Record(300, 0x01020304, (one, other)).pack()
    assert packed[:13].hex() == "ac02" + "04030201" + "05" + "030101" + "0402" + "8201"[:2]
    assert packed[13:14].hex() == "01"
    stream = packed[15:]
    assert packed[14] == len(stream)
    assert shared_randomness.decode_numbers(stream, 3) == [1, 200, 7]
    alone = Record(300, 0x01020304, (one,)).pack()
    assert alone[6:9].hex() == "020301", "weights of 1 take no room"


def test_a_client_whose_answer_was_lost_is_relayed_to_all_the_same(tiny):
    # It holds the θ of round 2, and the server knows of its answer in round 1 only.
    federation = Federation(tiny.replace(**THREE | {"cohort": 0}))
    algorithm, client = federation.algorithm, federation.clients[1]
    states = [federation.state]
    for lost in (False, True, False):
        state = federation.state
        sent = {c.index: algorithm.local_update(algorithm.broadcast(state, c.index), c) for c in federation.clients}
        if lost:
            del sent[client.index]
        federation.state = algorithm.aggregate(state, sent.items()).state
        states.append(federation.state)
    records = states[2].records
    assert [r.round for r in relay.records_for_client(records, client.index)] == [1, 2]
    assert client.memory["broadcast"]["round"] == 3
    assert (
        client.memory["broadcast"]["checksum"]
        == masks.decode_theta(algorithm.broadcast(states[2]), federation.network.layout).checksum
    )


def test_a_mask_coded_otherwise_is_refused(played):
    federation, held, _ = played
    mask = np.ones(federation.network.layout.n, np.uint8)
    lossless = masks.encode_mask(mask, masks.Report(2, 10, 1.0, 0.1), held)
    with pytest.raises(MessageError, match="coded by shared randomness"):
        masks.decode_mask(lossless, held, seed=0)
    sampled = masks.encode_sample(mask * 0.6, masks.Report(2, 10, 1.0, 0.1), held, seed=0)
    with pytest.raises(MessageError, match="coded otherwise"):
        masks.decode_mask(sampled, held)


@given(
    st.lists(st.builds(Record, st.integers(1, 10**5), st.integers(0, 2**32 - 1), relayed_masks.map(tuple)), max_size=4)
)
def test_records_survive_and_are_found_by_client(records):
    packed = b"".join(r.pack() for r in records)
    assert relay.unpack_records(packed, N) == records
    for client in {m.client for r in records for m in r.masks}:
        found = relay.records_for_client(records, client)
        assert found == records[len(records) - len(found) :]
        assert any(m.client == client for m in found[0].masks)
        assert not any(m.client == client for r in found[1:] for m in r.masks)
    some = relay.latest_records(records, 400)
    assert some == records[len(records) - len(some) :]
    assert sum(len(r.pack()) for r in some) <= 400
    if packed:
        with pytest.raises(MessageError, match="cut off"):
            relay.unpack_records(packed + b"\x80", N)


def test_an_update_by_shared_randomness_is_refused_in_another_round_or_for_another_theta(played):
    federation, held, _ = played
    q = np.full(federation.network.layout.n, 0.6)
    report = masks.Report(2, 10, 1.0, 0.1)
    message = masks.encode_sample(q, report, held, seed=0)
    mask, got = masks.decode_mask(message, held, 0)
    assert got == masks.decode_mask(message, held, 0)[1]
    assert np.array_equal(
        mask,
        shared_randomness.decode(masks.mask_body(message), held.theta.probabilities(), shared_randomness.Key(0, 2, 2)),
    )
    with pytest.raises(MessageError, match="another θ, seed"):
        masks.decode_mask(message, held, 5)
    with pytest.raises(MessageError, match="coded against another θ"):
        masks.decode_mask(message, dataclasses.replace(held, checksum=1), 0)
    with pytest.raises(MessageError, match="a mask of round 2"):
        masks.decode_mask(message, dataclasses.replace(held, round=3), 0)


def test_settings_that_shared_randomness_cannot_serve_are_refused():
    for bad in ({"clip": 0.0}, {"algorithm": "fed_mask"}, {"algorithm": "fedavg"}):
        with pytest.raises(SettingError, match="codec=shared"):
            Experiment(codec="shared", **bad)
