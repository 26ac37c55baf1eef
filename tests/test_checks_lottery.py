"""The exercises of notebook 01: right answers of several kinds pass, the usual mistakes get a hint."""

import numpy as np
import pytest

from fedsparse.teaching import checks


def by_sorting(weights, share):
    mask = np.zeros(weights.size)
    mask[np.argsort(-np.abs(weights).ravel())[: round(share * weights.size)]] = 1
    return mask.reshape(weights.shape)


def by_threshold(weights, share):
    sizes = np.sort(np.abs(weights), axis=None)[::-1]
    return np.abs(weights) >= sizes[round(share * weights.size) - 1]


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (checks.magnitude_mask, by_sorting),
        (checks.magnitude_mask, by_threshold),
        (checks.share_left, lambda prune, rounds: (1 - prune) ** rounds),
        (checks.share_left, lambda prune, rounds: np.prod([1 - prune] * rounds)),
        (checks.next_start, lambda first, trained, share: first * by_sorting(trained, share)),
        (checks.next_start, lambda first, trained, share: np.where(by_threshold(trained, share), first, 0)),
    ],
)
def test_right_answers_pass(check, answer, capsys):
    assert check(answer)
    assert capsys.readouterr().out == "PASS\n"


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (checks.magnitude_mask, lambda w, share: w >= np.sort(w, axis=None)[::-1][round(share * w.size) - 1]),
        (checks.magnitude_mask, lambda w, share: by_sorting(w, 1 - share)),
        (checks.magnitude_mask, lambda w, share: 1 - by_sorting(w, share)),
        (checks.magnitude_mask, lambda w, share: by_sorting(w, share).ravel()),
        (checks.magnitude_mask, lambda w, share: by_sorting(w, share) * w),
        (checks.share_left, lambda prune, rounds: prune**rounds),
        (checks.share_left, lambda prune, rounds: 1 - prune * rounds),
        (checks.share_left, lambda prune, rounds: 1 - (1 - prune) ** rounds),
        (checks.next_start, lambda first, trained, share: trained * by_sorting(trained, share)),
        (checks.next_start, lambda first, trained, share: first * by_sorting(first, share)),
        (checks.next_start, lambda first, trained, share: first),
        (checks.next_start, lambda first, trained, share: first * (1 - by_sorting(trained, share))),
        (checks.next_start, lambda first, trained, share: first * (trained >= np.sort(trained)[-round(share * 4)])),
    ],
)  # fmt: skip
def test_the_usual_mistakes_get_a_hint(check, answer, capsys):
    assert not check(answer)
    assert capsys.readouterr().out.startswith("Not yet")
