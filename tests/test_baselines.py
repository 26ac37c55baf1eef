"""The baselines: each against a case worked out by hand, then as a whole federation over the same bytes as FedPM."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fedsparse import (
    Experiment,
    Federation,
    History,
    MessageError,
    RunError,
    SettingError,
    evaluation,
    load_network,
    run,
)
from fedsparse.algorithms import ALGORITHMS
from fedsparse.algorithms.coded_downlink import PublicModel
from fedsparse.algorithms.deterministic_masks import FedMask, TopMask
from fedsparse.algorithms.fedavg import UpdateSum, WeightsState, first_weights
from fedsparse.algorithms.sign_sgd import VotesState
from fedsparse.client import Client
from fedsparse.entropy import kl_divergence
from fedsparse.experiment import SETTINGS
from fedsparse.models import Architecture, Layout, MaskedNetwork
from fedsparse.wire import weights as wire
from fedsparse.wire.frame import HEADER_BYTES, Kind
from fedsparse.wire.masks import Report, decode_mask, decode_theta

WEIGHTS = ("fedavg", "sign_sgd", "qsgd", "eden")
MASKS = ("top_mask", "fed_mask")
BASELINES = WEIGHTS + MASKS
NETWORK = MaskedNetwork(Architecture("mlp", 0.02, (1, 2, 2), 3))
N = NETWORK.layout.n


def made(algorithm: str, **settings):
    return ALGORITHMS[algorithm](Experiment(algorithm=algorithm, **settings), NETWORK)


def report(client: int, samples: int = 1) -> Report:
    return Report(client, samples, 0.25, 0.0)


# --- FedAvg ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("aggregation", "expected"), [("mean", 2.0), ("weighted", 3.0)])
def test_fedavg_of_two_clients_with_one_and_three_samples(aggregation, expected):
    # From weights of 1, one client with 1 sample goes to 1 + 0 and one with 3 samples to 1 + 4:
    # plain mean 1 + 2 = 3, weighted 1 + (1·0 + 3·4)/4 = 4.
    fedavg = made("fedavg", aggregation=aggregation)
    state = WeightsState(4, np.ones(N, np.float32))
    start = wire.decode_weights(fedavg.broadcast(state), NETWORK.layout)
    updates = [
        fedavg.compress(np.zeros(N, np.float32), report(0, 1), start),
        fedavg.compress(np.full(N, 4, np.float32), report(1, 3), start),
    ]
    after, measures, *_ = fedavg.aggregate(state, enumerate(updates))
    assert after.round == 5
    assert after.weights.dtype == np.float32
    assert set(after.weights.tolist()) == {1 + expected}
    assert measures["loss"] == 0.25
    assert set(measures) == {"loss"}, "what is measured on masks is not there"


def test_a_step_of_fedavg_is_the_gradient_of_the_loss_written_out(tiny):
    federation = Federation(tiny.replace(algorithm="fedavg", optimizer="sgd", weight_lr=0.5, batch_size=1000))
    algorithm, client = federation.algorithm, federation.clients[1]
    message = algorithm.broadcast(federation.state)
    start = wire.decode_weights(message, federation.network.layout)
    update, told = algorithm.decompress(algorithm.local_update(message, client), start)
    weights = torch.from_numpy(federation.state.weights.copy()).requires_grad_()
    loss = F.cross_entropy(federation.network.forward_with_weights(client.images, weights), client.labels)
    loss.backward()
    assert np.allclose(update, -0.5 * weights.grad.numpy(), atol=1e-6)
    assert (told.client, told.samples, told.loss) == (1, len(client.labels), pytest.approx(loss.item()))


def test_first_weights_are_kaimings_keyed_by_the_seed():
    layout = Layout(((50, 8, 3, 3), (40, 60)))
    weights = first_weights(layout, 0)
    conv, dense = weights[: layout.sizes[0]], weights[layout.sizes[0] :]
    for part, outputs, fan_in in [(conv, 50, 72), (dense, 40, 60)]:
        assert not part[-outputs:].any(), "biases begin at zero"
        assert np.abs(part).max() <= np.sqrt(6 / fan_in)
        assert part[:-outputs].std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.03)
    assert np.array_equal(first_weights(layout, 0), weights)
    assert not np.array_equal(first_weights(layout, 1), weights)
    assert weights[0] != dense[0] * np.sqrt(60 / 72), "every layer has its own key"


def test_sums_are_exact_in_any_order_and_refuse_what_would_spoil_them():
    fedavg = made("fedavg")
    start = wire.decode_weights(fedavg.broadcast(fedavg.init()), NETWORK.layout)
    rng = np.random.default_rng(0)
    updates = [(rng.normal(size=N) * 10.0 ** rng.integers(-6, 3), report(k, k + 1)) for k in range(6)]
    totals = []
    for order in ([0, 1, 2, 3, 4, 5], [5, 2, 0, 4, 1, 3]):
        total = UpdateSum(start, True, fedavg.decompress)
        for k in order:
            total.count(*updates[k])
        totals.append(total.mean())
    assert totals[0].tobytes() == totals[1].tobytes()
    assert np.allclose(totals[0], sum((k + 1) * u for k, (u, _) in enumerate(updates)) / 21, atol=1e-8)
    for of, words in [(report(2), "already answered"), (report(9, UpdateSum.MAX_WEIGHT), "at most")]:
        before = total.total.copy()
        with pytest.raises(MessageError, match=words):
            total.add(of.client, fedavg.compress(np.ones(N, np.float32), of, start))
        assert np.array_equal(total.total, before)
    most = UpdateSum(start, True, fedavg.decompress)
    most.count(np.full(N, -wire.MAX_ABS), report(0, UpdateSum.MAX_WEIGHT))
    assert set(most.mean().tolist()) == {-wire.MAX_ABS}, "the largest sum that there can be fits 64 bits"


# --- SignSGD ---------------------------------------------------------------------------------------------------------


def voted(updates: list[list[float]], samples: list[int], aggregation: str = "mean") -> list[int]:
    """The sums after one round of these updates, repeated to N weights; the first few."""
    sign_sgd = made("sign_sgd", aggregation=aggregation)
    state = sign_sgd.init()
    start = sign_sgd.downlink.as_broadcast(state.public)
    messages = [
        sign_sgd.vote(np.resize(u, N).astype(np.float32), report(k, s), start)
        for k, (u, s) in enumerate(zip(updates, samples, strict=True))
    ]
    return sign_sgd.aggregate(state, enumerate(messages)).state.public.values[: len(updates[0])].tolist()


def test_a_majority_vote_of_three():
    assert voted([[9, 0.1, -5], [-1, 0.1, -5], [-1, -8, -5]], [1, 1, 1]) == [-1, 1, -1]


def test_a_tie_is_a_vote_of_zero_and_weighted_votes_count_samples():
    assert voted([[1, 1], [-1, 1]], [1, 3]) == [0, 1]
    assert voted([[1, 1], [-1, 1]], [1, 3], "weighted") == [-1, 1]


def test_votes_move_weights_by_server_lr_from_where_they_began(monkeypatch):
    sign_sgd = made("sign_sgd", server_lr=0.25)
    sums = np.resize([-2, 0, 3], N).astype(np.int32)
    state = VotesState(3, PublicModel(4, sums))
    weights = sign_sgd.parameters(state).values
    assert np.allclose(weights, first_weights(NETWORK.layout, 0) + 0.25 * sums)
    seen = []

    def train(_network, _experiment, w, _client, round):
        seen.append((w, round))
        return np.ones(N), report(0)

    monkeypatch.setattr("fedsparse.algorithms.sign_sgd.train_weights", train)
    sign_sgd.local_update(sign_sgd.broadcast(state), Client(0, torch.zeros(1), torch.zeros(1)))
    assert np.array_equal(seen[0][0], weights), "a client knows the weights from the sums alone"
    assert seen[0][1] == 4


def test_who_answered_is_sent_the_last_votes_and_who_did_not_the_sums():
    sign_sgd, state = made("sign_sgd", codec="packed"), made("sign_sgd").init()
    votes = np.random.default_rng(0).choice([-1, 1], (6, N))
    for round, signs in enumerate(votes, 1):
        start = sign_sgd.downlink.as_broadcast(state.public)
        message = sign_sgd.vote(signs.astype(np.float32), report(0), start)
        state = sign_sgd.aggregate(state, [(0, message)]).state
        sizes = [len(sign_sgd.broadcast(state, client)) - HEADER_BYTES for client in (0, 1)]
        step = 4 + -(-2 * N // 8)  # a length, and two bits a vote
        assert sizes == [step, min(round * step, 4 + N)], "a sum of votes takes a byte here"
    assert np.array_equal(state.public.values, votes.sum(axis=0))


def test_a_weight_that_did_not_move_is_a_coin_of_its_own():
    sign_sgd = made("sign_sgd")
    start = sign_sgd.downlink.as_broadcast(sign_sgd.init().public)
    still = np.zeros(N, np.float32)
    signs = lambda k: wire.decode_symbols(sign_sgd.vote(still, report(k), start), Kind.SIGNS, N, 1, 0, start)[0]  # noqa: E731
    assert np.array_equal(signs(0), signs(0))
    assert 0.3 < np.mean(signs(0) != signs(1)) < 0.7
    assert 0.3 < np.mean(signs(0)) < 0.7


# --- QSGD and EDEN ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["qsgd", "eden"])
@pytest.mark.parametrize("bits", [1, 2])
def test_compressed_updates_come_near_and_nearer_with_more_clients(algorithm, bits):
    compressed = made(algorithm, bits=bits)
    start = wire.decode_weights(compressed.broadcast(compressed.init()), NETWORK.layout)
    update = np.random.default_rng(0).normal(size=N).astype(np.float32)
    got = [compressed.decompress(compressed.compress(update, report(k), start), start)[0] for k in range(200)]
    error = lambda values: np.linalg.norm(values - update) / np.linalg.norm(update)  # noqa: E731
    assert error(np.mean(got, axis=0)) < error(got[0]) / 5, "every client's randomness is its own"
    assert np.array_equal(got[7], compressed.decompress(compressed.compress(update, report(7), start), start)[0])


@pytest.mark.parametrize("algorithm", ["qsgd", "eden"])
def test_an_update_that_unpacks_to_nonsense_is_refused(algorithm):
    compressed = made(algorithm)
    start = wire.decode_weights(compressed.broadcast(compressed.init()), NETWORK.layout)
    huge = np.full(N, 1e30, np.float32)
    with pytest.raises(MessageError, match="diverged"):
        compressed.decompress(compressed.compress(huge, report(0), start), start)


# --- masks without chance --------------------------------------------------------------------------------------------


def of_five(algorithm: type, **settings):
    """An algorithm over one layer of 1 × 4 weights and a bias."""
    name = next(name for name, made in ALGORITHMS.items() if made is algorithm)
    return algorithm(Experiment(algorithm=name, **settings), SimpleNamespace(layout=Layout(((1, 4),))))


def test_top_mask_of_five_numbers():
    scores = torch.tensor([0.3, -0.9, 0.1, 0.8, -0.2])
    for density, expected in [(0, [0, 0, 0, 1, 0]), (0.4, [1, 0, 0, 1, 0]), (0.6, [1, 0, 1, 1, 0]), (1, [1] * 5)]:
        assert of_five(TopMask, density=density).hard(scores).tolist() == expected
    both = TopMask(Experiment(algorithm="top_mask", density=0.5), SimpleNamespace(layout=Layout(((1, 1), (1, 1)))))
    assert both.hard(torch.tensor([5.0, 4.0, 1.0, 2.0])).tolist() == [1, 0, 0, 1], "layer by layer"


def test_fed_mask_is_a_threshold():
    assert of_five(FedMask).hard(torch.tensor([0.3, -0.9, 0.0, 0.8, -0.2])).tolist() == [1, 0, 0, 1, 0]


SLOPES = {TopMask: torch.ones_like, FedMask: lambda s: s.sigmoid() * (1 - s.sigmoid())}


@pytest.mark.parametrize(("algorithm", "slope"), SLOPES.items())
def test_gradients_go_straight_through(algorithm, slope):
    seen = []
    masks = of_five(algorithm, **({"density": 0.4} if algorithm is TopMask else {}))
    masks.network = lambda images, mask: seen.append(mask.detach()) or (mask * images).sum()
    scores = torch.tensor([0.3, -0.9, 0.1, 0.8, -0.2], requires_grad=True)
    weights = torch.tensor([1.0, 2.0, -3.0, 4.0, 5.0])
    masks._logits(scores, weights).backward()
    assert torch.equal(seen[0], masks.hard(scores)), "zeros and ones, without a rounding error"
    assert torch.allclose(scores.grad, weights * slope(scores.detach()))


def test_scores_begin_at_the_votes_and_ties_are_broken_alike_everywhere():
    masks = made("fed_mask")
    theta = torch.tensor([0.01, 0.5, 0.99]).repeat_interleave(100)
    start = masks.start(theta)
    assert torch.equal(start, masks.start(theta))
    offsets = start - (2 * theta - 1)
    assert 0.05 < offsets.abs().max() <= 0.1 + 1e-6
    assert len(offsets.unique()) > 290
    assert not torch.equal(start, made("fed_mask", seed=1).start(theta))
    first = masks.parameters(masks.init())
    assert 0.3 < np.mean(first > 0.5) < 0.7
    assert len(np.unique(first)) > 30, "the first scores are random, not ½ everywhere"


@pytest.mark.parametrize("algorithm", MASKS)
def test_the_sent_mask_is_the_thresholded_one_and_its_report_true(tiny, algorithm):
    density = {"density": 0.3} if algorithm == "top_mask" else {}
    federation = Federation(tiny.replace(algorithm=algorithm, **density))
    message, client = federation.algorithm.broadcast(federation.state), federation.clients[2]
    broadcast = decode_theta(message, federation.network.layout)
    sent = federation.algorithm.local_update(message, client)
    assert sent == federation.algorithm.local_update(message, client)
    mask, told = decode_mask(sent, broadcast)
    assert told.kl == pytest.approx(kl_divergence(mask, broadcast.theta.probabilities()))
    assert (told.client, told.samples) == (2, len(client.labels))
    if algorithm == "top_mask":
        for part in np.split(mask, np.cumsum(federation.network.layout.sizes)[:-1]):
            assert part.sum() == max(1, round(0.3 * len(part)))


# --- whole federations -----------------------------------------------------------------------------------------------


def files(folder: Path) -> dict[str, bytes]:
    history = History.from_csv((folder / "history.csv").read_text())
    for row in history.rows:
        row["seconds"] = 0.0
    return {"history": history.to_csv().encode(), "network": (folder / "network.fsp").read_bytes()}


@pytest.mark.parametrize("algorithm", BASELINES)
def test_two_plus_two_rounds_equal_four_to_the_byte(tiny, algorithm):
    options = tiny.replace(algorithm=algorithm, cohort=3, optimizer_state="kept", aggregation="weighted")
    options = options.replace(bits=2) if algorithm in ("qsgd", "eden") else options
    four = run(options.replace(rounds=4, out=tiny.out + "4"))
    run(options.replace(rounds=2))
    assert files(run(options.replace(rounds=4)).folder) == files(four.folder)


@pytest.mark.parametrize("algorithm", BASELINES)
def test_every_byte_is_counted_and_the_order_of_updates_changes_nothing(tiny, algorithm):
    federation = Federation(tiny.replace(algorithm=algorithm, cohort=3, train_size=202, aggregation="weighted"))
    federation.round()
    before, original, sent = federation.state, federation.algorithm.local_update, []

    def watched(message, client):
        answer = original(message, client)
        sent.append((client.index, len(message), answer))
        return answer

    federation.algorithm.local_update = watched
    row = federation.round()
    assert row["downlink_bytes"] == sum(size for _, size, _ in sent)
    assert row["uplink_bytes"] == sum(len(answer) for *_, answer in sent)
    assert row["cohort"] == 3
    again = federation.algorithm.aggregate(before, [sent[k][::2] for k in (2, 0, 1)])
    for name, value in again.state.pack().items():
        assert np.array_equal(value, federation.state.pack()[name])
    assert again.measures["loss"] == row["loss"]


@pytest.mark.parametrize("algorithm", BASELINES)
def test_baselines_learn_and_the_network_file_is_the_network(tiny, algorithm):
    more = {"server_lr": 0.01} if algorithm == "sign_sgd" else {}
    done = run(tiny.replace(algorithm=algorithm, width=0.3, train_size=600, local_epochs=3, rounds=5, **more))
    last, network = done.history.last, done.network
    assert last["accuracy_expected"] > 0.7
    images, labels = Federation(done.experiment).test
    hits = (network(images).argmax(1) == labels).float().mean().item()
    assert hits == pytest.approx(last["accuracy_threshold"])
    assert "nan" not in str(done.history).lower()
    assert History.from_csv(done.history.to_csv()).to_csv() == done.history.to_csv()
    masks = algorithm in MASKS
    assert (network.mask is not None) == masks
    assert np.isnan(last["density"]) != masks
    assert done.network_bytes < network.float32_bytes / 10 if masks else done.network_bytes > network.float32_bytes
    if not masks:
        assert len({last[a] for a in ("accuracy", "accuracy_expected", "accuracy_threshold")}) == 1
        assert evaluation.correct(
            network.masked, network.weights, images, labels
        ).float().mean().item() == pytest.approx(hits)


def test_what_is_sent_up_is_what_the_names_promise(tiny):
    rates = {
        (a, c, b): Federation(tiny.replace(algorithm=a, codec=c, bits=b, width=1.0)).round()["bpp_uplink"]
        for a, c, b in [
            ("fedavg", "packed", 1),
            ("fedavg", "context", 1),
            ("sign_sgd", "packed", 1),
            ("eden", "packed", 1),
            ("eden", "packed", 2),
            ("qsgd", "context", 1),
            ("qsgd", "context", 2),
        ]
    }
    assert rates["fedavg", "packed", 1] == pytest.approx(32, abs=0.05)
    assert rates["fedavg", "context", 1] < rates["fedavg", "packed", 1]
    assert rates["sign_sgd", "packed", 1] == pytest.approx(1, abs=0.05)
    for b in (1, 2):
        assert rates["eden", "packed", b] == pytest.approx(b, abs=0.15)
        assert 0.5 * b < rates["qsgd", "context", b] < 1.1 * b


def test_the_deflated_update_is_the_same_update(tiny):
    packed, context = (Federation(tiny.replace(algorithm="fedavg", codec=c)) for c in ("packed", "context"))
    packed.round(), context.round()
    assert packed.state.weights.tobytes() == context.state.weights.tobytes()


def test_a_damaged_file_of_weights_is_refused(tiny, tmp_path):
    content = (run(tiny.replace(algorithm="fedavg", rounds=1)).folder / "network.fsp").read_bytes()
    for bad in (content[:-1], content + b"\0", content[:60], content[:4] + b"\3" + content[5:], content[:-1] + b"\1"):
        (tmp_path / "bad.fsp").write_bytes(bad)
        with pytest.raises(MessageError, match=r"bad\.fsp"):
            load_network(tmp_path / "bad.fsp")


def test_weights_that_diverge_say_so(tiny):
    federation = Federation(tiny.replace(algorithm="fedavg", optimizer="sgd", weight_lr=1000, local_epochs=20))
    with pytest.raises((RunError, MessageError), match="diverged"):
        [federation.round() for _ in range(5)]


# --- settings --------------------------------------------------------------------------------------------------------


def test_the_schema_names_every_algorithm():
    assert SETTINGS["algorithm"].metadata["choices"] == tuple(ALGORITHMS)


@pytest.mark.parametrize("algorithm", BASELINES)
def test_settings_that_an_algorithm_does_not_read_are_refused(algorithm):
    belongs = f"lam=1.0 would have no effect: it belongs to algorithm=fedpm, not to {algorithm}"
    with pytest.raises(SettingError, match=belongs):
        Experiment(algorithm=algorithm, lam=1)
    if algorithm in MASKS:
        with pytest.raises(SettingError, match="clip=0"):
            Experiment(algorithm=algorithm, clip=0)
    if algorithm in WEIGHTS:
        with pytest.raises(SettingError, match="mean or weighted"):
            Experiment(algorithm=algorithm, aggregation="beta")


@pytest.mark.parametrize(
    ("algorithm", "setting", "value"),
    [("fedavg", "weight_lr", 0.01), ("sign_sgd", "server_lr", 0.01), ("top_mask", "density", 0.2), ("qsgd", "bits", 2)],
)
def test_every_setting_of_a_baseline_is_heeded(tiny, algorithm, setting, value):
    options = tiny.replace(algorithm=algorithm, rounds=1)
    one, other = (Federation(o) for o in (options, options.replace(**{setting: value})))
    one.round(), other.round()
    values = [f.algorithm.parameters(f.state) for f in (one, other)]
    values = [getattr(v, "values", v) for v in values]
    assert not np.array_equal(*values)


def test_runs_of_fedpm_keep_their_names():
    assert Experiment().earlier_key == "digits-conv2-fedpm-lam0-seed0-d905e156"
    assert Experiment(lam=2, seed=1).earlier_key == "digits-conv2-fedpm-lam2-seed1-5bf45322"
