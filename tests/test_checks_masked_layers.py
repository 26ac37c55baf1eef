"""The exercises of notebook 02: what is right passes in any form, the usual mistakes get a hint."""

import itertools

import numpy as np
import pytest

from fedsparse.teaching import checks


def sigma(s):
    return 1 / (1 + np.exp(-s))


def forward(x, weight, bias, mask):
    return x @ (weight * mask[: weight.size].reshape(weight.shape)).T + bias * mask[weight.size :]


def estimate(s, m, x, w, t):
    return (np.sum(w * x * m) - t) * w * x * sigma(s) * (1 - sigma(s))


def gradient(s, loss, law=None):
    theta, total = sigma(s), np.zeros(len(s))
    for m in map(np.array, itertools.product((0, 1), repeat=len(s))):
        total += (law or (lambda m, p: np.where(m, p, 1 - p).prod()))(m, theta) * loss(m) * (m - theta)
    return total


def differences(s, loss):
    """The same by differences between with and without."""
    theta, total = sigma(s), np.zeros(len(s))
    for j, m in itertools.product(range(len(s)), map(np.array, itertools.product((0, 1), repeat=len(s)))):
        others = np.delete(np.where(m, theta, 1 - theta), j).prod()
        total[j] += others * (1 if m[j] else -1) * loss(m) * theta[j] * (1 - theta[j])
    return total


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (checks.masked_forward, forward),
        (checks.masked_forward, lambda x, w, b, m: (forward(x, w, b, m)).tolist()),
        (checks.straight_through_gradient, estimate),
        (checks.exact_gradient, gradient),
        (checks.exact_gradient, differences),
    ],
)
def test_any_correct_answer_passes(check, answer, capsys):
    assert check(answer)
    assert capsys.readouterr().out == "PASS\n"


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (checks.masked_forward, lambda x, w, b, m: x @ w.T + b),  # the mask forgotten
        (checks.masked_forward, lambda x, w, b, m: x @ (w * m[:6].reshape(2, 3)).T + b),  # on the bias
        (checks.masked_forward, lambda x, w, b, m: x @ (w * m[:6].reshape(3, 2).T).T + b * m[6:]),  # column by column
        (checks.masked_forward, lambda x, w, b, m: x @ (w * m[2:].reshape(2, 3)).T + b * m[:2]),  # biases first
        (checks.masked_forward, lambda x, w, b, m: forward(x, w, b, m > 0)),  # probabilities made binary
        (checks.straight_through_gradient, lambda s, m, x, w, t: (np.sum(w * x * m) - t) * w * x),  # no σ'
        (checks.straight_through_gradient, lambda s, m, x, w, t: estimate(s, m, x, w, t) * m),  # only what is there
        (checks.straight_through_gradient, lambda s, m, x, w, t: estimate(s, sigma(s), x, w, t)),  # y of θ
        (checks.straight_through_gradient, lambda s, m, x, w, t: estimate(s, m, x, w, t) * sigma(s)),  # scaled
        (checks.straight_through_gradient, lambda s, m, x, w, t: 2 * estimate(s, m, x, w, t)),
        (checks.straight_through_gradient, lambda s, m, x, w, t: -estimate(s, m, x, w, t)),
        (checks.exact_gradient, lambda s, f: gradient(s, f, lambda m, p: 1 / 2 ** len(m))),  # all masks alike
        (checks.exact_gradient, lambda s, f: differences(s, f) / (sigma(s) * (1 - sigma(s)))),  # by θ, not s
        (checks.exact_gradient, lambda s, f: (f(np.ones(len(s))) - f(np.zeros(len(s)))) * sigma(s) * (1 - sigma(s))),
        (checks.exact_gradient, lambda s, f: gradient(s, lambda m: f(sigma(s)))),  # the loss of the mean
    ],
)
def test_the_usual_mistakes_get_a_hint(check, answer, capsys):
    assert not check(answer)
    said = capsys.readouterr().out
    assert said.startswith("Not yet")
    assert "Error" not in said, "a wrong number, not a crash"
