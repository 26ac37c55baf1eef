"""Comparisons: nothing is lost or silently missing, and what a table says is what the rounds say."""

import logging

import pandas
import pytest

from fedsparse import History, Run, RunError
from fedsparse.analysis.sweeps import Failed, attempt_all, collect, interval, run_all, summary, tidy
from fedsparse.experiment import SETTINGS, Experiment
from fedsparse.history import COLUMNS


def made(accuracies, up=1_000_000, down=500_000, rate=0.3, **settings) -> Run:
    """A run whose history is written by hand."""
    rows = [
        {"round": t + 1, "accuracy_expected": a, "accuracy_client_worst": a / 2, "bpp_uplink": rate,
         "bpp_downlink": 2.0, "uplink_bytes": up, "downlink_bytes": down, "cohort": 4}
        for t, a in enumerate(accuracies)
    ]  # fmt: skip
    experiment = Experiment(rounds=len(rows), **settings)
    return Run(experiment, None, History(rows))  # type: ignore[arg-type]


def test_a_summary_by_hand():
    # Best accuracy 0.80: nine tenths are 0.72, nineteen twentieths 0.76.
    runs = [
        made([0.5, 0.73, 0.74, 0.80], lam=0, seed=0),
        made([0.5, 0.60, 0.76, 0.78], lam=0, seed=1),
        made([0.1, 0.20, 0.30, 0.73], lam=1, seed=0, rate=0.1),
        made([0.1, 0.20, 0.30, 0.71], lam=1, seed=1, rate=0.1),
    ]
    table = summary(runs).set_index("lam")
    assert list(table["seeds"]) == [2, 2]
    assert table["accuracy"].tolist() == pytest.approx([0.79, 0.72])
    assert table["±"][0] == pytest.approx(interval([0.80, 0.78])[1], abs=1e-4)
    assert table["worst_client"][0] == pytest.approx(0.395)
    assert table["bpp_uplink"].tolist() == [0.3, 0.1]
    assert table["megabytes"].tolist() == [6.0, 6.0]
    assert table["rounds_to_90"][0] == 2.5, "rounds 2 and 3"
    assert table["megabytes_to_90"][0] == 1.5 * 2.5
    assert table["rounds_to_95"][0] == 3.5, "rounds 4 and 3"
    assert table.loc[1, ["rounds_to_90", "megabytes_to_90", "rounds_to_95"]].isna().all(), "one of two seeds got there"


def test_a_summary_says_what_is_shipped_and_what_was_held_out(tiny):
    done = run_all([tiny.replace(validation=0.2, seed=s) for s in (0, 1)], jobs=1)
    (row,) = summary(done).to_dict("records")
    for name, column in {
        "accuracy": "accuracy_expected", "sampled": "accuracy", "threshold": "accuracy_threshold",
        "validation": "accuracy_val_expected", "validation_sampled": "accuracy_val",
        "validation_threshold": "accuracy_val_threshold",
    }.items():  # fmt: skip
        mean = sum(d.history.last[column] for d in done) / 2
        assert row[name] == pytest.approx(mean, abs=1e-4), name
    assert "validation" not in summary([made([0.5])])
    shares = summary([made([0.5], validation=v) for v in (0.1, 0.3)])
    assert shares["validation_setting"].tolist() == [0.1, 0.3], "the share, beside the accuracy on it"


def test_the_best_is_the_best_on_the_same_task():
    runs = [made([0.9], partition="iid"), made([0.3], partition="classes")]
    assert summary(runs)["rounds_to_95"].tolist() == [1, 1]


def test_rounds_without_evaluation_or_answers_are_passed_over():
    history = made([0.5, float("nan"), 0.5]).history
    history.rows[-1].update(cohort=0, bpp_uplink=0.0)
    (row,) = summary([Run(Experiment(rounds=3), None, history)]).to_dict("records")  # type: ignore[arg-type]
    assert row["bpp_uplink"] == 0.3
    assert row["rounds_to_90"] == 1


@pytest.mark.slow
def test_failed_runs_are_in_the_table_and_in_the_csv(tiny, tmp_path):
    experiments = [tiny.replace(rounds=1, cohort=2), tiny.replace(rounds=1, dataset="nope", cohort=3)]
    outcomes = attempt_all(experiments, jobs=2)
    assert [type(o) for o in outcomes] == [Run, Failed]
    table = summary(outcomes)
    assert table["seeds"].tolist() == [1, 0]
    assert table["failed"].tolist() == [0, 1]
    written = collect(outcomes, tmp_path / "new" / "all.csv")
    back = pandas.read_csv(tmp_path / "new" / "all.csv")
    assert list(back.columns) == list(written.columns)
    assert back["cohort_setting"].tolist() == [2, 3], "beside the column of how many answered"
    assert back["cohort"].tolist()[0] == 2
    assert back["dataset"].tolist() == ["digits", "nope"]
    assert back["train_size"].tolist() == [200, 200], "fixed, but not at its default"
    assert "not one of digits" in back["failed"][1]
    assert pandas.isna(back["failed"][0])
    assert pandas.isna(back["round"][1])
    assert not {"out", "data_root"} & set(back.columns), "nothing of the machine"
    with pytest.raises(RunError, match="1 of 2 runs failed"):
        run_all(experiments, jobs=1)


def test_a_sweep_logs_to_the_standard_error_of_its_own_time(tiny, capsys):
    for seed in (0, 1):
        attempt_all([tiny.replace(rounds=1, seed=seed)], jobs=1, log=True)
        said = capsys.readouterr().err
        assert said.count("round 1 of 1") == 1, "one line, by one handler"
        assert f"seed{seed}" in said
    assert not logging.getLogger("fedsparse").handlers, "what runs later in this process is not logged"


@pytest.mark.slow
def test_a_csv_holds_settings_rounds_versions_and_cumulated_bytes(tiny, tmp_path):
    import numpy
    import torch

    import fedsparse

    runs = run_all([tiny.replace(seed=s, lam=0.1) for s in (0, 1)], jobs=2)
    collect(runs, tmp_path / "all.csv")
    back = pandas.read_csv(tmp_path / "all.csv")
    assert set(COLUMNS) < set(back.columns)
    assert back["seed"].tolist() == [0, 0, 1, 1]
    assert back["lam"].tolist() == [0.1] * 4
    for way in ("up", "down"):
        sizes = back[f"{way}link_bytes"]
        expected = [sizes[0], sizes[0] + sizes[1], sizes[2], sizes[2] + sizes[3]]
        assert (back[f"megabytes_{way}"] * 1e6).tolist() == pytest.approx(expected)
    for module in (fedsparse, torch, numpy):
        assert set(back[module.__name__]) == {module.__version__}
    text = (tmp_path / "all.csv").read_text()
    collect(runs, tmp_path / "all.csv")
    assert (tmp_path / "all.csv").read_text() == text


@pytest.mark.slow
def test_the_whole_table_has_every_setting_once(tiny):
    table = tidy(run_all([tiny.replace(rounds=1)], jobs=1))
    assert len(set(table.columns)) == len(table.columns) == len(SETTINGS) + len(COLUMNS)
    assert table["cohort_setting"].tolist() == [0]
    assert table["cohort"].tolist() == [4]


def test_a_csv_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        collect([Failed(Experiment(), "x")], tmp_path / "file" / "all.csv")
