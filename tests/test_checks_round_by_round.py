"""The exercises of notebook 03: what is right passes in any form, the usual mistakes get a hint."""

import numpy as np
import pytest

from fedsparse.teaching import checks


def mode(masks, prior):
    alpha, beta = prior + masks.sum(0), prior + (1 - masks).sum(0)
    return (alpha - 1) / (alpha + beta - 2)


def weighted(before, masks, samples, answered):
    if not answered.any():
        return before
    return np.average(masks[answered], axis=0, weights=samples[answered])


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (checks.beta_mode, mode),
        (checks.beta_mode, lambda masks, prior: (masks.sum(0) + prior - 1) / (len(masks) + 2 * prior - 2)),
        (checks.mean_variance, lambda q: np.sum(q * (1 - q)) / len(q) ** 2),
        (checks.mean_variance, lambda q: np.mean(q - q**2) / len(q)),
        (checks.partial_cohort, weighted),
    ],
)
def test_any_correct_answer_passes(check, answer, capsys):
    assert check(answer)
    assert capsys.readouterr().out == "PASS\n"


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (checks.beta_mode, lambda masks, prior: (prior + masks.sum(0)) / (2 * prior + len(masks))),  # the mean
        (checks.beta_mode, lambda masks, prior: masks.mean(0)),  # no prior
        (checks.beta_mode, lambda masks, prior: 1 - mode(masks, prior)),  # α and β exchanged
        (checks.mean_variance, lambda q: np.mean(q * (1 - q))),  # of one coin
        (checks.mean_variance, lambda q: np.mean(q) * (1 - np.mean(q)) / len(q)),  # coins taken as alike
        (checks.mean_variance, lambda q: np.sqrt(np.sum(q * (1 - q))) / len(q)),  # standard deviation
        (checks.mean_variance, lambda q: 1 / (4 * len(q))),  # the bound
        (checks.partial_cohort, lambda b, m, s, a: (m[a] * s[a, None]).sum(0) / s.sum()),  # silence as zeros
        (checks.partial_cohort, lambda b, m, s, a: m[a].mean(0) if a.any() else b),  # unweighted
        (checks.partial_cohort, lambda b, m, s, a: np.average(m, axis=0, weights=s)),  # everybody
        (checks.partial_cohort, lambda b, m, s, a: (m[a] * s[a, None]).sum(0) / max(1, s[a].sum())),  # θ lost
    ],
)
def test_the_usual_mistakes_get_a_hint(check, answer, capsys):
    assert not check(answer)
    said = capsys.readouterr().out
    assert said.startswith("Not yet")
    assert "Error" not in said, "a wrong number, not a crash"
