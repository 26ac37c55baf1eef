"""λ of a round: schedules by hand, the controller on systems whose answer is known, and what it says when it fails."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsparse import Experiment, Federation
from fedsparse.algorithms.lambda_schedule import MAX_LAM, SMALL, STEP, dual_step, first_lam, missed_target, next_lam


def test_a_warm_up_rises_linearly_from_zero_and_a_delay_comes_before_it():
    warm = Experiment(lam=8, lam_warmup=4)
    lams = [first_lam(warm)] + [next_lam(warm, t, 0.0, 0.3, 0.3) for t in range(1, 7)]
    assert lams == [0, 2, 4, 6, 8, 8, 8]
    late = warm.replace(lam_delay=2)
    assert [first_lam(late)] + [next_lam(late, t, 0.0, 0.3, 0.3) for t in range(1, 8)] == [0, 0, 0, 2, 4, 6, 8, 8]
    step = Experiment(lam=8, lam_delay=2)
    assert [first_lam(step)] + [next_lam(step, t, 0.0, 0.3, 0.3) for t in range(1, 4)] == [0, 0, 8, 8]
    constant = Experiment(lam=8)
    assert [first_lam(constant), next_lam(constant, 1, 8, 0.3, 0.3)] == [8, 8]


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
    assert first_lam(target) == 0
    assert first_lam(target.replace(lam=1.7)) == 1.7, "a controller begins where it is told to"
    assert next_lam(target, 3, 1.7, 0.0, 0.5) == 1.7
    assert next_lam(target, 3, 1.7, 0.5, 0.0) == dual_step(1.7, 0.5, 0.5, 0.2), "nothing to compare with: steady"


@given(st.floats(0.05, 0.8), st.floats(0.05, 5), st.floats(0.5, 1.0))
def test_the_controller_settles_on_a_system_that_lags(target, strength, power):
    # rate → 1 / (1 + strength · λ)^power, of which a third of the way is gone each round.
    lam, rate, before = 0.0, 1.0, 0.0
    for _ in range(150):
        lam, before = dual_step(lam, rate, before or rate, target), rate
        rate += ((1 + strength * lam) ** -power - rate) / 3
    assert rate == pytest.approx(target, rel=0.1)


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
    federation = Federation(tiny.replace(lam=3, lam_warmup=2, evaluate_every=9))
    assert [federation.round()["lam_used"] for _ in range(4)] == [0, 1.5, 3, 3]


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
