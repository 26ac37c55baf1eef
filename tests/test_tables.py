"""Tables on a notebook's page: means with their intervals, predictions beside what was measured."""

import pytest

from fedsparse.analysis.tables import plus_minus, scored


def test_a_mean_has_its_interval_unless_there_is_one_value():
    assert plus_minus([1.0, 3.0], 1) == "2.0 ± 12.7", "Student's t with one degree of freedom: 12.706 · √2/√2"
    assert plus_minus([0.25], 2) == "0.25"
    assert plus_minus([0.25], 2, "+") == "+0.25"
    assert plus_minus([1.0, 3.0], sign="+") == "+2.0 ± 12.7"


def test_a_prediction_is_held_against_what_was_measured():
    table = scored({"saved": 0.2, "lost": 2, "unused": 1.0}, {"lost": 0.5, "saved": 0.561})
    assert list(table.index) == ["lost", "saved"]
    assert table.loc["saved"].tolist() == [0.2, 0.56, 0.36]
    assert table.loc["lost", "off by"] == 1.5
    with pytest.raises(KeyError):
        scored({"saved": 0.2}, {"missing": 1.0})


def test_without_a_prediction_there_is_nothing_to_hold_against():
    table = scored({"saved": None, "lost": None}, {"lost": 0.5, "saved": 0.561})
    assert list(table.columns) == ["measured"]
    assert table["measured"].tolist() == [0.5, 0.56]
    some = scored({"saved": None, "lost": 1}, {"lost": 0.5, "saved": 0.561})
    assert some.loc["lost", "off by"] == 0.5
    assert some.loc["saved"].isna().tolist() == [True, False, True]
