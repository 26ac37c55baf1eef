"""The fast engine does the plain one's work: the same bits, whoever trains beside whom."""

import threading
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fedsparse import Experiment, Federation
from fedsparse.client import train
from fedsparse.client_fast import IGNORED, FastTrainer, TrainStep
from fedsparse.models import precision_of
from fedsparse.regularizers import REGULARIZERS
from fedsparse.threads import parallel_map

SETTINGS = [
    {},
    {"estimator": "scaled"},
    {"optimizer": "sgd", "lr": 5.0},
    {"optimizer_state": "kept", "cohort": 2},
    {"precision": "bfloat16"},
    {"model": "conv2", "width": 0.1, "batch_size": 7},
    {"model": "lenet", "width": 0.5, "partition": "dirichlet", "alpha": 0.3},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_both_engines_send_the_same_masks(tiny, settings):
    # On one machine the very same bits; 1e-4 is what float rounding might change elsewhere.
    engines = [Federation(tiny.replace(engine=e, local_epochs=2, **settings)) for e in ("fast", "plain")]
    for _ in range(2):
        sent = [[f.algorithm.local_update(f.algorithm.broadcast(f.state), c) for c in f.clients] for f in engines]
        for f in engines:
            f.round()
        assert sent[0] == sent[1]
    assert np.mean(engines[0].state.votes.ones != engines[1].state.votes.ones) < 1e-4
    assert engines[0].history.last["loss"] == engines[1].history.last["loss"]


@pytest.mark.parametrize("regularizer", REGULARIZERS)
@pytest.mark.parametrize("estimator", ["identity", "scaled"])
def test_both_engines_descend_the_same_regularized_loss(tiny, regularizer, estimator):
    # Autograd and the closed form round differently, and Adam magnifies that: what is equal is a step of SGD.
    options = {"lam": 300.0, "regularizer": regularizer, "estimator": estimator, "optimizer": "sgd", "lr": 1.0}
    e = tiny.replace(batch_size=1000, **options)
    federation, n = Federation(e), Federation(e).network.layout.n
    theta = torch.linspace(0.02, 0.98, n)
    fast = FastTrainer(federation.network, e)
    plain = partial(train, federation.network, e)
    got = [engine(federation.clients[0], theta, 1, 300.0)[0] - torch.logit(theta) for engine in (fast.train, plain)]
    without = plain(federation.clients[0], theta, 1, 0.0)[0] - torch.logit(theta)
    assert torch.allclose(got[0], got[1], atol=1e-6, rtol=1e-4)
    if regularizer != "kl":  # its gradient is zero where a round begins
        assert (got[1] - without).abs().max() > 1e-3
    two = e.replace(local_epochs=2)
    moved = [
        engine(federation.clients[0], theta, 1, 300.0)[0]
        for engine in (FastTrainer(federation.network, two).train, partial(train, federation.network, two))
    ]
    assert torch.allclose(*moved, atol=1e-5, rtol=1e-4)


def test_clients_leave_nothing_behind_for_the_next(tiny):
    federation = Federation(tiny.replace(lam=1.0, train_size=203))
    a, b = federation.clients[0], federation.clients[3]
    assert len(a.labels) != len(b.labels)
    theta = torch.full((federation.network.layout.n,), 0.4)
    one, other = (FastTrainer(federation.network, federation.experiment) for _ in range(2))
    first = [one.train(client, theta, 1, 1.0)[0] for client in (a, b, a)]
    second = [other.train(client, theta, 1, 1.0)[0] for client in (b, a)]
    assert torch.equal(first[0], first[2])
    assert torch.equal(first[0], second[1])
    assert torch.equal(first[1], second[0])
    assert torch.equal(
        one.train(a, theta, 1, 0.0)[0], train(federation.network, federation.experiment, a, theta, 1, 0.0)[0]
    )


def test_there_are_as_many_train_steps_as_threads(tiny):
    federation = Federation(tiny.replace(clients=12))
    federation.clients.workers = 3
    federation.round()
    federation.round()
    assert 1 <= len(federation.algorithm.train.__self__.idle) <= 3


def test_a_train_step_that_failed_serves_again(tiny):
    federation = Federation(tiny)
    trainer = FastTrainer(federation.network, federation.experiment)
    theta = torch.full((federation.network.layout.n,), 0.4)
    good = trainer.train(federation.clients[0], theta, 1, 0.0)[0]
    with pytest.raises(RuntimeError):
        trainer.train(federation.clients[0], theta[:-1], 1, 0.0)
    assert torch.equal(trainer.train(federation.clients[0], theta, 1, 0.0)[0], good)
    assert len(trainer.idle) == 1


def test_rows_that_fill_up_a_batch_change_nothing(tiny):
    # What a CUDA graph does with a smaller last batch, done without one.
    federation = Federation(tiny)
    step = TrainStep(federation.network, federation.experiment, torch.device("cpu"))
    images, labels = federation.clients[0].images[:5], federation.clients[0].labels[:5]
    padded = torch.cat([images, torch.full_like(images, 77)])
    ignored = torch.cat([labels, torch.full_like(labels, IGNORED)])
    gradients = []
    for x, y in [(images, labels), (padded, ignored)]:
        step.generator.manual_seed(3)
        step.scores.fill_(0.2)
        loss = step._step(x, y)
        gradients.append(step.gradient.clone())
    assert loss == pytest.approx(
        F.cross_entropy(federation.network.forward_with_weights(images, step.weights), labels).item(), abs=1e-5
    )
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)
    assert gradients[0].abs().max() > 1e-3


@pytest.mark.parametrize("name", REGULARIZERS)
def test_the_closed_form_of_a_regularizers_gradient_is_its_derivative(name):
    scores = torch.linspace(-4, 4, 41, dtype=torch.float64).requires_grad_()
    start = torch.linspace(2, -2, 41, dtype=torch.float64)
    (expected,) = torch.autograd.grad(2.5 * REGULARIZERS[name](scores, start), scores)
    theta, gradient = torch.sigmoid(scores.detach()), torch.ones(41, dtype=torch.float64)
    sigmoid_grad = theta * (1 - theta)
    REGULARIZERS[name].add_gradient_(gradient, torch.tensor(2.5), theta, scores.detach(), start, sigmoid_grad)
    assert torch.allclose(gradient - 1, expected, atol=1e-7)


def test_parallel_map_keeps_order_and_gives_each_one_thread():
    gate = threading.Barrier(3)

    def work(item: int) -> tuple[int, int]:
        gate.wait(timeout=10)  # three at a time, or nobody gets through
        return item, torch.get_num_threads()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert list(parallel_map(work, range(6), 3)) == [(i, 1) for i in range(6)]
        assert list(parallel_map(lambda i: (i, torch.get_num_threads()), range(3), 1)) == [(i, 1) for i in range(3)]
        with pytest.raises(ZeroDivisionError):
            list(parallel_map(lambda i: 1 // i, range(3), 2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_auto_precision_follows_the_device_and_a_run_keeps_what_it_began_with(tiny, monkeypatch):
    cpu, auto = torch.device("cpu"), tiny.replace(precision="auto")
    for known, expected in [({"amx_bf16": True}, "bfloat16"), ({"avx2": True}, "float32")]:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda known=known: known, raising=False)
        assert precision_of(auto, cpu) == expected
        assert precision_of(Experiment(precision="bfloat16"), cpu) == "bfloat16"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    began = Federation(auto)
    began.round()
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    resumed = Federation(auto)
    assert resumed.network.precision == "float32"
    resumed.restore(began.checkpoint())
    assert resumed.network.precision == "bfloat16"
