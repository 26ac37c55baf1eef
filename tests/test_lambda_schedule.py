"""λ of a round: schedules by hand, the controller on systems whose answer is known, and what it says when it fails."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedsparse import Experiment, Federation, run
from fedsparse.algorithms.lambda_schedule import MAX_LAM, SMALL, STEP, dual_step, missed_target, next_lam
from fedsparse.client import train
from fedsparse.client_fast import FastTrainer
from fedsparse.regularizers import learned


def test_without_a_target_lam_stays_as_it_is():
    assert next_lam(Experiment(lam=8), 8, 0.3, 0.3) == 8


def test_steps_of_the_controller_by_hand():
    # At the target and steady, λ stays; at e times the target and beyond, log(1 + λ/SMALL) rises by STEP.
    assert dual_step(2.0, 0.3, 0.3, 0.3) == pytest.approx(2.0)
    for rate in (0.1 * math.e, 0.9):
        assert math.log1p(dual_step(2.0, rate, rate, 0.1) / SMALL) == pytest.approx(math.log1p(2.0 / SMALL) + STEP)
    assert dual_step(0.0, 0.2, 0.2, 0.3) == 0.0, "λ is never negative"
    assert dual_step(2.0, 0.3, 0.4, 0.3) < 2.0, "a rate that is falling asks for less"
    assert dual_step(MAX_LAM, 0.9, 0.9, 0.1) == MAX_LAM


def test_a_round_without_answers_leaves_lam_as_it_was():
    target = Experiment(target_bpp=0.2)
    assert next_lam(target, 1.7, 0.0, 0.5) == 1.7
    assert next_lam(target, 1.7, 0.5, 0.0) == dual_step(1.7, 0.5, 0.5, 0.2), "nothing to compare with: steady"


@given(st.floats(0.05, 0.8), st.floats(0.05, 5), st.floats(0.5, 1.0))
def test_the_controller_settles_on_a_system_that_lags(target, strength, power):
    # rate → 1 / (1 + strength · λ)^power, of which a third of the way is gone each round.
    lam, rate, before = 0.0, 1.0, 0.0
    for _ in range(150):
        lam, before = dual_step(lam, rate, before or rate, target), rate
        rate += ((1 + strength * lam) ** -power - rate) / 3
    assert rate == pytest.approx(target, rel=0.1)


def test_the_integral_of_the_controller_waits_with_lam():
    assert dual_step(2.0, 0.9, 0.9, 0.1, gain=0.0) == pytest.approx(2.0), "nothing is learned yet: λ is not wound up"
    half = math.log1p(2.0 / SMALL) + STEP / 2
    assert math.log1p(dual_step(2.0, 0.9, 0.9, 0.1, gain=0.5) / SMALL) == pytest.approx(half)


@given(st.integers(2, 1000), st.floats(0, 20), st.floats(0, 20))
def test_what_has_been_learned_is_nothing_at_chance_and_all_without_a_loss(classes, loss, more):
    of = lambda value: learned(torch.tensor(value, dtype=torch.float64), classes).item()  # noqa: E731
    chance = math.log(classes)
    assert of(chance) == pytest.approx(0, abs=1e-12)
    assert of(chance + loss) == 0
    assert of(0.0) == 1
    assert 0 <= of(loss + more) <= of(loss) <= 1
    assert of(chance / 2) == pytest.approx(1 / 4)


def test_a_single_class_is_learned_to_begin_with_and_divides_by_nothing():
    assert learned(torch.tensor(0.0), 1) == 1


def rows(*rates: float, lam: float = 1.0) -> list[dict]:
    return [{"bpp_uplink": r, "lam_used": lam, "cohort": 4 * (r > 0)} for r in rates]


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (rows(0.9, 0.3, 0.28, 0.32, 0.3, 0.3), ""),
        (rows(0.3, 0, 0.3, 0, 0, 0, 0, 0.3), ""),
        (rows(0, 0), ""),
        (rows(0.9, 0.8), "not met yet: 2 rounds are too few to tell"),
        (rows(0.2, 0, 0, 0, 0, 0, lam=0.0), "not met yet: 1 round is too few to tell"),
        (
            rows(0.2, 0.2, 0.2, 0.2, 0.2, lam=0.0),
            "sent 0.2 bpp at λ = 0, so the target is above what this federation sends",
        ),
        (rows(0.2, 0.2, 0.2, 0.2, 0.2), "with λ = 1 from 1: more rounds may do"),
        (rows(0.9, 0.8, 0.7, 0.6, 0.5), "sent 0.7 bpp and falling, with λ = 1: more rounds may do"),
        (rows(0.5, 0.5, 0.5, 0.5, 0.5), "no longer falls, with λ = 1: the target is below what this method reaches"),
    ],
)
def test_why_a_target_was_not_met(history, words):
    said = missed_target(Experiment(target_bpp=0.3), history)
    assert words in said
    assert bool(said) == bool(words)
    assert "\n" not in said
    assert missed_target(Experiment(), history) == ""


def test_lam_crosses_the_network_and_a_client_trains_with_what_it_decoded(tiny):
    import dataclasses

    federation = Federation(tiny)
    plain = federation.algorithm.broadcast(federation.state)
    heavy = federation.algorithm.broadcast(dataclasses.replace(federation.state, lam=50.0))
    client = federation.clients[0]
    assert len(plain) == len(heavy)
    direct = Federation(tiny.replace(lam=50))
    assert federation.algorithm.local_update(heavy, client) == direct.algorithm.local_update(heavy, client)
    assert federation.algorithm.local_update(heavy, client) != federation.algorithm.local_update(plain, client)
    assert direct.algorithm.local_update(plain, client) == federation.algorithm.local_update(plain, client)


def test_history_says_which_lam_was_used(tiny):
    for start in ({"lam": 3}, {"lam": 3, "target_bpp": 0.5}):  # a controller begins where it is told to
        assert Federation(tiny.replace(**start, evaluate_every=9)).round()["lam_used"] == 3


def test_a_target_is_approached_and_the_multiplier_follows_the_measured_rate(tiny):
    federation = Federation(tiny.replace(target_bpp=0.5, evaluate_every=99))
    rates, lams = [], []
    for _ in range(6):
        row = federation.round()
        rates.append(row["bpp_uplink"])
        lams.append(row["lam_used"])
    assert lams[0] == 0
    for t in range(1, 6):
        expected = dual_step(lams[t - 1], rates[t - 1], rates[max(0, t - 2)], 0.5)
        assert lams[t] == pytest.approx(expected, rel=1e-5)


def followed(loss: float) -> float:
    return max(0.0, 1 - loss / math.log(10)) ** 2


def test_lam_follows_the_loss_of_the_last_round_that_anybody_answered(tiny):
    learns = {"clients": 2, "local_epochs": 4, "train_size": 1000, "width": 0.2}
    federation = Federation(tiny.replace(lam=20, lam_schedule="server_loss", dropout=0.6, **learns))
    rows = [dict(federation.round()) for _ in range(9)]
    assert {0, 1} <= {row["cohort"] for row in rows}, "rounds with and without an answer"
    expected = 0.0
    for row in rows:
        assert row["lam_used"] == pytest.approx(20 * expected, rel=1e-5)
        expected = followed(row["loss"]) if row["cohort"] else expected
    assert rows[-1]["lam_used"] > 1, "something was learned"


def test_a_large_lam_that_follows_the_loss_does_not_collapse_the_mask(tiny):
    # A constant λ of this size leaves nothing but chance; one that follows the loss waits until something is learned.
    e = tiny.replace(lam=1e5, train_size=1000, local_epochs=3, clients=2, rounds=8, evaluate_every=8)
    constant = run(e).history.last
    following = run(e.replace(lam_schedule="server_loss")).history
    assert constant["density"] < 0.02
    assert constant["accuracy_expected"] < 0.2
    assert following[0]["density"] > 0.4
    assert min(row["loss"] for row in following) < math.log(10)


@pytest.mark.parametrize("engine", ["fast", "plain"])
@pytest.mark.parametrize("known", [True, False])
def test_a_client_follows_its_own_loss_at_every_step(tiny, engine, known):
    # One step of SGD: the gradient of (λ/n) Σ σ(s) is λ/n θ(1−θ), times what the cross-entropy of that step says.
    e = tiny.replace(batch_size=1000, optimizer="sgd", lr=1.0, lam=3000, lam_schedule="client_loss")
    federation = Federation(e)
    network, client = federation.network, federation.clients[0]
    theta = torch.full((network.layout.n,), 0.4)
    if known:  # labels that are what the network says already
        client.labels = network(client.images, theta).argmax(1)
    trainer = FastTrainer(network, e).train if engine == "fast" else lambda *a: train(network, e, *a)
    without, loss = trainer(client, theta, 1, 0.0)
    scores, again = trainer(client, theta, 1, 3000.0)
    assert again == loss
    assert (loss < math.log(10)) == known, "both sides of chance"
    expected = followed(loss) * 3000 / len(theta) * theta * (1 - theta)
    assert torch.allclose(without - scores, expected, atol=2e-6)


def test_a_client_that_follows_its_own_loss_is_sent_the_whole_lam(tiny):
    federation = Federation(tiny.replace(lam=20, lam_schedule="client_loss"))
    assert [federation.round()["lam_used"] for _ in range(2)] == [20, 20]


def test_a_target_and_a_lam_that_follows_the_loss(tiny):
    e = tiny.replace(target_bpp=0.5, lam=2.0, lam_schedule="server_loss", local_epochs=4, clients=2, evaluate_every=99)
    federation = Federation(e)
    lam, factor, before = 2.0, 0.0, 0.0
    for _ in range(6):
        row = federation.round()
        assert row["lam_used"] == pytest.approx(lam * factor, rel=1e-5)
        lam = dual_step(lam, row["bpp_uplink"], before or row["bpp_uplink"], 0.5, factor)
        factor, before = followed(row["loss"]), row["bpp_uplink"]
    assert factor > 0
