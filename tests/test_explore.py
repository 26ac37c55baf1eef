"""The λ explorer: `frame` at every position, the kept sweep, the page, and the widgets that stand over them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedsparse import DataError, Federation, SettingError
from fedsparse.analysis import explorer, studies
from fedsparse.analysis.explorer import command, page, view
from fedsparse.analysis.explorer.gradients import loss_gradients, ruled
from fedsparse.analysis.explorer.sweep import Sweep, details, layer_picture
from fedsparse.analysis.explorer.widget import Explorer

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "data" / "results"
KEPT = explorer.load(folder=RESULTS)


@pytest.mark.parametrize("lam", KEPT.lams)
def test_a_frame_at_every_position(lam):
    figure, caption, row = explorer.frame(lam, KEPT)
    point = KEPT.at(lam)
    assert caption.startswith(f"λ = {lam:g}: accuracy {np.mean(point.accuracies):.1%}")
    assert f"uplink {point.rates['bpp_uplink']:.3f}" in caption
    assert ("starved" in caption) == explorer.starved(point, KEPT)
    assert row["λ"] == f"{lam:g}"
    assert row["downlink"] == f"{point.rates['bpp_downlink']:.3f}"
    described = re.findall(r'role="img" aria-label="([^"]{20,})"', figure)
    assert len(described) == figure.count("<svg") == 4
    assert not re.search(r"nan|inf\b|http", re.sub(r'href="[^"]*"', "", figure))


def test_the_ends_of_the_sweep_say_what_it_is_about():
    first, last = KEPT.points[0], KEPT.points[-1]
    assert first.lam == 0
    assert len(KEPT.points) >= 10
    assert first.density > 0.45
    assert last.density < 0.01
    assert not explorer.starved(first, KEPT)
    assert explorer.starved(last, KEPT)
    assert not explorer.starved(replace(last, density=0.3), KEPT), "merely young"
    assert last.mask.sum() < first.mask.sum()


def test_a_lam_that_is_not_there_is_refused():
    with pytest.raises(SettingError, match=r"λ = 4\.5 is not in the sweep; it has 0, 0\.3"):
        explorer.frame(4.5, KEPT)


def test_every_bar_stands_for_its_share():
    point = KEPT.points[0]
    assert sum(point.theta) == 93_034
    figure = explorer.frame(point.lam, KEPT).figure
    heights = [float(h) for h in re.findall(r'height="([\d.]+)" fill="#D55E00"', figure)]
    assert np.allclose(np.array(heights) / sum(heights), np.array(point.theta) / sum(point.theta), atol=0.005)


def test_a_convolution_is_shown_kernel_by_kernel():
    mask = np.arange(2 * 3 * 2 * 2 + 2)  # two biases at the end are not shown
    picture = layer_picture(mask, (2, 3, 2, 2))
    assert picture.shape == (4, 6)
    assert picture[:2, :2].tolist() == [[0, 1], [2, 3]]
    assert picture[:2, 2:4].tolist() == [[4, 5], [6, 7]]
    assert picture[2:, :2].tolist() == [[12, 13], [14, 15]]
    assert layer_picture(mask, (4, 6)).tolist() == np.arange(24).reshape(4, 6).tolist()


def test_a_study_keeps_what_the_explorer_needs(tmp_path, monkeypatch, tiny, capsys):
    monkeypatch.chdir(tmp_path)
    common = {n: getattr(tiny, n) for n in ("model", "width", "clients", "rounds", "local_epochs", "train_size")}
    axis = {"λ = 0": {"lam": 0.0}, "λ = 9": {"lam": 9.0}}
    study = studies.Study("?", common, (axis,), seeds=2, explored=True)
    monkeypatch.setitem(studies.STUDIES, "tiny", study)
    assert studies.main(["tiny", f"out={tiny.out}"]) == 0
    sweep = explorer.load("tiny")
    assert sweep.lams == [0, 9]
    assert [len(p.accuracies) for p in sweep.points] == [2, 2]
    federation = Federation(tiny.replace(lam=9.0))
    for _ in range(tiny.rounds):
        federation.round()
    kept = json.loads(Path("data/results/tiny.json").read_text())
    assert kept["9"] == details(federation), "what is kept is what the run ended with"
    theta = federation.algorithm.parameters(federation.state)
    at_ends_and_half = [np.sum(theta < 0.05), np.sum(np.abs(theta - 0.5) < 0.05), np.sum(theta > 0.95)]
    assert [sweep.points[1].theta[b] for b in (0, 5, 10)] == at_ends_and_half
    assert sum(sweep.points[1].theta) == len(theta)

    said = []
    trained = explorer.train(9.0, sweep, lambda done, rounds: said.append((done, rounds)))
    assert said == [(0, 2), (1, 2), (2, 2)]
    assert trained.theta == sweep.points[1].theta, "trained here, and kept: the same run"
    assert trained.accuracies[0] == sweep.points[1].accuracies[0]
    more = sweep.with_point(explorer.train(3.0, sweep))
    assert more.lams == [0, 3, 9]
    assert "one seed" in explorer.frame(3.0, more).caption

    Path("data/results/tiny.json").unlink()
    with pytest.raises(DataError, match=r"python -m fedsparse\.studies tiny makes it"):
        explorer.load("tiny")


def test_a_sweep_whose_files_do_not_fit_is_refused(tmp_path):
    (tmp_path / "lambda-digits.csv").write_text((RESULTS / "lambda-digits.csv").read_text())
    kept = json.loads((RESULTS / "lambda-digits.json").read_text())
    del kept["3"]
    (tmp_path / "lambda-digits.json").write_text(json.dumps(kept))
    with pytest.raises(DataError, match="do not belong together"):
        explorer.load(folder=tmp_path)


def test_who_rules_a_weight(tiny):
    gradients = np.array([[0.1, 0.01, -0.1], [-0.1, 0.01, -0.1]], np.float32)
    import torch

    half = torch.full((3,), 0.5)
    assert ruled(torch.from_numpy(gradients), half, 0.24) == pytest.approx((1 / 3, 2 / 3))  # a price of 0.02
    federation = Federation(tiny)
    rows = loss_gradients(federation)
    assert rows.shape == (-(-len(federation.clients[0].labels) // tiny.batch_size), federation.network.layout.n)
    assert torch.equal(rows, loss_gradients(federation))


def test_the_committed_page_is_made_of_the_kept_sweep():
    made = page.render(KEPT, command.FIRST)
    assert (ROOT / "figures" / "lambda_explorer.html").read_text() == made
    assert len(made) < 1_000_000
    assert not re.search(r'(?:src|href)="(?!data:|#)', made), "nothing is fetched"
    assert "__" not in made.split("<script>")[1]
    assert made.count("<section ") == len(KEPT.points)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name one page"),
        (["a.html", "b.html"], "name one page"),
        (["page.html", "lam=3"], "name one page"),
        (["page.txt"], "ends in .html"),
        (["nowhere/page.html"], "cannot write nowhere/page.html"),
        (["page.html", "data=elsewhere"], "there is no elsewhere/lambda-digits.csv"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    given = arguments if "data=elsewhere" in arguments else [*arguments, f"data={RESULTS}"]
    assert command.main(given) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_slider_box_and_caption_follow_each_other():
    explorer = Explorer(KEPT, 3.0)
    for lam in KEPT.lams:
        explorer.slider.value = lam
        assert explorer.number.value == lam
        assert f"λ = {lam:g}:" in explorer.caption.value
        assert explorer.button.disabled
    explorer.number.value = 1.0
    assert explorer.slider.value == 1.0
    assert "λ = 1:" in explorer.caption.value
    assert explorer.table.value.count('aria-current="true"') == 1


def test_an_error_at_one_position_is_shown_there_and_only_there(monkeypatch):
    def broken(lam, sweep):
        if lam == 1.0:
            raise ZeroDivisionError("no <data>")
        return explorer.frame(lam, sweep)

    monkeypatch.setattr(view, "frame", broken)
    explorer = Explorer(KEPT, 3.0)
    explorer.slider.value = 1.0
    assert 'role="alert"' in explorer.alert.value
    assert "ZeroDivisionError: no &lt;data&gt;" in explorer.alert.value
    assert not explorer.caption.value
    explorer.slider.value = 3.0
    assert not explorer.alert.value
    assert "λ = 3:" in explorer.caption.value


def test_the_button_trains_a_lam_that_is_not_there(tiny, monkeypatch):
    from fedsparse.analysis.explorer import widget

    sweep = Sweep("small", KEPT.points, KEPT.made_from, tiny, KEPT.shown)
    explorer = Explorer(sweep, 3.0)
    explorer.number.value = 4.5
    assert not explorer.button.disabled
    assert "λ = 4.5 is not in the sweep" in explorer.status.value
    seen = []
    explorer.status.observe(lambda change: seen.append((change["new"], explorer.button.disabled)), "value")
    explorer.button.click()
    assert any("round 1 of 2" in words and disabled for words, disabled in seen), "progress, and no second click"
    assert explorer.sweep.lams == sorted([*KEPT.lams, 4.5])
    assert explorer.slider.value == explorer.number.value == 4.5
    assert "one seed" in explorer.table.value
    assert explorer.button.disabled

    explorer.number.value = 6.5
    monkeypatch.setattr(widget, "train", lambda *_: (_ for _ in ()).throw(SettingError("no such data")))
    explorer.button.click()
    assert "no such data" in explorer.alert.value
    assert not explorer.button.disabled, "it can be tried again"
    assert 6.5 not in explorer.sweep.lams
