"""Figures: every line is drawn once and has a name, and a band lies where its values are."""

import io
import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pandas
import pytest
from PIL import Image

from fedsparse import DataError, SettingError, run
from fedsparse.analysis import plots
from fedsparse.analysis.sweeps import tidy


def legend(figure):
    found = [*figure.legends, *(a.get_legend() for a in figure.axes if a.get_legend())]
    return [[text.get_text() for text in each.get_texts()] for each in found]


@pytest.mark.parametrize("count", [1, 4, 9])
def test_no_line_is_dropped(count):
    named = {f"line {i}": ([0.0, 1.0], [0.1, 0.1 * i]) for i in range(count)}
    figure = plots.lines({"left": named, "right": named}, ["x", "λ"])
    assert [len(axes.lines) for axes in figure.axes] == [count, count]
    assert legend(figure) == [list(named)], "panels of the same names have one legend"
    assert [axes.get_xscale() for axes in figure.axes] == ["linear", "log"]
    other = plots.lines({"left": named, "right": {"another": ([0, 1], [0, 1])}}, ["x", "x"])
    assert legend(other) == [list(named), ["another"]]


def test_tradeoff_draws_one_mean_or_one_line_per_seed():
    rows = [
        {"panel": panel, "line": line, "seed": seed, "round": r, "megabytes_up": r, "megabytes_down": r + seed}
        | {"accuracy_expected": 0.5 + 0.1 * seed}
        for panel, line, seeds in (("left", "a", 2), ("right", "a", 1), ("right", "b", 3))
        for seed in range(seeds)
        for r in (1, 2)
    ]
    drawn = {}
    for seeds in ("band", "lines"):
        figure = plots.tradeoff(pandas.DataFrame(rows), seeds=seeds, accuracy="accuracy_expected")
        assert legend(figure) == [["a", "b"]], "also what only the second panel has"
        drawn[seeds] = [
            [tuple(line.get_ydata()) for line in axes.lines if len(line.get_xdata())] for axes in figure.axes
        ]
    assert drawn["band"] == [[pytest.approx((0.55, 0.55))], [pytest.approx((0.5, 0.5)), pytest.approx((0.6, 0.6))]]
    assert [len(lines) for lines in drawn["lines"]] == [2, 4]
    both = pandas.DataFrame(rows).assign(accuracy=0.2, accuracy_threshold=0.3)
    figure = plots.tradeoff(both)
    assert [axes.get_title() for axes in figure.axes] == [
        f"{network}, {panel}" for network in ("sampled networks", "threshold network") for panel in ("left", "right")
    ]
    assert [axes.lines[0].get_ydata()[0] for axes in figure.axes] == [0.2, 0.2, 0.3, 0.3]


def test_by_round_draws_one_mean_or_one_line_per_seed():
    rows = [
        {"round": r, "seed": seed, "lam": lam, "accuracy": 0.1 * r + 0.01 * seed + lam}
        for r in (1, 2)
        for seed in range(3)
        for lam in (0.0, 0.5)
    ]
    table = pandas.DataFrame(rows)
    (axes,) = plots.by_round(table, ("accuracy",)).axes
    drawn = [line.get_ydata() for line in axes.lines if len(line.get_xdata())]
    assert [list(y) for y in drawn] == [pytest.approx([0.11, 0.21]), pytest.approx([0.61, 0.71])]
    (axes,) = plots.by_round(table, ("accuracy",), seeds="lines").axes
    ends = sorted(line.get_ydata()[-1] for line in axes.lines if len(line.get_xdata()))
    assert ends == pytest.approx([0.2, 0.21, 0.22, 0.7, 0.71, 0.72])
    assert axes.get_legend() is None, "inside it would hide lines"
    assert [text.get_text() for text in axes.figure.legends[0].get_texts()] == ["λ = 0", "λ = 0.5"]


def test_a_line_has_its_own_look_in_every_panel_also_where_another_has_no_values():
    rows = [{"round": r, "algorithm": a, "accuracy": 0.1 * r, "bpp_kl": np.nan if a == "fedavg" else 0.1}
            for a in ("fedavg", "fedpm") for r in (1, 2)]  # fmt: skip
    left, right = plots.by_round(pandas.DataFrame(rows), ("accuracy", "bpp_kl"), by="algorithm").axes
    drawn = [[line.get_color() for line in axes.lines if len(line.get_xdata())] for axes in (left, right)]
    assert drawn[1] == drawn[0][1:]


def test_lines_look_different_from_each_other():
    looks = [tuple(plots.style.look(i).values()) for i in range(49)]
    assert len(set(looks)) == 49
    one = {"panel": "", "seed": 0, "megabytes_up": 1, "megabytes_down": 1, "accuracy": 0.5}
    rows = [one | {"line": f"{i}", "round": r} for i in range(12) for r in (1, 2)]
    (axes,) = plots.tradeoff(pandas.DataFrame(rows), accuracy="accuracy").axes
    assert len({(line.get_color(), line.get_marker()) for line in axes.lines}) == 12


def test_a_table_without_what_is_drawn_is_refused_in_one_line(tiny):
    table = tidy([run(tiny)])
    with pytest.raises(SettingError, match=r"it has no panel, line, megabytes_up, megabytes_down$"):
        plots.tradeoff(table)
    with pytest.raises(SettingError, match=r"it has no share$"):
        plots.against_share(table, ("accuracy",), by="lam")


@pytest.mark.parametrize(
    "draw",
    [
        lambda table: plots.by_round(table, ("accuracy",)),
        lambda table: plots.by_lam(table, ("accuracy",)),
        lambda table: plots.points(table, ("accuracy",), "lam", "lam"),
        plots.tradeoff,
        plots.communication_cost,
    ],
)
def test_a_table_without_rows_is_refused_in_one_line(draw):
    for nothing in (pandas.DataFrame(), pandas.DataFrame({"round": [], "lam": [], "accuracy": []})):
        with pytest.raises(SettingError, match="the table has no rows"):
            draw(nothing)


def test_by_round_of_a_column_without_values_leaves_its_panel_empty():
    table = pandas.DataFrame({"round": [1, 2], "lam": 0.0, "accuracy": [0.1, 0.2], "bpp_kl": [np.nan, np.nan]})
    with warnings.catch_warnings(action="error"):
        empty, drawn = plots.by_round(table, ("bpp_kl", "accuracy")).axes
    assert not [line for line in empty.lines if len(line.get_xdata())]
    assert not legend(drawn.figure), "one line needs none"
    for columns, words in ((("bpp_kl",), "no values of bpp_kl"), ((), "no values of any column")):
        with pytest.raises(SettingError, match=words):
            plots.by_round(table, columns)


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


def test_a_png_has_a_palette_and_looks_as_it_was_drawn():
    named = {f"line {i}": (np.arange(3), np.arange(3) * i, 0.3) for i in range(5)}
    figure = plots.spread({"here": named}, xlabel="x", ylabel="y")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100, facecolor="white")
    content = plots.png(figure)
    assert len(content) < len(drawn.getvalue()) / 2
    before, after = (np.asarray(Image.open(file).convert("RGB"), int) for file in (drawn, io.BytesIO(content)))
    assert np.abs(before - after).mean() < 1, "of 255"


def test_a_figure_is_saved_in_any_locale(tmp_path):
    save = """
from pathlib import Path
from fedsparse.analysis import plots
figure = plots.lines({"share": {"line": ([0, 1], [0, 1])}}, ["x"])
for name in ("first", "second"):
    plots.save(figure, name, alt="θ", caption="λ", folder="made", notebook="05", parameters={})
plots.adopt(Path("made"), Path("figures"), "05")
"""
    ascii_locale = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    (tmp_path / "save.py").write_text(save, encoding="utf-8")
    (tmp_path / "figures").mkdir()
    done = subprocess.run([sys.executable, "save.py"], cwd=tmp_path, env=ascii_locale, capture_output=True)
    assert done.returncode == 0, done.stderr
    listed = json.loads((tmp_path / "figures" / "index.json").read_text(encoding="utf-8"))
    assert [listed[f"{name}.png"]["alt"] for name in ("first", "second")] == ["θ", "θ"]


def test_a_bound_show_saves_the_figure_with_what_it_was_made_from(tmp_path):
    show = plots.bound("05_some_notebook", tmp_path, {"lam": 3.0}, "digits, seed 0")
    figure = plots.lines({"share": {"line": ([0, 1], [0, 1])}}, ["x"])
    show(figure, "first", alt="a line", caption="One line.")
    show(figure, "second", alt="a line", made_from="another seed")
    listed = json.loads((tmp_path / "index.json").read_text(encoding="utf-8"))
    assert [listed[f"{name}.png"]["caption"] for name in ("first", "second")] == [
        "One line. Made from digits, seed 0.", "Made from another seed.",
    ]  # fmt: skip
    assert listed["first.png"]["notebook"] == "05_some_notebook"
    assert listed["first.png"]["parameters"] == {"lam": 3.0}
    assert (tmp_path / "first.png").read_bytes() == plots.png(figure)


def test_a_round_shows_all_four_steps_and_every_client_of_each_method():
    words = {"down": "goes down", "train": "is trained", "up": "comes up", "mean": "is averaged"}
    figure = plots.one_round({"one": words, "other": words}, np.zeros((3, 2, 8, 8)))
    for axes, name in zip(figure.axes, ("one", "other"), strict=True):
        said = "\n".join(text.get_text() for text in axes.texts)
        assert axes.get_title() == name
        assert [said.count(f"client {k}") for k in range(4)] == [1, 1, 1, 0]
        assert [said.count(words[step]) for step in words] == [1, 3, 1, 1]
        assert len(axes.images) == 6


def test_arrows_keep_their_component_along_the_mean_and_say_what_is_common():
    steps = np.array([[3.0, 1.0, 0.0, 0.0], [3.0, -1.0, 0.0, 0.0], [3.0, 0.0, 2.0, 0.0], [3.0, 0.0, -2.0, 0.0]])
    (axes,) = plots.arrows({"four": steps}).axes
    scale = np.sqrt(9 + (1 + 1 + 4 + 4) / 4)
    *each, mean = [a.xy for a in axes.texts]
    assert np.allclose(mean, (3 / scale, 0))
    assert np.allclose([x for x, _ in each], 3 / scale)
    assert np.allclose(sorted(abs(y) for _, y in each), [0, 0, 2 / scale, 2 / scale]), (
        "the third direction spreads most"
    )
    assert axes.get_title().endswith(f"common share {9 / scale**2:.2f}")
    with pytest.raises(DataError, match=r"^none: the steps of the clients cancel"):
        plots.arrows({"none": np.array([[1.0, 0.0], [-1.0, 0.0]])})


def test_a_pruned_weight_is_dotted_and_a_ticket_has_the_first_values():
    first, trained, mask = [0.3, -0.2, 0.6], [0.4, -0.9, 0.1], [0, 1, 1]
    (axes,) = plots.train_prune_rewind(first, trained, mask).axes
    numbers = [text.get_text() for text in axes.texts if text.get_text().strip("−.0123456789") == "" != text.get_text()]
    assert numbers == ["0.3", "−0.2", "0.6", "0.4", "−0.9", "0.1", "0", "−0.9", "0.1", "0", "−0.2", "0.6"]
    drawn = [line.get_linestyle() for line in axes.lines]
    assert drawn[:12] == ["-", "--", "-", "-", "--", "-", ":", "--", "-", ":", "--", "-"]
    widths = [line.get_linewidth() for line in axes.lines]
    assert widths[4] > widths[1], "training made this weight larger"
    said = "\n".join(text.get_text() for text in axes.texts)
    assert all(said.count(step) == 1 for step in ("first weights", "trained", "pruned", "rewound", "again"))


def test_a_race_is_won_by_the_smallest_quotient():
    figure = plots.race([1.0, 2.0, 3.0], [0.5, 8.0, 1.0])
    (axes,) = figure.axes
    arrivals, ends = (each.get_offsets()[:, 0] for each in axes.collections[1:])
    assert list(arrivals) == [1, 2, 3]
    assert list(ends) == [2, 0.25, 3]
    assert list(axes.lines[0].get_xdata()) == [0.25, 0.25], "the line of the winner"


def test_a_slide_is_16_to_9_and_leaves_the_figure_as_it_was():
    figure = plots.lines({name: {"line": ([0, 1], [0, 1])} for name in ("a", "b", "c", "d")}, ["x"] * 4)
    before = plots.png(figure)
    drawn = plots.slide(figure).decode()
    width, height = (float(drawn.split(f'{side}="')[1].split("pt")[0]) for side in ("width", "height"))
    assert width / height == pytest.approx(16 / 9, rel=1e-3)
    assert plots.png(figure) == before


def test_by_lam_shows_the_upper_accuracies_and_marks_those_below():
    rows = [(0.0, 0.98, 0.96), (1.0, 0.97, 0.94), (20.0, 0.1, 0.11)]
    table = pandas.DataFrame(rows, columns=["lam", "accuracy_expected", "accuracy"]).assign(density=0.5)
    figure = plots.by_lam(table, (("accuracy_expected", "accuracy"), "density"))
    accuracies, density = figure.axes
    assert accuracies.get_ylim()[0] == pytest.approx(0.9)
    assert [list(line.get_ydata()) for line in accuracies.lines] == [
        pytest.approx([0.98, 0.97, np.nan], nan_ok=True), pytest.approx([0.96, 0.94, np.nan], nan_ok=True),
    ]  # fmt: skip
    below = [tuple(point) for marks in accuracies.collections for point in marks.get_offsets() if point[0] == 20]
    assert below == [(20, pytest.approx(0.9))] * 2, "each run has a mark"
    assert [list(line.get_ydata()) for line in density.lines] == [[0.5, 0.5, 0.5]]
    assert list(density.get_xticks()) == [0, 1, 20], "0 is there, and λ is to scale"


def test_by_lam_has_no_mean_over_a_collapsed_and_a_live_seed():
    rows = [(0.0, 0.98, 0.5), (1.0, 0.97, 0.3), (1.0, 0.1, 0.0), (20.0, 0.1, 0.0), (20.0, 0.1, 0.01)]
    table = pandas.DataFrame(rows, columns=["lam", "accuracy", "density"])
    (density,) = plots.by_lam(table, ("density",)).axes
    (line,) = density.lines
    assert list(line.get_ydata()) == pytest.approx([0.5, np.nan, 0.005], nan_ok=True)
    assert sum(len(dots.get_offsets()) for dots in density.collections) == 5, "each run has its mark"


def boxes(texts):
    """Their places on the page, in pixels."""
    return [text.get_window_extent() for text in texts if text.get_text()]


def apart(found):
    return not any(a.overlaps(b) for i, a in enumerate(found) for b in found[:i])


def test_a_frontier_shows_the_runs_that_have_learned_and_names_those_that_have_not():
    rows = [
        {"line": line, "lam": lam, "bpp_entropy": entropy + 0.002 * seed, "accuracy": accuracy + 0.002 * seed}
        for line, lam, entropy, accuracy in (
            ("none", 0, 1.0, 0.96), ("one", 3, 0.4, 0.95), ("one", 30, 0.02, 0.1), ("one", 100, 0.01, 0.1),
            ("other", 3, 0.41, 0.951), ("other", 30, 0.2, 0.94), ("third", 30, 0.2, 0.935),
        )
        for seed in range(3)
    ]  # fmt: skip
    figure = plots.frontier(pandas.DataFrame(rows), ("accuracy",))
    (axes,) = figure.axes
    assert axes.get_ylim()[0] == pytest.approx(0.9), "no room is spent on what has not learned"
    assert axes.get_ylim()[1] == pytest.approx(0.964 + 0.1 * 0.064), "nor on what none has reached"
    assert sum(len(dots.get_offsets()) for dots in axes.collections) == 15, "one dot per run above that"
    (_, one, _, _) = axes.lines
    assert [one.get_xdata(), one.get_ydata()] == [pytest.approx([0.402]), pytest.approx([0.952])], "the mean"
    said = [text.get_text() for text in axes.texts]
    assert "↓ 30, 100" in said
    assert sorted(said) == sorted(["3", "↓ 30, 100", "3", "30", "30"])
    figure.draw_without_rendering()
    assert apart(boxes(axes.texts)), "every λ can be read"


@pytest.mark.parametrize(("count", "columns"), [(3, 2), (7, 1), (7, 2)])
def test_the_names_of_groups_do_not_touch(count, columns):
    names = [f"masks, {i} epochs of Adam" for i in range(count)]
    rows = [{"line": name, "panel": panel, "a": 0.5, "b": 0.9} for name in names for panel in ("iid", "1 class")]
    figure = plots.points(pandas.DataFrame(rows), ("a", "b")[:columns], "line", "panel", title="two panels")
    figure.draw_without_rendering()
    labels = [label for axes in figure.axes for label in axes.get_xticklabels() if label.get_visible()]
    assert {" ".join(label.get_text().split()) for label in labels} == set(names)
    assert apart(boxes(labels))
    assert figure.get_size_inches()[0] < 9, "no letter shrinks on a slide"


def test_nothing_is_drawn_where_nothing_was_measured_or_can_be():
    figure = plots.annotated_lines({"masks": ([1, 2, 20, 30], [0.1, 0.2, 0.3, 0.4], "abcd")}, "x", "y")
    (line,) = figure.axes[0].lines
    assert np.isnan(line.get_ydata()).tolist() == [False, False, True, False, False]
    share, x = np.array([0.05, 0.95]), np.arange(2)
    (axes,) = plots.spread({"": {"θ": (x, share, 0.1)}}, "x", "y", within=(0, 1)).axes
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0, 1)
