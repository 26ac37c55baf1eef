"""Local training, evaluation and the algorithm: every setting and every part of a key does what it says."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fedsparse import Experiment, Federation, RunError, run
from fedsparse.client import sample_upload, train
from fedsparse.entropy import kl_divergence
from fedsparse.evaluation import accuracy, evaluate
from fedsparse.layers import sample_mask
from fedsparse.randomness import torch_generator
from fedsparse.regularizers import REGULARIZERS
from fedsparse.wire import masks


def trained(experiment: Experiment, client: int = 0, round: int = 1, theta: float = 0.3) -> torch.Tensor:
    federation = Federation(experiment)
    start = torch.full((federation.network.layout.n,), theta)
    return train(federation.network, experiment, federation.clients[client], start, round, experiment.lam)[0]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("estimator", "scaled"),
        ("local_epochs", 2),
        ("batch_size", 7),
        ("lr", 0.05),
        ("optimizer", "sgd"),
        ("lam", 1.0),
        ("init", "fedpm"),
        ("precision", "bfloat16"),
        ("seed", 1),
    ],
)
def test_every_setting_of_local_training_is_heeded(tiny, setting, value):
    assert not torch.equal(trained(tiny), trained(tiny.replace(**{setting: value})))


def test_each_regularizer_is_the_one_that_is_named(tiny):
    scores = {name: trained(tiny.replace(lam=5, regularizer=name)) for name in REGULARIZERS}
    assert len({tuple(s.tolist()) for s in scores.values()}) == len(REGULARIZERS)


def test_one_step_of_sgd_is_the_gradient_of_the_loss_written_out(tiny):
    # One batch of everything, one epoch: s₁ = s₀ − lr ∂/∂s [cross-entropy(m ⊙ w) + λ KL(σ(s) ‖ θ)], and the KL's
    # gradient is zero at the start, so with λ = 0 or λ > 0 the first step is the same; sparsity adds λ θ(1−θ)/n.
    experiment = tiny.replace(optimizer="sgd", lr=2.0, batch_size=1000)
    federation = Federation(experiment)
    client, n = federation.clients[1], federation.network.layout.n
    start = torch.full((n,), 0.3)
    scores = torch.logit(start).requires_grad_()
    mask = sample_mask(scores, torch_generator("cpu", experiment.seed, "masks", 1, 1))
    F.cross_entropy(federation.network(client.images, mask), client.labels).backward()
    for lam, regularizer, extra in [(0, "sparsity", 0.0), (9, "sparsity", 9 * 0.3 * 0.7 / n), (9, "kl", 0.0)]:
        options = experiment.replace(lam=lam, regularizer=regularizer)
        got, _ = train(federation.network, options, client, start, 1, lam)
        assert torch.allclose(got, scores.detach() - 2.0 * (scores.grad + extra), atol=1e-5), (lam, regularizer)


def test_local_draws_are_keyed_by_client_and_by_round(tiny):
    # The same data at two clients: only their keys differ.
    tiny = tiny.replace(local_epochs=1, batch_size=1000)
    federation = Federation(tiny)
    one, two = federation.clients[0], federation.clients[1]
    two.images, two.labels = one.images, one.labels
    start = torch.full((federation.network.layout.n,), 0.4)
    go = lambda client, round: train(federation.network, tiny, client, start, round, 0.0)[0]  # noqa: E731
    assert torch.equal(go(one, 1), go(one, 1))
    assert not torch.equal(go(one, 1), go(two, 1))
    assert not torch.equal(go(one, 1), go(one, 2))


def test_the_sent_mask_is_keyed_by_client_and_by_round(tiny):
    scores = torch.zeros(500)
    masks = {key: sample_upload(scores, tiny, *key).numpy().tobytes() for key in [(1, 0), (1, 1), (2, 0)]}
    assert len(set(masks.values())) == 3
    assert sample_upload(scores, tiny, 1, 0).numpy().tobytes() == masks[(1, 0)]


def test_batches_are_drawn_anew_for_every_round(tiny, monkeypatch):
    seen = []
    original = torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda n, **k: seen.append(original(n, **k)) or seen[-1])
    for client, round in [(0, 1), (1, 1), (0, 2)]:
        trained(tiny.replace(local_epochs=2), client, round)
    assert len({tuple(order.tolist()) for order in seen}) == 6


def test_the_report_is_true(tiny):
    federation = Federation(tiny)
    message = federation.algorithm.broadcast(federation.state)
    client = federation.clients[2]
    broadcast = masks.decode_theta(message, federation.network.layout)
    theta = torch.from_numpy(broadcast.theta.probabilities())
    mask, report = masks.decode_mask(federation.algorithm.local_update(message, client), broadcast)
    scores, loss = train(federation.network, tiny, client, theta, 1, 0.0)
    assert np.array_equal(mask, sample_upload(scores, tiny, 1, 2).numpy())
    assert (report.client, report.samples) == (2, len(client.labels))
    assert report.loss == pytest.approx(loss)
    assert report.kl == pytest.approx(kl_divergence(torch.sigmoid(scores).numpy(), theta.numpy()))
    assert report.kl != pytest.approx(kl_divergence(theta.numpy(), torch.sigmoid(scores).numpy()), rel=1e-3)


def test_weighted_aggregation_counts_samples_in_a_federation(tiny):
    # 201 images over 4 clients: 51, 50, 50, 50, so that weights differ.
    options = tiny.replace(train_size=201, aggregation="weighted")
    federation = Federation(options)
    assert sorted({len(c.labels) for c in federation.clients}) == [50, 51]
    federation.round()
    assert federation.state.votes.total == 201
    mean = Federation(options.replace(aggregation="mean"))
    mean.round()
    assert mean.state.votes.total == 4


def test_the_prior_is_reset_every_r_rounds_and_not_only_once(tiny):
    federation = Federation(tiny.replace(aggregation="beta", prior_reset=2, rounds=5))
    totals = []
    for _ in range(5):
        federation.round()
        totals.append(federation.state.votes.total)
    assert totals == [4, 8, 4, 8, 4]


def test_normal_scores_start_at_the_sigmoid_of_a_normal(tiny):
    theta = Federation(tiny.replace(scores="normal", width=0.5)).algorithm
    start = theta.parameters(theta.init())
    scores = torch.logit(torch.from_numpy(start).double())
    assert scores.mean().abs() < 0.05
    assert scores.std().item() == pytest.approx(1, abs=0.05)
    half = Federation(tiny).algorithm
    assert set(half.parameters(half.init()).tolist()) == {0.5}


def test_three_ways_to_evaluate(tiny):
    federation = Federation(tiny)
    images, labels = federation.test
    theta = np.random.default_rng(0).random(federation.network.layout.n).astype(np.float32)
    got = evaluate(federation.network, theta, images, labels, 0, 1, federation.clients.label_counts)
    measure = lambda mask: accuracy(federation.network, torch.as_tensor(mask).float(), images, labels)  # noqa: E731
    assert got["accuracy_expected"] == measure(theta)
    assert got["accuracy_threshold"] == measure(theta > 0.5)
    assert got["accuracy"] != got["accuracy_expected"], "sampled networks are others"
    assert (
        got["accuracy"]
        != evaluate(federation.network, theta, images, labels, 0, 2, federation.clients.label_counts)["accuracy"]
    ), "keyed by round"


def test_sampled_accuracy_is_the_mean_of_three_different_masks(tiny, monkeypatch):
    from fedsparse import evaluation

    used = []

    def correct(network, mask, *_):  # of 8 images: 1 with the first mask, 2 with the second, ...; the 4th is θ ⊙ w
        used.append(mask)
        return torch.arange(8) < len(used)

    monkeypatch.setattr(evaluation, "correct", correct)
    theta = np.full(Federation(tiny).network.layout.n, 0.5, np.float32)
    images, labels = torch.zeros(8, 1, 8, 8), torch.zeros(8, dtype=torch.int64)
    network = SimpleNamespace(weights=lambda mask: mask)
    got = evaluation.evaluate(network, theta, images, labels, 0, 1, np.ones((1, 1), np.int64))
    sampled = [m for m in used if set(m.tolist()) == {0.0, 1.0}]
    assert len({tuple(m.tolist()) for m in sampled}) == len(sampled) == 3
    which = [i + 1 for i, m in enumerate(used) if set(m.tolist()) == {0.0, 1.0}]
    assert got["accuracy"] == pytest.approx(sum(which) / 3 / 8)
    assert len(used) == 5, "the expected network is passed once"


def test_accuracy_is_measured_on_the_test_images(tiny):
    federation = Federation(tiny)
    assert len(federation.test[1]) == 359
    assert sum(len(c.labels) for c in federation.clients) == 200
    held = {image.numpy().tobytes() for image in federation.test[0]}
    trained_on = {image.numpy().tobytes() for c in federation.clients for image in c.images}
    assert len(held & trained_on) == 0


def test_a_run_whose_weights_changed_does_not_end_well(tiny, monkeypatch):
    original = Federation.round

    def tampering(self):
        self.network.stages[0].frozen[0] += 1
        return original(self)

    monkeypatch.setattr(Federation, "round", tampering)
    with pytest.raises(RunError, match="frozen weights have changed"):
        run(tiny)


def test_images_held_out_are_never_trained_on_and_are_evaluated_as_the_test_images_are(tiny):
    federation = Federation(tiny.replace(validation=0.3))
    held, trained = federation.validation[0], federation.clients.images
    assert (len(held), len(trained)) == (60, 140)
    assert not {tuple(i) for i in held.flatten(1).tolist()} & {tuple(i) for i in trained.flatten(1).tolist()}
    row = federation.round()
    theta = federation.algorithm.parameters(federation.state)
    counts = federation.clients.label_counts
    direct = evaluate(federation.network, theta, *federation.validation, 0, 1, counts)
    for name in ("", "_expected", "_threshold"):
        assert row[f"accuracy_val{name}"] == direct[f"accuracy{name}"]
    assert "sampled, validation" in str(federation.history)
    without = Federation(tiny)
    assert np.isnan(without.round()["accuracy_val_expected"])
    assert "validation" not in str(without.history)
