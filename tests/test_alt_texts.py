"""Tables in words, as the alt texts of the notebooks' figures have them."""

import pandas

from fedsparse.analysis import plots


def test_one_clause_per_row_without_trailing_zeros():
    index = pandas.Index([0.0, 0.3], name="λ")
    table = pandas.DataFrame({"bpp_uplink": [0.49712, 0.1], "bytes": [93_034, float("nan")]}, index=index)
    words = "λ = 0: measured uplink (bpp) 0.497, bytes 93,034; λ = 0.3: measured uplink (bpp) 0.1, bytes none"
    assert plots.in_words(table) == words


def test_a_series_has_one_value_per_name():
    shares = pandas.Series({"iid": 0.104, "1 class": 10.0})
    assert plots.in_words(shares, 2) == "iid: 0.1; 1 class: 10"
