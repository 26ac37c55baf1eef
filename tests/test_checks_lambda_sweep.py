"""Exercises of the λ sweep: the usual mistakes get a hint, and solutions of another style pass."""

import numpy as np
import pytest

from fedsparse.teaching import checks


def price(theta, lam):
    return lam / len(theta) * theta * (1 - theta)


def step(lam, rate, target, floor=0.0, clip=1.0, gain=0.4):
    u = np.log1p(lam / 0.3) + gain * np.clip(np.log(rate / target), -clip, clip)
    return 0.3 * np.expm1(max(floor, u))


def first_fall(lams, accuracies, tolerance):
    means = accuracies.mean(1)
    return lams[np.argmax(means < means[0] - tolerance) - 1]


WRONG = [
    (checks.dominated_share, lambda g, t, lam: np.mean(abs(g.mean(0)) < lam * t * (1 - t))),  # not divided by n
    (checks.dominated_share, lambda g, t, lam: np.mean(abs(g.mean(0)) < lam / len(t))),  # without θ(1 − θ)
    (checks.dominated_share, lambda g, t, lam: np.mean(abs(g).mean(0) < price(t, lam))),  # noise does not cancel
    (checks.dominated_share, lambda g, t, lam: np.mean(abs(g) < price(t, lam))),  # step by step
    (checks.dominated_share, lambda g, t, lam: np.mean(g.mean(0) < price(t, lam))),  # signs
    (checks.dominated_share, lambda g, t, lam: np.sum(abs(g.mean(0)) < price(t, lam))),  # a count
    (checks.knee, lambda lams, a, tol: lams[a.mean(1) >= a.mean(1)[np.argmin(lams)] - tol].max()),  # a lucky later one
    (checks.knee, lambda lams, a, tol: lams[a.mean(1) >= a.mean(1).max() - tol].max()),  # against the best
    (checks.knee, first_fall),  # in the order given
    (checks.knee, lambda lams, a, tol: lams[a.min(1) >= a.mean(1)[np.argmin(lams)] - tol].max()),  # the worst seed
    (checks.dual_ascent, lambda lam, rate, target: lam * np.exp(0.4 * np.log(rate / target))),  # stays at 0
    (checks.dual_ascent, lambda lam, rate, target: step(lam, target, rate)),  # the other way round
    (checks.dual_ascent, lambda lam, rate, target: step(lam, rate, target, clip=9)),  # not kept within
    (checks.dual_ascent, lambda lam, rate, target: step(lam, rate, target, floor=-9)),  # below 0
    (checks.dual_ascent, lambda lam, rate, target: step(lam, rate, target, gain=1.0)),  # the whole logarithm
]


@pytest.mark.parametrize(("check", "answer"), WRONG)
def test_the_usual_mistakes_get_a_hint(check, answer, capsys):
    assert not check(answer)
    assert capsys.readouterr().out.startswith("Not yet")


def test_another_style_passes(capsys):
    def knee(lams, accuracies, tolerance):
        kept, reference = 0.0, None
        for lam, row in sorted(zip(lams.tolist(), accuracies.tolist(), strict=True)):
            mean = sum(row) / len(row)
            reference = mean if reference is None else reference
            if mean < reference - tolerance:
                return kept
            kept = lam
        return kept

    def share(gradients, theta, lam):
        wins = [abs(sum(g) / len(g)) < lam * t * (1 - t) / len(theta) for g, t in zip(gradients.T, theta, strict=True)]
        return sum(wins) / len(wins)

    assert checks.knee(knee)
    assert checks.dominated_share(share)
    assert checks.dual_ascent(step)
    assert capsys.readouterr().out == "PASS\n" * 3
