"""The studies: every member is a valid experiment, and a study leaves a table and a figure that name it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from fedsparse import Experiment, open_run
from fedsparse.__main__ import main
from fedsparse.analysis import pretrained, studies
from fedsparse.analysis.studies import STUDIES, Study
from fedsparse.models import build


@pytest.mark.parametrize("name", STUDIES)
def test_every_member_of_every_study_can_be_run(name):
    members = list(STUDIES[name].members())
    experiments = [Experiment.of(settings) for _, settings in members]
    assert len({e.key for e in experiments}) == len(members), "no run is there twice"
    assert len({labels for labels, _ in members}) * STUDIES[name].seeds == len(members)


@pytest.mark.slow
def test_a_study_leaves_one_table_and_one_figure(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    common = {"model": "mlp", "width": 0.05, "clients": 4, "rounds": 2, "local_epochs": 1, "train_size": 200}
    axes = ({"iid": {}, "one class": {"partition": "shards"}}, {"fedpm": {}, "fed_mask": {"algorithm": "fed_mask"}})
    monkeypatch.setitem(STUDIES, "tiny", Study("Does it work?", common, axes, seeds=2))
    # An absolute folder: joblib's processes may have been started by an earlier test, in another folder.
    assert main(["study", "tiny", f"out={tmp_path / 'elsewhere'}"]) == 0
    table = pandas.read_csv("data/results/tiny.csv")
    assert len(table) == 2 * 2 * 2 * 2
    assert not {"out", "data_root"} & set(table.columns)
    assert table["failed"].isna().all()
    entry = json.loads((tmp_path / "figures" / "index.json").read_text())["tiny.png"]
    assert "python -m fedsparse study tiny" in entry["caption"]
    assert "one class, fed_mask" in entry["alt"]
    assert (tmp_path / "figures" / "tiny.png").stat().st_size > 10_000
    assert "fed_mask" in capsys.readouterr().out


def test_a_study_of_which_every_run_fails_leaves_its_table_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / "data" / "results" / "tiny.csv"
    kept.parent.mkdir(parents=True)
    kept.write_text("what was measured")
    axes = ({"fedpm": {}, "fedavg": {"algorithm": "fedavg"}},)
    monkeypatch.setitem(STUDIES, "tiny", Study("Does it work?", {"dataset": "nowhere"}, axes, seeds=1))
    assert main(["study", "tiny", f"out={tmp_path / 'runs'}", f"data_root={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert "every run failed, and nothing was written; nowhere-conv2-fedpm" in said
    assert "no " + str(tmp_path / "nowhere.npz") in said
    assert said.count("\n") == 1
    assert kept.read_text() == "what was measured"


def test_rows_are_labelled_by_their_run_also_when_one_failed():
    table = pandas.DataFrame({"round": [1, 2, None, 1, 2, 3], "failed": [None, None, "why", None, None, None]})
    labels = [("a", "x"), ("a", "y"), ("b", "x")]
    got = studies.labelled(table, labels)
    assert got["panel"].tolist() == ["a", "a", "a", "b", "b", "b"]
    assert got["line"].tolist() == ["x", "x", "y", "x", "x", "x"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "name the study: rivals-digits"),
        (["non-iid-digist"], "did you mean 'non-iid-digits'"),
        (["rivals-digits", "lam=3"], "no setting 'lam'; there are data_root, out"),
        (["rivals-digits", "lambda-mnist"], "cannot read 'lambda-mnist'"),
    ],
)
def test_mistakes_are_one_line(argv, words, capsys):
    assert main(["study", *argv]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_weights_that_a_study_freezes_are_learned_once_and_fit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (130, 28, 28), dtype=np.uint8)
    labels = np.arange(130) % 13
    np.savez("emnist-bymerge.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    monkeypatch.setitem(pretrained.LEARN, "train_size", 0)
    places = {"data_root": ".", "out": "runs"}
    pretrained.learn(places)
    first = Path(pretrained.WEIGHTS).read_bytes()
    (folder,) = Path("runs").glob("emnist-bymerge-*")
    learned = open_run(folder).network.to_torch().state_dict()
    shutil.rmtree("runs")
    pretrained.learn(places)
    assert Path(pretrained.WEIGHTS).read_bytes() == first
    assert not Path("runs").exists()
    frozen = build(Experiment(model="conv4", width=0.25, init="own", weights=pretrained.WEIGHTS), (1, 28, 28), 10)
    *inner, last, last_bias = frozen.parts(frozen.weights(torch.ones(frozen.layout.n)))
    for ours, theirs in zip(inner, learned.values(), strict=False):
        assert torch.equal(ours, theirs)
    assert len({round(abs(w), 6) for w in (*last.flatten().tolist(), *last_bias.tolist())}) == 1, "random, ±c"


def test_only_letters_are_dealt():
    (part,) = pretrained.letters(np.array([3, 46, 9, 10, 0]), Experiment(clients=1))
    assert part.tolist() == [1, 3]
