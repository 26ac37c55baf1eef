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
