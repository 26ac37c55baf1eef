"""Checks of notebook 08: what is right passes however it is written, and the usual mistakes get a hint."""

import numpy as np
import pytest

from fedsparse.analysis import costs
from fedsparse.teaching import checks


def both(history):
    return history["uplink_bytes"] + history["downlink_bytes"]


def until(history, target, so_far=None):
    so_far = both(history).cumsum() / 1e6 if so_far is None else so_far
    reached = so_far[history["accuracy_expected"] >= target]
    return reached.iloc[0] if len(reached) else np.nan


MISTAKES = {
    "up alone": (checks.total_megabytes, lambda h: h["uplink_bytes"].sum() / 1e6),
    "the last round": (checks.total_megabytes, lambda h: both(h).iloc[-1] / 1e6),
    "mebibytes": (checks.total_megabytes, lambda h: both(h).sum() / 2**20),
    "times the clients": (checks.total_megabytes, lambda h: (both(h) * h["cohort"]).sum() / 1e6),
    "bytes": (checks.total_megabytes, lambda h: both(h).sum()),
    "that round not paid": (checks.megabytes_to, lambda h, t: until(h, t, (both(h).cumsum() - both(h)) / 1e6)),
    "more than, not reached": (checks.megabytes_to, lambda h, t: until(h, np.nextafter(t, 1))),
    "that round alone": (checks.megabytes_to, lambda h, t: until(h, t, both(h) / 1e6)),
    "the last time": (checks.megabytes_to, lambda h, t: (both(h).cumsum() / 1e6)[h["accuracy_expected"] >= t].max()),
    "gaps dropped": (checks.megabytes_to, lambda h, t: until(h.dropna(), t)),
    "never is nothing": (checks.megabytes_to, lambda h, t: np.nan_to_num(until(h, t))),
    "never is an error": (checks.megabytes_to, lambda h, t: (both(h).cumsum() / 1e6)[h.accuracy_expected >= t].iloc[0]),
    "round by round": (checks.break_even, lambda a, b: np.argmax(b < a) + 1),
    "from 0": (checks.break_even, lambda a, b: costs.break_even(a, b) - 1),
    "the first lead": (checks.break_even, lambda a, b: np.argmax(np.cumsum(b) < np.cumsum(a)) + 1),
    "the other way round": (checks.break_even, lambda a, b: costs.break_even(b, a)),
    "a tie is a win": (checks.break_even, lambda a, b: costs.break_even(a, b - 1e-9)),
    "never is nothing, evens": (checks.break_even, lambda a, b: np.nan_to_num(costs.break_even(a, b))),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_usual_mistakes_get_a_hint(mistake, capsys):
    check, answer = MISTAKES[mistake]
    assert not check(answer)
    assert capsys.readouterr().out.startswith("Not yet")


def test_what_is_right_passes_however_it_is_written(capsys):
    assert checks.total_megabytes(lambda h: sum(h["uplink_bytes"]) / 1e6 + h["downlink_bytes"].to_numpy().sum() / 1e6)
    assert checks.megabytes_to(until)
    assert checks.break_even(costs.break_even)
    assert capsys.readouterr().out == "PASS\n" * 3


@pytest.mark.parametrize("check", [checks.total_megabytes, checks.megabytes_to, checks.break_even])
def test_a_stub_is_told_so(check, capsys):
    assert not check(lambda *_: ...)
    assert "still to be written" in capsys.readouterr().out
