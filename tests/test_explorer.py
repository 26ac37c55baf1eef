"""The λ explorer: `frame` at every position, the stored sweep, the page, and the widgets."""

import asyncio
import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest

from fedsparse import DataError, Federation, SettingError
from fedsparse.__main__ import main
from fedsparse.analysis import explorer, studies
from fedsparse.analysis.explorer import command, page, view, widget
from fedsparse.analysis.explorer.sweep import ACCURACIES, details, lam_of, layer_picture, train

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "data" / "results"
SWEEP = explorer.load(folder=RESULTS)


@pytest.mark.parametrize("lam", SWEEP.lams)
def test_a_frame_at_every_position(lam):
    figure, caption = explorer.frame(lam, SWEEP)
    point = SWEEP.at(lam)
    assert caption.startswith(f"λ = {lam:g}: accuracy")
    for column, name in ACCURACIES.items():
        values = 100 * np.array(point.accuracies[column])
        by_seed = " / ".join(
            f"{value:.1f}" for value in values
        )  # of what has collapsed and what lives there is no mean
        assert f"{name} " + (by_seed if point.parted else f"{values.mean():.1f} ±") in caption
    down, uplink = (point.of_seeds(column) for column in ("megabytes_down", "bpp_uplink"))
    assert len(uplink) == len(down) == (3 if point.parted else 1)
    assert " / ".join(f"{value:.2f}" for value in down) + " down" in caption
    assert "uplink " + " / ".join(f"{value:.3f}" for value in uplink) + "," in caption
    assert ("collapsed" in caption) == explorer.collapsed(point, SWEEP)
    row = explorer.row(point)
    assert (row["λ"], row["downlink"]) == (
        f"{lam:g}",
        " / ".join(f"{value:.3f}" for value in point.of_seeds("bpp_downlink")),
    )
    drawn = view.charts(point, SWEEP)
    described = re.findall(r'<img alt="([^"]{20,})" src="data:image/svg\+xml;base64,', figure)
    assert described == [words for _, words in drawn]
    assert len(described) == figure.count("<img") == 4
    assert not re.search(r"nan|inf\b|http", re.sub(r'src="[^"]*"', "", figure))
    accuracy, rates, theta, mask = (chart.axes[0] for chart, _ in drawn)
    for axes in (accuracy, rates):
        (here,) = (line for line in axes.lines if line.get_linewidth() == 10)
        assert here.get_xdata()[0] == np.log1p(lam), "its column is marked"
    drawn_means = {bars.get_label(): bars[0].get_ydata() for bars in accuracy.containers}
    for column, name in ACCURACIES.items():
        means = np.array([np.mean(p.accuracies[column]) for p in SWEEP.points])
        seen = ~np.isnan(drawn_means[name])
        assert np.allclose(drawn_means[name][seen], means[seen])
        assert [explorer.collapsed(p, SWEEP) for p in SWEEP.points] == (~seen).tolist(), (
            "what collapsed is below the axis"
        )
    assert [line.get_label() for line in rates.lines[:4]] == ["entropy", "uplink", "downlink", "KL"]
    uplinks = [np.nan if p.parted else np.mean(p.ends["bpp_uplink"]) for p in SWEEP.points]
    assert np.allclose(rates.lines[1].get_ydata(), uplinks, equal_nan=True)
    alone = sum(len(dots.get_offsets()) for dots in rates.collections)
    assert alone == 4 * sum(len(p.ends["bpp_uplink"]) for p in SWEEP.points if p.parted), "each seed of those by itself"
    assert sum(point.theta) == 93_034
    heights = [bar.get_height() for bar in theta.patches]
    assert np.allclose(heights, np.array(point.theta) / 93_034), "bars of the histogram"
    assert (mask.images[0].get_array() == point.mask).all()


def test_seeds_that_have_parted_have_no_mean():
    live = SWEEP.points[0]
    some = replace(live, accuracies=dict.fromkeys(ACCURACIES, (0.1, 0.9, 0.95)))
    every = replace(live, accuracies=dict.fromkeys(ACCURACIES, (0.1, 0.12, 0.09)))
    assert (live.parted, some.parted, every.parted) == (False, True, False)
    level, half = some.level("accuracy")
    assert level == 0.1
    assert np.isnan(half)
    assert explorer.collapsed(some, SWEEP)
    assert "(by seed): sampled 10.0 / 90.0 / 95.0" in view.caption(some, SWEEP)
    assert view.row(some)["threshold, %"] == "10.0 / 90.0 / 95.0"


def test_the_ends_of_the_sweep():
    first, last = SWEEP.points[0], SWEEP.points[-1]
    assert first.lam == 0
    assert len(SWEEP.points) >= 10
    assert first.density > 0.45
    assert last.density < 0.01
    assert last.mask.sum() < first.mask.sum()
    assert [explorer.collapsed(p, SWEEP) for p in (first, last)] == [False, True]
    assert not explorer.collapsed(replace(last, ends={**last.ends, "density": (0.3, 0.3, 0.3)}), SWEEP), "it may go on"
    with pytest.raises(SettingError, match=r"λ = 4\.5 is not in the sweep; it has 0, 0\.3"):
        explorer.frame(4.5, SWEEP)


def test_the_knee_and_the_collapse_are_marked_where_they_are():
    means = {p.lam: np.mean(p.accuracies["accuracy"]) for p in SWEEP.points}
    named = {name: lam for lam, name in view.landmarks(SWEEP).items()}
    knee, after = named["knee"], SWEEP.lams[SWEEP.lams.index(named["knee"]) + 1]
    assert all(means[lam] >= means[0] - 0.01 for lam in SWEEP.lams if lam <= knee)
    assert means[after] < means[0] - 0.01
    assert [explorer.collapsed(p, SWEEP) for p in SWEEP.points] == [lam >= named["collapse"] for lam in SWEEP.lams]
    for chart, _ in view.charts(SWEEP.points[0], SWEEP)[:2]:
        lines = [line.get_xdata()[0] for line in chart.axes[0].lines if line.get_linestyle() == ":"]
        assert lines == [np.log1p(named["knee"]), np.log1p(named["collapse"])]
        assert [text.get_text() for text in chart.axes[0].texts][-2:] == ["knee", "collapse"]
    assert [p.lam for p in SWEEP.points if "This is the knee" in view.caption(p, SWEEP)] == [knee]
    assert {p["name"]: p["lam"] for p in page.content(SWEEP)["points"] if p["name"]} == named
    options = [label for label, _ in widget.Explorer(SWEEP, 3.0).slider.options if " " in label]
    assert options == [f"{knee:g} knee", f"{named['collapse']:g} collapse"]
    works = replace(SWEEP, points=SWEEP.points[: SWEEP.lams.index(knee) + 1])
    assert view.landmarks(works) == {}, "where nothing falls there is no knee"


def test_the_knee_is_as_certain_as_its_seeds():
    agree = {0.0: (0.95, 0.96), 1.0: (0.95, 0.96), 3.0: (0.93, 0.94)}
    assert explorer.knees(agree) == (1, 1, 1)
    differ = {0.0: (0.95, 0.96), 1.0: (0.92, 0.98), 3.0: (0.93, 0.94)}
    assert explorer.knees(differ) == (1, 0, 1), "with the first seed alone it falls at once"
    assert explorer.knees({0.0: (0.9, 0.9), 1.0: (0.95,)}) == (1, 1, 1), "a λ that was trained with one seed"
    many = {0.0: (0.95,) * 30, 1.0: (0.92, 0.98) * 15, 3.0: (0.9,) * 30}
    assert explorer.knees(many)[0] == 1, "thirty seeds have more redraws than anybody can count"


def test_a_convolution_is_shown_kernel_by_kernel():
    mask = np.arange(2 * 3 * 2 * 2 + 2)  # two biases at the end are not shown
    rows = [[0, 1, 4, 5, 8, 9], [2, 3, 6, 7, 10, 11], [12, 13, 16, 17, 20, 21], [14, 15, 18, 19, 22, 23]]
    assert layer_picture(mask, (2, 3, 2, 2)).tolist() == rows
    assert layer_picture(mask, (4, 6)).tolist() == np.arange(24).reshape(4, 6).tolist()
    assert layer_picture(mask, (2, 4, 3)).tolist() == np.arange(24).reshape(2, 12).tolist(), "one-dimensional kernels"
    assert layer_picture(mask, (2, 2, 2, 3)).tolist()[1] == [3, 4, 5, 9, 10, 11], "kernels that are no squares"


@pytest.mark.slow
def test_a_study_stores_what_the_explorer_needs(tmp_path, monkeypatch, tiny):
    monkeypatch.chdir(tmp_path)
    common = {n: getattr(tiny, n) for n in ("model", "width", "clients", "rounds", "local_epochs", "train_size")}
    study = studies.Study("?", common, ({"λ = 0": {"lam": 0.0}, "λ = 9": {"lam": 9.0}},), seeds=2, explored=True)
    monkeypatch.setitem(studies.STUDIES, "tiny", study)
    studies.carry_out("tiny", {"out": tiny.out})
    sweep = explorer.load("tiny")
    assert sweep.lams == [0, 9]
    assert [len(p.accuracies["accuracy"]) for p in sweep.points] == [2, 2]
    federation = Federation(tiny.replace(lam=9.0))
    for _ in range(tiny.rounds):
        federation.round()
    file = Path("data/results/tiny.json")
    stored = json.loads(file.read_text(encoding="utf-8"))
    thetas = stored["9"].pop("theta")
    assert stored["9"] | {"theta": thetas[-1:]} == details(federation), "the end of the run"
    assert len(thetas) == tiny.rounds
    assert thetas[0] != thetas[-1], "and how it came there"
    theta, counts = federation.algorithm.parameters(federation.state), sweep.at(9.0).theta
    near = [np.sum(np.abs(theta - value) < 0.05) for value in (0, 0.5, 1)]
    assert ([counts[0], counts[5], counts[10]], sum(counts)) == (near, len(theta))

    said = []
    trained = explorer.train(9.0, sweep, lambda done, rounds: said.append((done, rounds)))
    assert said == [(0, 2), (1, 2), (2, 2)]
    assert trained.theta == counts, "trained here and by the study: the same run"
    assert [list(t) for t in trained.thetas] == thetas
    assert all(trained.accuracies[name][0] == sweep.at(9.0).accuracies[name][0] for name in ACCURACIES)
    table = pandas.read_csv("data/results/tiny.csv").query("lam == 9 and seed == 0")
    assert trained.ends["megabytes_down"][0] == pytest.approx(table["megabytes_down"].iloc[-1])
    more = sweep.with_point(explorer.train(3.0, sweep))
    assert more.lams == [0, 3, 9]
    assert "one seed" in explorer.frame(3.0, more).caption
    assert [len(p.accuracies["accuracy"]) for p in sweep.with_point(trained).points] == [2, 1], "replaced"

    del stored["9"]
    file.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(DataError, match="do not belong together"):
        explorer.load("tiny")
    file.unlink()
    with pytest.raises(DataError, match=r"no data/results/tiny\.json; the sweeps that can be explored in .* are: none"):
        explorer.load("tiny")


def data_of(text: str) -> dict:
    (line,) = re.findall(r"^const data = (.*);$", text, re.M)
    return json.loads(line)


def test_the_committed_page_is_made_of_the_stored_sweep():
    made = page.render(SWEEP, command.FIRST)
    assert (ROOT / "figures" / "lambda_explorer.html").read_text(encoding="utf-8") == made, "make explorer"
    assert len(made) < 700_000
    assert not re.search(r'(?:src|href)="(?!data:|#)', made), "nothing is fetched"
    assert not re.search("__[A-Z_]+__", made), "every placeholder is filled"
    points = data_of(made)["points"]
    for shown, point in zip(points, SWEEP.points, strict=True):
        assert shown["lam"] == point.lam
        assert shown["caption"] == view.caption(point, SWEEP)
        for column, name in ACCURACIES.items():
            assert shown["accuracies"][name]["seeds"] == list(point.accuracies[column])
            end = point.accuracies[column][0] if point.parted else np.mean(point.accuracies[column])
            assert shown["rounds"][name][-1] == pytest.approx(end, abs=1e-4)
        bits = np.unpackbits(np.frombuffer(base64.b64decode(shown["mask"]["bits"]), np.uint8), count=point.mask.size)
        assert (bits == point.mask.ravel()).all()
        assert shown["thetas"][-1] == list(point.theta)


def test_the_page_gives_the_numbers_as_csv(tmp_path):
    (encoded,) = re.findall(r'href="data:text/csv;base64,([^"]+)"', page.render(SWEEP, 3.0))
    file = tmp_path / "rounds.csv"
    file.write_bytes(base64.b64decode(encoded))
    table = pandas.read_csv(file)
    kept = pandas.read_csv(RESULTS / "lambda-digits.csv")
    parted = kept["lam"].isin([p.lam for p in SWEEP.points if p.parted])
    kept = kept[~parted | (kept["seed"] == 0)].groupby(["lam", "round"])["accuracy_threshold"].mean()
    assert np.allclose(table.set_index(["lam", "round"])["accuracy_threshold"], kept, atol=1e-6)


def as_arguments(tiny):
    """The tiny experiment for the command line."""
    names = ("model", "width", "clients", "rounds", "local_epochs", "train_size")
    return [f"{n}={getattr(tiny, n)}" for n in names]


@pytest.mark.slow
def test_a_multirun_with_an_adaptive_lam_can_be_explored(tmp_path, monkeypatch, tiny):
    monkeypatch.chdir(tmp_path)
    settings = as_arguments(tiny)
    assert main(["--multirun", "lam=0,9", "lam_schedule=server_loss", "regularizer=kl", "out=mine", *settings]) == 0
    assert main(["explorer", "page.html", "sweep=mine"]) == 0
    sweep = explorer.load_runs("mine")
    assert (sweep.experiment.lam_schedule, sweep.experiment.regularizer) == ("server_loss", "kl")
    assert train(0.0, sweep).accuracies == sweep.at(0.0).accuracies, "without what λ alone reads"


@pytest.mark.slow
def test_a_multirun_of_ones_own_can_be_explored(tmp_path, monkeypatch, capsys, tiny):
    monkeypatch.chdir(tmp_path)
    settings = as_arguments(tiny)
    assert main(["--multirun", "lam=0,9", "seed=1,2", "out=mine", *settings]) == 0
    assert main(["explorer", "page.html", "sweep=mine"]) == 0
    (table,) = Path("mine").glob("sweep-*.csv")
    assert main(["explorer", "again.html", f"sweep={table}"]) == 0
    written = Path("page.html").read_text(encoding="utf-8")
    assert written == Path("again.html").read_text(encoding="utf-8")
    points = data_of(written)["points"]
    assert [p["lam"] for p in points] == [0, 9]
    rows = pandas.read_csv(table).query("round == @tiny.rounds and lam == 9")
    assert points[1]["accuracies"]["sampled"]["seeds"] == rows.sort_values("seed")["accuracy"].tolist()
    sweep = explorer.load_runs(table)
    run = Federation(sweep.experiment.replace(lam=9.0, seed=1))
    for _ in range(tiny.rounds):
        run.round()
    assert [list(sweep.at(9.0).theta)] == details(run)["theta"], "of the first seed"

    capsys.readouterr()
    assert main(["--multirun", "lam=0,9", "seed=1", "lr=0.1,0.2", "out=mine", *settings]) == 0
    other = max(Path("mine").glob("sweep-*.csv"), key=lambda file: file.stat().st_mtime)
    Path("empty").mkdir()
    for place, words in {
        "mine": "mine holds 2 tables of sweeps: name one, as in mine/sweep-",
        str(other): f"{other} has other lr from run to run",
        "empty": "empty holds no table of a --multirun",
        "no.csv": "no.csv is no table of a --multirun",
    }.items():
        assert main(["explorer", "page.html", f"sweep={place}"]) == 2
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
    assert Path("page.html").read_text(encoding="utf-8") == written, "nothing is lost"


@pytest.mark.parametrize(("text", "lam"), [("3", 3), (" 0.3 ", 0.3), ("0,3", 0.3), ("-0", 0), ("1e1", 10)])
def test_a_lam_is_read_with_a_point_or_a_comma(text, lam):
    assert lam_of(text) == lam
    for wrong in (f"{text}x", "-2", "nan", "inf", "", "1,000.5"):
        with pytest.raises(SettingError, match="is no λ: that is a number of at least 0"):
            lam_of(wrong)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name the page"),
        (["a.html", "b.html"], "cannot read 'b.html'"),
        (["page.html", "lam=3"], "no setting 'lam'; there are sweep, data"),
        (["page.txt"], "ends in .html"),
        (["nowhere/page.html"], "cannot write nowhere/page.html"),
        (["page.html", "data=elsewhere"], "there is no elsewhere/lambda-digits.csv"),
        (["page.html", "sweep=lambda-mnist"], "lambda-mnist.json; the sweeps that can be explored in"),
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
        assert shown.number.value == f"{lam:g}"
        assert f"λ = {lam:g}:" in shown.view.value
        assert shown.button.disabled
    shown.number.value = "1,0"
    assert shown.slider.value == 1.0
    assert "λ = 1:" in shown.view.value
    assert shown.table.value.count('aria-current="true"') == 1
    for wrong in ("-2", "much"):
        shown.number.value = wrong
        assert f"&#x27;{wrong}&#x27; is no λ" in shown.status.value
        assert shown.button.disabled
        assert shown.slider.value == 1.0
    shown.number.value = "4,5"
    assert not shown.button.disabled


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
def test_a_missing_lam_is_trained(tiny, monkeypatch):
    shown = widget.Explorer(replace(SWEEP, experiment=tiny), 3.0)
    shown.number.value = "4.5"
    assert not shown.button.disabled
    assert "λ = 4.5 is not in the sweep" in shown.status.value
    seen = []
    buttons = lambda: (shown.button.disabled, shown.stop.disabled)  # noqa: E731
    shown.progress.observe(lambda change: seen.append((change["new"], buttons())), "value")
    asyncio.run(shown.train())
    first, second, third, end = seen
    assert "round 0 of 2" in first[0]
    assert re.search(r"round 1 of 2, about \d+ seconds left", second[0])
    assert "round 2 of 2" in third[0]
    assert {state for _, state in (first, second, third)} == {(True, False)}, "no second click, and it can be stopped"
    assert end[0] == ""
    assert shown.stop.disabled
    assert shown.sweep.lams == sorted([*SWEEP.lams, 4.5])
    assert (shown.slider.value, shown.number.value) == (4.5, "4.5")
    assert "one seed" in shown.view.value
    assert shown.button.disabled

    def no_data(*_):
        raise SettingError("no such data")

    monkeypatch.setattr(widget, "train", no_data)
    shown.number.value = "6.5"
    asyncio.run(shown.train())
    assert "no such data" in shown.status.value
    assert "was not trained" in shown.status.value
    assert not shown.button.disabled, "it can be tried again"
    assert 6.5 not in shown.sweep.lams


def test_a_training_is_stopped_and_the_slider_moves_meanwhile(monkeypatch):
    shown = widget.Explorer(SWEEP, 3.0)

    def forever(lam, sweep, progress):
        done = 0
        while True:
            progress(done, 1_000_000)
            done += 1

    monkeypatch.setattr(widget, "train", forever)

    async def use() -> None:
        shown.number.value = "4.5"
        training = asyncio.create_task(shown.train())
        while "round" not in shown.progress.value:
            await asyncio.sleep(0)
        shown.slider.value = 7.0
        assert "λ = 7:" in shown.view.value
        shown.number.value = "6.5"
        assert shown.button.disabled, "one at a time"
        shown.stop.click()
        await training

    asyncio.run(use())
    assert "λ = 4.5 was not trained. It was stopped" in shown.status.value
    assert shown.sweep.lams == SWEEP.lams
    assert shown.stop.disabled
    assert not shown.button.disabled


def test_one_seed_is_drawn_as_one():
    point = SWEEP.at(3.0)
    alone = replace(point, accuracies={name: values[:1] for name, values in point.accuracies.items()})
    sweep = SWEEP.with_point(alone)
    (accuracy, _), *_ = view.charts(alone, sweep)
    hollow = [x for line in accuracy.axes[0].lines if line.get_markerfacecolor() == "white" for x in line.get_xdata()]
    assert np.allclose(hollow, np.log1p(3.0), atol=0.03)
    assert len(hollow) == len(ACCURACIES)
    assert "one seed" in view.caption(alone, sweep)
    assert page.content(sweep)["points"][sweep.lams.index(3.0)]["accuracies"]["sampled"]["half"] == 0
