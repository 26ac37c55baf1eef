"""FedPM in one file: what stays frozen, what a round makes of the clients' masks, and what λ does."""

import copy

import pytest
import torch

from fedsparse import data
from fedsparse.teaching.fedpm_in_one_file import FedPMInOneFile


@pytest.fixture
def federation(tiny) -> FedPMInOneFile:
    torch.manual_seed(0)
    return FedPMInOneFile(tiny, data.load("digits", train_size=200))


def named(module, scores: bool) -> dict[str, torch.Tensor]:
    """The scores of a network, or its weights and biases."""
    return {name: p.detach() for name, p in module.named_parameters() if ("scores" in name) == scores}


def test_weights_never_change(federation):
    before = copy.deepcopy(named(federation.server, scores=False))
    assert before
    assert 0 <= federation.round() <= 1
    for network in (federation.server, *federation.clients):
        assert all(torch.equal(p, before[name]) for name, p in named(network, scores=False).items())


def test_after_a_round_a_score_is_the_logit_of_the_clients_mean_mask(federation, monkeypatch):
    sent, train = [], federation.train
    monkeypatch.setattr(federation, "train", lambda *given: sent.append(train(*given)) or sent[-1])
    federation.round()
    assert len(sent) == 4
    for name, scores in named(federation.server, scores=True).items():
        masks = torch.stack([mask[name] for mask in sent])
        assert set(masks.unique().tolist()) == {0.0, 1.0}
        assert torch.equal(scores, torch.logit(masks.mean(0).clamp(0.01, 0.99)))


def test_lambda_lowers_what_a_client_learns(federation, tiny):
    means = {}
    for lam in (0.0, 30.0):
        federation.experiment = tiny.replace(lam=lam)
        torch.manual_seed(1)
        federation.train(federation.clients[0], federation.loaders[0])
        scores = named(federation.clients[0], scores=True).values()
        means[lam] = torch.sigmoid(torch.cat([s.flatten() for s in scores])).mean()
    assert means[30.0] < means[0.0] - 0.01
