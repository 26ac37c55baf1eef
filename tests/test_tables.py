"""Tables on a notebook's page: means with their intervals, predictions beside what was measured."""

import pandas
import pytest

from fedsparse.analysis.tables import accuracies, in_bands, plus_minus, scored


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


def test_a_band_shows_a_value_only_where_it_lies_outside():
    bands = {"accuracy": (0.9, 1.0), "bytes": (3_000, 5_000)}
    text = {values: in_bands({n: (v, *bands[n]) for n, v in zip(bands, values, strict=True)}) for values in
            ((0.95, 4_000), (0.9, 5_000), (0.89, 4_000))}  # fmt: skip
    assert text[0.95, 4_000] == text[0.9, 5_000] == "accuracy  0.9 to 1: inside\nbytes     3,000 to 5,000: inside"
    assert text[0.89, 4_000].splitlines()[0] == "accuracy  0.9 to 1: OUTSIDE, 0.89"


def test_without_a_prediction_there_is_nothing_to_hold_against():
    table = scored({"saved": None, "lost": None}, {"lost": 0.5, "saved": 0.561})
    assert list(table.columns) == ["measured"]
    assert table["measured"].tolist() == [0.5, 0.56]
    some = scored({"saved": None, "lost": 1}, {"lost": 0.5, "saved": 0.561})
    assert some.loc["lost", "off by"] == 0.5
    assert some.loc["saved"].isna().tolist() == [True, False, True]


def test_a_prediction_in_words_stands_beside_what_was_measured():
    table = scored({"cheapest": "fedavg", "ratio": 3}, {"cheapest": "sign_sgd", "ratio": 14.512})
    assert table.loc["cheapest"].tolist() == ["fedavg", "sign_sgd"]
    assert table.loc["ratio"].tolist() == [3, 14.51]
    alone = scored({"cheapest": None, "ratio": None}, {"cheapest": "sign_sgd", "ratio": 14.512})
    assert alone.to_dict() == {"measured": {"cheapest": "sign_sgd", "ratio": 14.51}}, "no word of None"


def test_the_accuracies_of_the_three_networks_are_in_percent_over_seeds():
    runs = pandas.DataFrame({"accuracy": [0.5], "accuracy_threshold": [0.625], "accuracy_expected": [0.75]})
    assert accuracies(runs) == {"sampled": "50.0", "threshold": "62.5", "expected": "75.0"}
    assert accuracies(pandas.concat([runs, runs + 0.02]))["sampled"] == "51.0 ± 12.7", "one row per seed"
