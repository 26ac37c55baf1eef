"""The way down with `down_bits`: one public model at both ends, whoever missed what, and nothing lost for ever."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsparse import Experiment, Federation, History, MessageError, run
from fedsparse.algorithms import coded_downlink
from fedsparse.algorithms.coded_downlink import CodedDownlink, PublicModel, QuantizedSteps, Step
from fedsparse.algorithms.fedavg import first_weights, train_weights
from fedsparse.algorithms.sign_sgd import VoteSteps
from fedsparse.client import Client
from fedsparse.models import Layout
from fedsparse.run_folder import read_checkpoint
from fedsparse.wire import frame
from fedsparse.wire.masks import Report

LAYOUT = Layout(((7, 30), (3, 7)))
N = LAYOUT.n
CODECS = ("packed", "context")
PART = {"algorithm": "fedavg", "down_bits": 2, "clients": 6, "cohort": 3, "rounds": 8}
RELATIVE_ERROR = {1: 0.363, 2: 0.1175, 3: 0.0374, 4: 0.0115, 5: 0.0035, 6: 0.00104, 7: 0.000304, 8: 0.0000877}
"""‖x − Q(x)‖² / ‖x‖² of a normal vector."""


def downlink(bits: int, codec: str = "context", layout: Layout = LAYOUT, seed: int = 0) -> CodedDownlink:
    e = Experiment(algorithm="fedavg", down_bits=bits, codec=codec, seed=seed)
    return CodedDownlink(codec, layout, QuantizedSteps(e, layout, lambda: first_weights(layout, seed)))


def a_client(index: int) -> Client:
    return Client(index, torch.zeros(1), torch.zeros(1))


def walk(down: CodedDownlink, moves, clients=()) -> list[PublicModel]:
    """The public models while the server's weights make these moves."""
    weights, models = down.coding.first(), [down.first()]
    for move in moves:
        weights = (weights + move).astype(np.float32)
        models.append(down.advance(models[-1], down.coding.step(models[-1], weights), clients))
    return models


# --- one model at both ends ------------------------------------------------------------------------------------------

EVENTS = st.sampled_from(["answers", "its answer is lost", "receives nothing", "has forgotten all"])


@given(
    bits=st.integers(0, 8),
    codec=st.sampled_from(CODECS),
    seed=st.integers(0, 2**32),
    rounds=st.lists(st.tuples(*[EVENTS] * 3), min_size=1, max_size=12),
)
@settings(deadline=None, max_examples=60)
def test_whoever_missed_what_holds_the_servers_public_model_to_the_bit(bits, codec, seed, rounds):
    down = downlink(bits, codec) if bits else CodedDownlink(codec, LAYOUT, VoteSteps(codec, LAYOUT))
    rng = np.random.default_rng(seed)
    public, clients = down.first(), [a_client(k) for k in range(3)]
    weights, known = public.values, set()
    for events in rounds:
        whole, answered = len(down.broadcast(dataclasses.replace(public, round=99), None)), []
        for client, event in zip(clients, events, strict=True):
            if event == "receives nothing":
                continue
            if event == "has forgotten all":
                client.memory.clear()
                known.discard(client.index)
            message = down.broadcast(public, client.index if client.index in known else None)
            assert len(message) <= whole, "never more than the weights as they are"
            got = down.receive(message, client)
            assert got.values.tobytes() == public.values.tobytes()
            assert got == down.as_broadcast(public), "the update names the same broadcast"
            if event != "its answer is lost":
                answered.append(client.index)
                known.add(client.index)
        if bits:
            weights = (weights + rng.normal(size=N) * 10.0 ** rng.integers(-6, 3)).astype(np.float32)
            body = down.coding.step(public, weights)
        else:
            body = down.coding.step(rng.integers(-1, 2, N))
        public = down.advance(public, body, answered)
        again = PublicModel.unpack(public.pack(), public.round)
        assert (again.values.tobytes(), again.steps) == (public.values.tobytes(), public.steps)


def test_nothing_is_sent_before_the_first_step_and_a_newcomer_follows_while_that_is_cheaper():
    down = downlink(8, "packed")
    models = walk(down, np.random.default_rng(0).normal(size=(6, N)), clients=[1])
    assert len(down.broadcast(models[0], None)) == frame.HEADER_BYTES
    kinds = [frame.kind_of(down.broadcast(model, None)) for model in models]
    assert kinds == [frame.Kind.STEPS] * 4 + [frame.Kind.WEIGHTS] * 3, "four steps of 8 bits cost as much as float32"
    for model in models:
        assert len(down.broadcast(model, None)) <= frame.HEADER_BYTES + 4 * N
        assert down.receive(down.broadcast(model, None), a_client(5)) == down.as_broadcast(model)
    one = len(down.broadcast(models[1], 1))
    assert [len(down.broadcast(model, 1)) for model in models[1:]] == [one] * 6, "who answered is sent one step"


# --- error feedback --------------------------------------------------------------------------------------------------


def gaps(down: CodedDownlink, moves) -> list[float]:
    """‖w − v‖ after each move."""
    weights = down.coding.first() + np.concatenate([np.zeros_like(moves[:1]), np.cumsum(moves, axis=0)])
    return [float(np.linalg.norm(w - m.values)) for w, m in zip(weights, walk(down, moves), strict=True)]


@given(bits=st.integers(1, 8), seed=st.integers(0, 2**32), tail=st.floats(0.5, 3))
@settings(deadline=None, max_examples=25)
def test_what_is_not_sent_stays_bounded(bits, seed, tail):
    rng, block = np.random.default_rng(seed), Layout(((64, 63),))
    moves = rng.normal(size=(20, block.n)) * rng.random(block.n) ** tail
    moves /= np.linalg.norm(moves, axis=1, keepdims=True)
    rate = np.sqrt(1.3 * RELATIVE_ERROR[bits])
    found = gaps(downlink(bits, layout=block), moves)
    assert np.mean(found) <= rate / (1 - rate) + 1e-5, "what one step loses, and a share of what was to come with it"
    assert all(after < before + 1 for before, after in itertools.pairwise(found)), "and never more than was to be sent"


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_weights_that_stand_still_are_reached(bits):
    rest = {1: 60, 2: 25, 4: 12, 8: 6}[bits]
    moves = np.concatenate([np.random.default_rng(0).normal(size=(3, N)), np.zeros((rest, N))])
    found = gaps(downlink(bits), moves)
    assert found[3] > 100 * found[-1]
    assert found[-1] < 1e-4


def test_a_step_is_never_longer_than_what_it_is_to_send():
    # The worst case: rotated, all is in one entry. EDEN's unbiased scale would make a step 64 times as long of it.
    down = downlink(1, layout=Layout(((64, 63),)))
    worst = 1 - 2.0 * down.coding._flips(1)
    public = walk(down, [worst])[-1]
    assert 0 < np.linalg.norm(public.values - down.coding.first()) <= np.linalg.norm(worst)


# --- bytes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(1, 9))
def test_a_step_costs_its_bits(bits):
    layout = Layout(((64, 1023),))  # 16 blocks
    move = np.random.default_rng(0).normal(size=(1, layout.n)) * 0.01
    sizes = {}
    for codec in CODECS:
        down = downlink(bits, codec, layout)
        sizes[codec] = len(down.broadcast(walk(down, move)[-1], None))
    assert sizes["packed"] == frame.HEADER_BYTES + coded_downlink.LENGTH.size + 16 * 4 + bits * 2**16 // 8
    table = 2 * (2**bits - 1)
    assert 0.85 * sizes["packed"] < sizes["context"] <= sizes["packed"] + table + 8


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=CODECS)
def sent(request):
    """A downlink, a message of three steps to round 4, and the public model that it leads to."""
    down = downlink(4, request.param)
    public = walk(down, np.random.default_rng(1).normal(size=(3, N)))[-1]
    return down, down.broadcast(public, None), public


def test_every_damaged_byte_is_refused_and_changes_nothing(sent):
    down, message, public = sent
    client = a_client(0)
    for at in range(len(message)):
        with pytest.raises(MessageError) as error:
            down.receive(message[:at] + bytes([message[at] ^ 16]) + message[at + 1 :], client)
        assert "\n" not in str(error.value)
    for cut in (message[:-1], message + b"\0", b"", message[:20]):
        with pytest.raises(MessageError):
            down.receive(cut, client)
    assert not client.memory
    assert down.receive(message, client) == down.as_broadcast(public)


def forged(down: CodedDownlink, public: PublicModel, bodies, round=None) -> bytes:
    payload = b"".join(Step((), body).pack() for body in bodies)
    reference = down.as_broadcast(public).checksum
    codec = down.codec
    return frame.message_of(frame.Kind.STEPS, codec, round or public.round, LAYOUT, reference, payload)


def test_forged_steps_are_refused(sent):
    down, message, public = sent
    one, two, three = (step.body for step in public.steps)
    assert forged(down, public, [one, two, three]) == message
    scale = np.array([np.nan], "<f4").tobytes()
    minus = np.array([-1], "<f4").tobytes()
    for bodies, round, words in [
        ([one, two, two], 4, "do not add up"),
        ([two, one, three], 4, "do not add up"),
        ([one, two], 3, "do not add up"),
        ([two, three], 4, "from round 2 to 4 for a client that holds round 1"),
        ([one, one, two, three], 4, "from round 0 to 4"),
        ([one, two, three[:3]], 4, "scales are cut off"),
        ([one, two, three[:-4]], 4, "."),
        ([one, two, three + bytes(4)], 4, "."),
        ([scale + one[4:], two, three], 4, "scale"),
        ([minus + one[4:], two, three], 4, "scale"),
    ]:
        with pytest.raises(MessageError, match=words):
            down.receive(forged(down, public, bodies, round), a_client(0))
    header = frame.Kind.STEPS, "shared", 4, LAYOUT, down.as_broadcast(public).checksum
    with pytest.raises(MessageError, match="no encoder makes"):
        down.receive(frame.message_of(*header, message[frame.HEADER_BYTES :]), a_client(0))
    short = frame.message_of(frame.Kind.STEPS, down.codec, 4, LAYOUT, 0, b"\0\0\0")
    with pytest.raises(MessageError, match="cut off"):
        down.receive(short, a_client(0))


def test_steps_are_refused_with_another_seed_other_bits_or_another_model(sent):
    down, message, public = sent
    codec = down.codec
    for other in (downlink(4, codec, seed=1), downlink(5, codec), downlink(4, *set(CODECS) - {codec})):
        with pytest.raises(MessageError):
            other.receive(message, a_client(0))
    client = a_client(0)
    client.memory["broadcast"] = down.as_broadcast(PublicModel(2, public.values)).packed
    with pytest.raises(MessageError, match="do not add up"):
        down.receive(message, client)
    with pytest.raises(MessageError, match="another layout"):
        downlink(4, codec, Layout(((7, 30),))).receive(message, a_client(0))


# --- whole federations -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [{}, {"dropout": 0.4}, {"algorithm": "eden", "bits": 2}, {"algorithm": "qsgd"}])
def test_clients_train_from_the_public_model_and_every_byte_is_counted(tiny, extra, monkeypatch):
    federation = Federation(tiny.replace(**PART | extra))
    algorithm, began, sizes = federation.algorithm, [], []
    local_update, broadcast = algorithm.local_update, algorithm.broadcast

    def train(network, experiment, weights, *rest):
        began.append(weights.tobytes())
        return train_weights(network, experiment, weights, *rest)

    monkeypatch.setattr("fedsparse.algorithms.fedavg.train_weights", train)
    algorithm.local_update = lambda message, client: sizes.append(len(message)) or local_update(message, client)
    addressed = []
    algorithm.broadcast = lambda *args: addressed.append(broadcast(*args)) or addressed[-1]
    for _ in range(8):
        public = algorithm.parameters(federation.state).values.tobytes()
        row = federation.round()
        assert set(began) <= {public}
        assert len(began) == len(sizes)
        assert row["downlink_bytes"] == sum(map(len, addressed))
        assert row["cohort"] == len(sizes)
        for kept in (began, sizes, addressed):
            kept.clear()


def test_who_was_absent_pays_for_what_it_missed(tiny):
    federation = Federation(tiny.replace(**PART | {"model": "conv2", "width": 0.3}))
    for _ in range(4):
        federation.round()
    public, sizes = federation.state.public, {}
    for k in range(6):
        last = [i for i, step in enumerate(public.steps) if k in step.clients]
        sizes.setdefault(4 - last[-1] if last else 4, set()).add(
            len(federation.algorithm.broadcast(federation.state, k))
        )
    per_step = {missed: np.mean(list(found)) / missed for missed, found in sizes.items()}
    assert len(per_step) > 1
    assert max(per_step.values()) < 1.05 * min(per_step.values())


def test_the_servers_own_weights_are_the_sum_of_all_updates_whatever_was_sent(tiny):
    federation = Federation(tiny.replace(**PART | {"down_bits": 1}))
    fedavg, state = federation.algorithm, federation.state
    updates = np.random.default_rng(0).normal(size=(4, len(state.weights))).astype(np.float32)
    for update in updates:
        message = fedavg.compress(update, Report(0, 1, 0.5, 0.0), fedavg.downlink.as_broadcast(state.public))
        state = fedavg.aggregate(state, [(0, message)]).state
    assert np.allclose(state.weights, federation.state.weights + updates.sum(axis=0), atol=1e-5)
    assert not np.allclose(state.public.values, state.weights, atol=0.1)


def test_a_round_that_nobody_answers_brings_the_public_model_nearer(tiny):
    federation = Federation(tiny.replace(**PART))
    federation.round()
    before = federation.state
    after = federation.algorithm.aggregate(before, []).state
    assert np.array_equal(after.weights, before.weights)
    gap = [np.linalg.norm(state.weights - state.public.values) for state in (before, after)]
    assert 0 < gap[1] < gap[0] / 2
    answered = before.public.steps[0].clients
    assert frame.kind_of(federation.algorithm.broadcast(after, answered[0])) == frame.Kind.STEPS


def files(done) -> tuple[bytes, str]:
    history = [{**row, "seconds": 0.0} for row in done.history]
    return (done.folder / "network.fsp").read_bytes(), History(history).to_csv()


@pytest.mark.parametrize("algorithm", ["fedavg", "eden"])
def test_a_run_that_is_cut_ends_the_same(tiny, algorithm):
    options = tiny.replace(**PART | {"algorithm": algorithm, "dropout": 0.2, "optimizer_state": "kept"})
    whole = run(options.replace(rounds=6, out=tiny.out + "6"))
    for rounds in (1, 4, 6):
        cut = run(options.replace(rounds=rounds))
    assert files(cut) == files(whole)


def test_the_network_file_is_what_clients_hold(tiny):
    done = run(tiny.replace(**PART))
    saved = read_checkpoint(done.folder)["state"]
    assert np.array_equal(done.network.weights.numpy(), saved["public"].numpy())
    assert np.array_equal(done.parameters.values, saved["public"].numpy())
    assert not np.array_equal(saved["public"].numpy(), saved["weights"].numpy()), "what is not sent yet is not shipped"


def test_without_down_bits_a_checkpoint_is_as_it_was(tiny):
    state = Federation(tiny.replace(algorithm="fedavg")).state
    assert set(state.pack()) == {"round", "weights"}


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_it_learns_as_well_as_with_float32(tiny, bits):
    settings = {"algorithm": "fedavg", "width": 0.35, "train_size": 600, "local_epochs": 3, "rounds": 5}
    exact, coded = (run(tiny.replace(**settings, down_bits=b)).history.last for b in (0, bits))
    assert coded["accuracy"] > exact["accuracy"] - 0.03
    assert coded["bpp_downlink"] < 1.2 * bits < exact["bpp_downlink"]
