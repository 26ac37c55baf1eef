"""Zeroth-order SGD by scalars alone: exact slopes on quadratics, weights rebuilt to the bit, nobody sent too little."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsparse import Experiment, Federation, History, MessageError, RunError, SettingError, run
from fedsparse.algorithms.fedavg import first_weights
from fedsparse.algorithms.zeroth_order import ZerothOrder
from fedsparse.client import Client
from fedsparse.models import Architecture, MaskedNetwork
from fedsparse.randomness import philox
from fedsparse.wire.weights import decode_scalars, decode_update

NETWORK = MaskedNetwork(Architecture("mlp", 0.02, (1, 2, 2), 3))
N = NETWORK.layout.n


@pytest.fixture
def tiny(tiny) -> Experiment:
    return tiny.replace(algorithm="zeroth_order", weight_lr=0.01, perturbations=2)


def signs(seed: int, round: int, count: int, n: int = N) -> np.ndarray:
    """The first directions of a round, (count, n), from Philox's words, lowest bit first."""
    words = philox(seed, "directions", round).random_raw(count * -(-n // 64)).reshape(count, -1).tolist()
    return np.array([[2 * (row[j // 64] >> (j % 64) & 1) - 1 for j in range(n)] for row in words])


def rebuilt(message: bytes, e: Experiment, network: MaskedNetwork) -> np.ndarray:
    """The weights that the scalars of all rounds make of the seed's first ones, one direction after the other."""
    weights = first_weights(network.layout, e.seed)
    for round, slopes in enumerate(decode_scalars(message, network.layout)[0], start=1):
        for slope, z in zip(slopes, signs(e.seed, round, len(slopes), len(weights)), strict=True):
            weights = weights - np.float32(e.weight_lr / e.perturbations) * slope * z.astype(np.float32)
    return weights


# --- the slopes ------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3), st.floats(0.001, 0.03))
@settings(deadline=None, max_examples=25)
def test_on_a_quadratic_slopes_are_exact_and_steps_follow_them(seed, perturbations, epochs, lr):
    """L(w) = ½ Σ a w² + c·w has the slope z·(a w + c) along z, whatever μ is: its third derivative is zero."""
    rng = np.random.default_rng(seed)
    a, c = 30 * rng.random(N), rng.normal(size=N)
    settings = {"weight_lr": lr / 30, "perturbations": perturbations, "local_epochs": epochs, "seed": 7}
    e = Experiment(algorithm="zeroth_order", batch_size=9, **settings)
    algorithm = ZerothOrder(e, NETWORK)
    algorithm.loss = lambda w, images, labels: torch.tensor(0.5 * (a * w) @ w.astype(float) + c @ w)
    client = Client(0, torch.zeros(5, 1, 2, 2, dtype=torch.uint8), torch.zeros(5, dtype=torch.int64))
    message = algorithm.broadcast(algorithm.init())
    start = algorithm._start(first_weights(NETWORK.layout, 7), 1)
    sent, _ = decode_update(algorithm.local_update(message, client), start, epochs * perturbations)
    weights = start.values.astype(float)
    for slopes, z in zip(sent.reshape(epochs, -1), signs(7, 1, len(sent)).reshape(epochs, -1, N), strict=True):
        assert np.allclose(slopes, z @ (a * weights + c), rtol=1e-3, atol=0.02)
        weights = weights - e.weight_lr / perturbations * slopes @ z


def test_slopes_are_those_of_the_networks_loss(tiny):
    federation = Federation(tiny.replace(batch_size=1000, perturbations=4))
    algorithm, client = federation.algorithm, federation.clients[1]
    message = algorithm.broadcast(federation.state)
    start = algorithm._start(federation.state.weights, 1)
    sent, report = decode_update(algorithm.local_update(message, client), start, 4)
    weights = torch.from_numpy(start.values.copy()).requires_grad_()
    logits = federation.network.forward_with_weights(client.images, weights)
    loss = torch.nn.functional.cross_entropy(logits, client.labels)
    loss.backward()
    z = signs(tiny.seed, 1, 4, len(weights))
    assert np.allclose(sent, z @ weights.grad.numpy(), rtol=0.05, atol=0.05), sent - z @ weights.grad.numpy()
    assert (report.client, report.samples) == (1, len(client.labels))
    assert report.loss == pytest.approx(loss.item(), rel=0.05)


# --- the weights -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aggregation", ["mean", "weighted"])
def test_the_mean_of_slopes_makes_the_mean_of_the_clients_weights(tiny, aggregation):
    """Also where clients differ in size, and so in steps."""
    federation = Federation(tiny.replace(aggregation=aggregation, partition="iid", size_skew=1, batch_size=8))
    algorithm, before = federation.algorithm, federation.state.weights
    message = algorithm.broadcast(federation.state)
    start, e = algorithm._start(before, 1), federation.experiment
    weights, samples, updates = [], [], []
    for client in federation.clients:
        updates.append(algorithm.local_update(message, client))
        count = e.local_epochs * len(list(range(0, len(client.labels), 8))) * e.perturbations
        sent, _ = decode_update(updates[-1], start, count)
        step = e.weight_lr / e.perturbations
        weights.append(before - step * sent.astype(float) @ signs(e.seed, 1, len(sent), len(before)))
        samples.append(len(client.labels))
    assert len(set(map(len, updates))) > 1, "clients with different numbers of steps"
    share = np.array(samples) / sum(samples) if aggregation == "weighted" else np.full(4, 0.25)
    orders = [[0, 1, 2, 3], [3, 1, 0, 2]]
    after = [algorithm.aggregate(federation.state, [(k, updates[k]) for k in order]).state for order in orders]
    assert np.allclose(after[0].weights, share @ np.array(weights), atol=1e-5)
    assert after[0].weights.tobytes() == after[1].weights.tobytes(), "in any order"


def test_all_scalars_and_the_seed_give_the_servers_weights_to_the_bit(tiny):
    federation = Federation(tiny.replace(size_skew=1, cohort=3))
    for _ in range(4):
        federation.round()
    message = federation.algorithm.broadcast(federation.state)
    got = rebuilt(message, federation.experiment, federation.network)
    assert got.tobytes() == federation.state.weights.tobytes()
    newcomer = Client(0, federation.clients[0].images, federation.clients[0].labels)
    federation.algorithm.local_update(message, newcomer)
    assert newcomer.memory["weights"].numpy().tobytes() == got.tobytes()


def test_a_client_is_sent_the_scalars_of_the_rounds_since_it_last_answered(tiny):
    federation = Federation(tiny.replace(clients=6, cohort=3, dropout=0.3))
    algorithm, last, seen = federation.algorithm, {}, set()
    original = algorithm.local_update
    for number in range(1, 9):
        sent = {}

        def watched(message, client, sent=sent):
            sent[client.index] = message
            return original(message, client)

        algorithm.local_update = watched
        starts = federation.state.weights
        row = federation.round()
        for k, message in sent.items():
            rounds, coming, _ = decode_scalars(message, federation.network.layout)
            assert (coming, len(rounds)) == (number, number - last.get(k, 1))
            assert federation.clients[k].memory["weights"].numpy().tobytes() == starts.tobytes()
            seen.add(len(rounds))
            last[k] = number
        assert row["downlink_bytes"] >= sum(map(len, sent.values())), "and those who dropped out"
    assert {0, 1} < seen, "some were there each time, others had missed rounds"


def test_bytes_do_not_grow_with_the_network(tiny):
    sizes = []
    for width in (0.05, 0.5):
        federation = Federation(tiny.replace(codec="packed", width=width))
        federation.round()
        row = federation.round()
        sizes.append((row["uplink_bytes"], row["downlink_bytes"]))
    scalars = 2 * -(-50 // 32)  # a step for each 32 of 50 images, 2 directions each
    assert sizes == [(4 * (34 + 12 + 4 * scalars), 4 * (34 + 8 + 4 * scalars))] * 2


def test_it_learns(tiny):
    done = run(tiny.replace(width=0.3, rounds=6, local_epochs=6, perturbations=5, train_size=400))
    losses = [row["loss"] for row in done.history]
    assert losses[-1] < 0.85 * losses[0]
    assert done.history.last["accuracy"] > 0.3


# --- as every algorithm ----------------------------------------------------------------------------------------------


def files(folder: Path) -> dict[str, bytes]:
    history = History.from_csv((folder / "history.csv").read_text())
    timeless = History([{**row, "seconds": 0.0} for row in history])
    return {"history": timeless.to_csv().encode(), "network": (folder / "network.fsp").read_bytes()}


def test_two_plus_two_rounds_equal_four_with_either_engine(tiny):
    options = tiny.replace(cohort=3, dropout=0.2, aggregation="weighted")
    four = run(options.replace(rounds=4, engine="plain", out=tiny.out + "4"))
    run(options.replace(rounds=2))
    assert files(run(options.replace(rounds=4)).folder) == files(four.folder)


def test_without_enough_updates_nothing_moves(tiny):
    federation = Federation(tiny, min_updates=5)
    before = federation.state.weights
    federation.round(), federation.round()
    assert np.array_equal(federation.state.weights, before)
    assert federation.state.counts.tolist() == [0, 0]


# --- refusals --------------------------------------------------------------------------------------------------------


def after_rounds(experiment: Experiment, rounds: int) -> Federation:
    federation = Federation(experiment)
    for _ in range(rounds):
        federation.round()
    return federation


@pytest.mark.parametrize("other", [{"seed": 1}, {"weight_lr": 0.011}, {"perturbations": 3}])
def test_scalars_of_another_run_are_refused(tiny, other):
    message = (federation := after_rounds(tiny, 2)).algorithm.broadcast(federation.state)
    another = Federation(tiny.replace(**other))
    with pytest.raises(MessageError, match="do not lead to the server's weights") as error:
        another.algorithm.local_update(message, another.clients[0])
    assert "\n" not in str(error.value)
    assert not another.clients[0].memory, "nothing is remembered of it"


def test_a_client_that_lacks_earlier_rounds_refuses_and_one_that_is_ahead_does_not(tiny):
    federation = after_rounds(tiny, 3)
    algorithm, state = federation.algorithm, federation.state
    forgetful = Client(0, federation.clients[0].images, federation.clients[0].labels)
    with pytest.raises(MessageError, match="scalars of rounds 3 to 3 for a client at the start of round 1"):
        algorithm.local_update(algorithm.broadcast(state, 0), forgetful)
    whole = algorithm.local_update(algorithm.broadcast(state), forgetful)
    assert algorithm.local_update(algorithm.broadcast(state), federation.clients[0]) == whole


def test_an_update_of_another_length_or_client_is_refused(tiny):
    federation = Federation(tiny)
    algorithm, state = federation.algorithm, federation.state
    message = algorithm.broadcast(state)
    update = algorithm.local_update(message, federation.clients[0])
    short = Federation(tiny.replace(perturbations=1)).algorithm.local_update(message, federation.clients[1])
    done = algorithm.aggregate(state, [(0, update), (0, update), (2, update), (1, short), (3, update[:-1])])
    whys = [str(rejected.error) for rejected in done.rejected]
    assert list(done.uplink) == [0]
    for why, words in zip(whys, ["already answered", "says that it is client 0", "bytes", "announces"], strict=True):
        assert words in why
    assert done.state.answered.tolist() == [1, 0, 0, 0]


def test_training_that_diverges_says_so(tiny):
    federation = Federation(tiny.replace(weight_lr=1000))
    with pytest.raises((RunError, MessageError), match=r"diverged"):
        after_rounds(federation.experiment, 5)


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"optimizer": "sgd"}, "optimizer=sgd would have no effect"),
        ({"optimizer_state": "kept"}, "optimizer_state=kept would have no effect"),
        ({"lr": 1.0}, "lr=1.0 would have no effect"),
        ({"precision": "auto"}, "precision=auto"),
        ({"codec": "shared"}, "codec=shared is for masks"),
        ({"aggregation": "beta"}, "mean or weighted"),
    ],
)
def test_settings_without_meaning_are_refused(others, words):
    with pytest.raises(SettingError, match=words) as error:
        Experiment(algorithm="zeroth_order", **others)
    assert "\n" not in str(error.value)


def test_perturbations_belong_to_it_alone():
    with pytest.raises(SettingError, match="it belongs to algorithm=zeroth_order, not to fedavg"):
        Experiment(algorithm="fedavg", perturbations=3)
