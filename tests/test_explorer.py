"""The λ explorer: `frame` at every position, the stored sweep, the page, and the widgets."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedsparse import DataError, Federation, SettingError
from fedsparse.__main__ import main
from fedsparse.analysis import explorer, studies
from fedsparse.analysis.explorer import command, view, widget
from fedsparse.analysis.explorer.sweep import details, layer_picture

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "data" / "results"
SWEEP = explorer.load(folder=RESULTS)


@pytest.mark.parametrize("lam", SWEEP.lams)
def test_a_frame_at_every_position(lam):
    figure, caption = explorer.frame(lam, SWEEP)
    point = SWEEP.at(lam)
    assert caption.startswith(f"λ = {lam:g}: accuracy {np.mean(point.accuracies):.1%}")
    assert f"uplink {point.rates['bpp_uplink']:.3f}" in caption
    assert ("collapsed" in caption) == explorer.collapsed(point, SWEEP)
    row = explorer.row(point)
    assert (row["λ"], row["downlink"]) == (f"{lam:g}", f"{point.rates['bpp_downlink']:.3f}")
    drawn = view.charts(point, SWEEP)
    described = re.findall(r'<img alt="([^"]{20,})" src="data:image/svg', figure)
    assert described == [words for _, words in drawn]
    assert len(described) == figure.count("<img") == 4
    assert not re.search(r"nan|inf\b|http", re.sub(r'src="[^"]*"', "", figure))
    accuracy, rates, theta, mask = (chart.axes[0] for chart, _ in drawn)
    for axes in (accuracy, rates):
        (here,) = axes.patches
        assert here.get_x() + here.get_width() / 2 == SWEEP.lams.index(lam), "its column is marked"
    assert np.allclose(accuracy.lines[0].get_ydata(), [np.mean(p.accuracies) for p in SWEEP.points])
    assert [line.get_label() for line in rates.lines] == ["entropy", "uplink", "downlink", "KL"]
    assert np.allclose(rates.lines[1].get_ydata(), [p.rates["bpp_uplink"] for p in SWEEP.points])
    assert sum(point.theta) == 93_034
    heights = [bar.get_height() for bar in theta.patches]
    assert np.allclose(heights, np.array(point.theta) / 93_034), "bars of the histogram"
    assert (mask.images[0].get_array() == point.mask).all()


def test_the_ends_of_the_sweep():
    first, last = SWEEP.points[0], SWEEP.points[-1]
    assert first.lam == 0
    assert len(SWEEP.points) >= 10
    assert first.density > 0.45
    assert last.density < 0.01
    assert last.mask.sum() < first.mask.sum()
    assert [explorer.collapsed(p, SWEEP) for p in (first, last, replace(last, density=0.3))] == [False, True, False]
    with pytest.raises(SettingError, match=r"λ = 4\.5 is not in the sweep; it has 0, 0\.3"):
        explorer.frame(4.5, SWEEP)


def test_a_convolution_is_shown_kernel_by_kernel():
    mask = np.arange(2 * 3 * 2 * 2 + 2)  # two biases at the end are not shown
    rows = [[0, 1, 4, 5, 8, 9], [2, 3, 6, 7, 10, 11], [12, 13, 16, 17, 20, 21], [14, 15, 18, 19, 22, 23]]
    assert layer_picture(mask, (2, 3, 2, 2)).tolist() == rows
    assert layer_picture(mask, (4, 6)).tolist() == np.arange(24).reshape(4, 6).tolist()


@pytest.mark.slow
def test_a_study_stores_what_the_explorer_needs(tmp_path, monkeypatch, tiny):
    monkeypatch.chdir(tmp_path)
    common = {n: getattr(tiny, n) for n in ("model", "width", "clients", "rounds", "local_epochs", "train_size")}
    study = studies.Study("?", common, ({"λ = 0": {"lam": 0.0}, "λ = 9": {"lam": 9.0}},), seeds=2, explored=True)
    monkeypatch.setitem(studies.STUDIES, "tiny", study)
    studies.carry_out("tiny", {"out": tiny.out})
    sweep = explorer.load("tiny")
    assert sweep.lams == [0, 9]
    assert [len(p.accuracies) for p in sweep.points] == [2, 2]
    federation = Federation(tiny.replace(lam=9.0))
    for _ in range(tiny.rounds):
        federation.round()
    file = Path("data/results/tiny.json")
    stored = json.loads(file.read_text(encoding="utf-8"))
    assert stored["9"] == details(federation), "the end of the run"
    theta, counts = federation.algorithm.parameters(federation.state), sweep.at(9.0).theta
    near = [np.sum(np.abs(theta - value) < 0.05) for value in (0, 0.5, 1)]
    assert ([counts[0], counts[5], counts[10]], sum(counts)) == (near, len(theta))

    said = []
    trained = explorer.train(9.0, sweep, lambda done, rounds: said.append((done, rounds)))
    assert said == [(0, 2), (1, 2), (2, 2)]
    assert trained.theta == counts, "trained here and by the study: the same run"
    assert trained.accuracies[0] == sweep.at(9.0).accuracies[0]
    more = sweep.with_point(explorer.train(3.0, sweep))
    assert more.lams == [0, 3, 9]
    assert "one seed" in explorer.frame(3.0, more).caption
    assert [len(p.accuracies) for p in sweep.with_point(trained).points] == [2, 1], "replaced"

    del stored["9"]
    file.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(DataError, match="do not belong together"):
        explorer.load("tiny")
    file.unlink()
    with pytest.raises(DataError, match="python -m fedsparse study tiny makes it"):
        explorer.load("tiny")


def test_the_committed_page_is_made_of_the_stored_sweep():
    made = command.render(SWEEP, command.FIRST)
    kept = (ROOT / "figures" / "lambda_explorer.html").read_text()
    charts = re.compile('src="data:[^"]*"')  # their bytes depend on the version of matplotlib
    assert charts.sub("", kept) == charts.sub("", made)
    assert len(made) < 700_000
    assert not re.search(r'(?:src|href)="(?!data:|#)', made), "nothing is fetched"
    assert not re.search("__[A-Z_]+__", made), "every placeholder is filled"
    assert made.count("<section ") == len(SWEEP.points)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name the page"),
        (["a.html", "b.html"], "cannot read 'b.html'"),
        (["page.html", "lam=3"], "no setting 'lam'; there are data"),
        (["page.txt"], "ends in .html"),
        (["nowhere/page.html"], "cannot write nowhere/page.html"),
        (["page.html", "data=elsewhere"], "there is no elsewhere/lambda-digits.csv"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    given = arguments if "data=elsewhere" in arguments else [*arguments, f"data={RESULTS}"]
    assert main(["explorer", *given]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_slider_number_and_view_follow_each_other():
    shown = widget.Explorer(SWEEP, 3.0)
    for lam in SWEEP.lams:
        shown.slider.value = lam
        assert shown.number.value == lam
        assert f"λ = {lam:g}:" in shown.view.value
        assert shown.button.disabled
    shown.number.value = 1.0
    assert shown.slider.value == 1.0
    assert "λ = 1:" in shown.view.value
    assert shown.table.value.count('aria-current="true"') == 1


def test_an_error_at_one_position_is_shown_there_and_only_there(monkeypatch):
    def broken(lam, sweep):
        if lam == 1.0:
            raise ZeroDivisionError("no <data>")
        return explorer.frame(lam, sweep)

    monkeypatch.setattr(view, "frame", broken)
    shown = widget.Explorer(SWEEP, 3.0)
    shown.slider.value = 1.0
    assert 'role="alert"' in shown.status.value
    assert "ZeroDivisionError: no &lt;data&gt;" in shown.status.value
    assert not shown.view.value
    shown.slider.value = 3.0
    assert "alert" not in shown.status.value
    assert "λ = 3:" in shown.view.value


@pytest.mark.slow
def test_the_button_trains_a_missing_lam(tiny, monkeypatch):
    shown = widget.Explorer(replace(SWEEP, experiment=tiny), 3.0)
    shown.number.value = 4.5
    assert not shown.button.disabled
    assert "λ = 4.5 is not in the sweep" in shown.status.value
    seen = []
    shown.status.observe(lambda change: seen.append((change["new"], shown.button.disabled)), "value")
    shown.button.click()
    assert any("round 1 of 2" in words and disabled for words, disabled in seen), "progress, and no second click"
    assert shown.sweep.lams == sorted([*SWEEP.lams, 4.5])
    assert shown.slider.value == shown.number.value == 4.5
    assert "one seed" in shown.table.value
    assert shown.button.disabled

    def no_data(*_):
        raise SettingError("no such data")

    monkeypatch.setattr(widget, "train", no_data)
    shown.number.value = 6.5
    shown.button.click()
    assert "no such data" in shown.status.value
    assert "was not trained" in shown.status.value
    assert not shown.button.disabled, "it can be tried again"
    assert 6.5 not in shown.sweep.lams
