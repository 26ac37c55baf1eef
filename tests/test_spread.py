"""Lines with bands: a name looks the same in every panel, and a band is where it should be."""

import numpy as np
import pytest

from fedsparse.analysis import plots


def test_a_name_looks_the_same_in_every_panel_and_its_band_surrounds_it():
    x, y = np.arange(3), np.array([1.0, 2.0, 4.0])
    panels = {"left": {"truth": (x, y)}, "right": {"guess": (x, y, 0.5), "truth": (x, y)}}
    figure = plots.spread(panels, xlabel="x", ylabel="y", title="two panels", log=True)
    left, right = figure.axes
    colours = [{line.get_label(): line.get_color() for line in axes.lines} for axes in (left, right)]
    assert colours[0]["truth"] == colours[1]["truth"] != colours[1]["guess"]
    assert not left.collections
    (band,) = right.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (pytest.approx(0.5), pytest.approx(4.5))
    assert right.get_yscale() == "log"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["truth", "guess"]
    assert plots.png(figure).startswith(b"\x89PNG")
