"""The exercises of notebook 11: the usual mistakes get a hint, other right answers pass."""

import numpy as np
import pytest

from fedsparse.teaching import checks

WRONG = [
    (checks.accepted, lambda replies, now, asked: sorted(client for client, _ in replies)),
    (checks.accepted, lambda replies, now, asked: sorted(c for c, r in replies if r == now and c in asked)),
    (checks.accepted, lambda replies, now, asked: sorted({c for c, r in replies if r == now})),
    (checks.accepted, lambda replies, now, asked: sorted({c for c, r in replies if c in asked})),
    (checks.accepted, lambda replies, now, asked: [c for c, r in dict(replies).items() if r == now and c in asked]),
    (checks.accepted, lambda replies, now, asked: sorted(c for c, r in dict(replies[::-1]).items() if r == now)),
    (checks.whole_sum, lambda updates, weights, unit: weights @ updates / unit),
    (checks.whole_sum, lambda updates, weights, unit: np.rint(weights @ updates / unit)),
    (checks.whole_sum, lambda updates, weights, unit: np.rint(updates / unit).sum(0)),
    (checks.whole_sum, lambda updates, weights, unit: np.rint(weights[:, None] * updates / unit).sum(0)),
    (checks.whole_sum, lambda updates, weights, unit: weights @ np.floor(updates / unit)),
]


@pytest.mark.parametrize(("check", "answer"), WRONG)
def test_the_usual_mistakes_get_a_hint(check, answer, capsys):
    assert not check(answer)
    assert capsys.readouterr().out.startswith("Not yet")


def test_other_ways_to_be_right_pass(capsys):
    def loop(updates, weights, unit):
        total = np.zeros(updates.shape[1], np.int64)
        for update, weight in zip(updates, weights, strict=True):
            total += int(weight) * np.rint(update / unit).astype(np.int64)
        return total

    assert checks.whole_sum(loop)
    assert checks.accepted(lambda replies, now, asked: [c for c in sorted(asked) if (c, now) in replies])
