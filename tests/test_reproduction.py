"""The papers' experiments: the plan is theirs, the record loses and repeats nothing, the page says what it says."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas
import pytest

from fedsparse import RunError, run
from fedsparse.__main__ import main
from fedsparse.analysis.reproduction import command, page, pictures, plan, tables
from fedsparse.analysis.reproduction.claims import SAVINGS, claims, survives
from fedsparse.analysis.reproduction.listing import listing
from fedsparse.analysis.reproduction.plan import CASES, DATASETS, PARTS, SCALES, Scale, chosen_lams
from fedsparse.analysis.reproduction.record import FOLDER, PLACES, ROUND, Record, key_of, sign, signature
from fedsparse.analysis.sweeps import Failed
from fedsparse.experiment import SETTINGS
from fedsparse.run_folder import RunFolder

ROOT = Path(__file__).parents[1]
TINY = Scale(
    {"width": 0.02, "local_epochs": 1, "batch_size": 20, "rounds": 3}, {}, dict.fromkeys(CASES, (1.0,)), seeds=2
)


def members(part, scale, lams=None):
    return plan.members(part, scale, lams or dict.fromkeys(CASES, SCALES[scale].lams["mnist"][0]))


@pytest.fixture
def paper(tmp_path, monkeypatch):
    """A folder to run in, with noise in the shape of MNIST for data, and a small scale that takes seconds."""
    rng = np.random.default_rng(0)
    images = {
        f"x_{kind}": rng.integers(0, 256, (count, 28, 28), np.uint8) for kind, count in (("train", 200), ("test", 40))
    }
    labels = {"y_train": np.arange(200) % 10, "y_test": np.arange(40) % 10}
    (tmp_path / FOLDER).mkdir(parents=True)
    np.savez(tmp_path / "data" / "mnist.npz", **images, **labels)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(SCALES, "small", TINY)
    return tmp_path


def made_up(folder, rows, first=None):
    """A record of runs that were never made, of two rounds, the first with `first`: to ask it what it would say."""
    table, rounds = [], []
    for e, values in rows:
        settings = {f"{n}_setting" if n == "density" else n: v for n, v in e.settings.items() if n not in PLACES}
        rates = {"accuracy": 0.5, "accuracy_threshold": 0.5, "density": 0.5, "bpp_kl": 0.1, "bpp_downlink": 3.0}
        made = {"uplink_highest": 1.0, "megabytes_up": 1.0, "megabytes_down": 2.0, "network_bytes": 100, "minutes": 6.0}
        table.append({"key": key_of(e), **settings, **rates, **made, "parameters": 1000, **values})
        for number, of_round in ((1, (first or {}) | {"key": key_of(e)}), (e.rounds, {})):
            rounds.append(dict.fromkeys(ROUND, 1.0) | table[-1] | of_round | {"round": number, "dataset": e.dataset})
    folder.mkdir(parents=True, exist_ok=True)
    for dataset, some in pandas.DataFrame(rounds, columns=["key", *ROUND, "dataset"]).groupby("dataset"):
        some.drop(columns="dataset").to_csv(folder / f"rounds-{dataset}.csv", index=False)
    if table:
        pandas.DataFrame(table).to_csv(folder / "runs.csv", index=False)
    return Record(folder)


def judged(record, name, data=None):
    """The verdict on one claim, at the small scale."""
    (claim,) = (c for c in claims() if c.name == name and data in (None, c.data))
    return claim.verdict(record, "small")


def result(accuracy, entropy=1.0, uplink=0.5):
    return {"accuracy_expected": accuracy, "bpp_entropy": entropy, "bpp_uplink": uplink}


@pytest.mark.parametrize("scale", SCALES)
def test_the_plan_is_whole_and_repeats_nothing(scale):
    for part in PARTS:
        keys = [key_of(e) for e in members(part, scale)]
        assert len(set(keys)) == len(keys), part
    for dataset in DATASETS:
        mine = [e for e in members("non-iid", scale) if e.dataset == dataset]
        held = {(e.classes_per_client, e.algorithm, e.lam > 0, e.lam_warmup + e.lam_delay, e.seed) for e in mine}
        ways = 5 + sum(of == dataset for of in CASES.values()) - 1
        assert len(held) == len(mine) == 2 * ways * 3, "c = 4 and 2, five methods and a λ that comes late, three seeds"
        assert all(e.clients * e.classes_per_client >= len(range(100 if dataset == "cifar100" else 10)) for e in mine)
    seeds = [e.seed for e in members("pairs", scale)]
    assert seeds == sorted(seeds), "one seed everywhere tells more than three seeds in one place"


def test_the_papers_scale_is_the_papers():
    models = {"mnist": "conv4", "cifar10": "conv6", "cifar100": "conv10"}
    for part in PARTS:
        for e in members(part, "paper"):
            assert (e.width, e.train_size, e.batch_size, e.local_epochs) == (1, 0, 128, 3)
            assert (e.model, e.rounds) == (models[e.dataset], 400 if e.dataset == "cifar100" else 200)
            assert e.clients == (10 if e.partition == "iid" else 50 if e.clients == 50 else 30)
            assert e.clients != 50 or (e.dataset, e.classes_per_client) == ("cifar100", 2)


def test_lambda_is_the_largest_that_loses_at_most_a_point(tmp_path, monkeypatch):
    lams = (1.0, 2.0, 4.0, 8.0)
    scale = dataclasses.replace(TINY, lams=dict.fromkeys(CASES, lams))
    monkeypatch.setitem(SCALES, "small", scale)
    accuracies = [0.97, 0.965, 0.961, 0.955, 0.10]
    rows = [(scale.experiment("mnist", lam=v), result(a)) for v, a in zip((0.0, *lams), accuracies, strict=True)]
    assert chosen_lams("small", made_up(tmp_path, rows)) == {"mnist": lams[1]}
    assert chosen_lams("small", made_up(tmp_path, rows[:-1])) == {}, "the grid is not done"
    assert chosen_lams("paper", made_up(tmp_path, rows)) == {}, "another scale, another λ"
    all_bad = [(e, result(0.97 if e.lam == 0 else 0.5)) for e, _ in rows]
    assert chosen_lams("small", made_up(tmp_path, all_bad)) == {"mnist": lams[0]}


@pytest.mark.slow
def test_the_record_knows_a_run_by_what_it_is(tiny, tmp_path):
    record = Record(tmp_path / "paper")
    assert record.row(tiny) is None
    done = run(tiny)
    record.add(done)
    first = (tmp_path / "paper" / "runs.csv").read_text(encoding="utf-8")
    record.add(done)
    assert (tmp_path / "paper" / "runs.csv").read_text(encoding="utf-8") == first, "entered twice, there once"
    again = Record(tmp_path / "paper")
    row = again.row(tiny.replace(out="elsewhere", data_root="other", device="cpu"))
    history = done.history.frame
    assert row["accuracy_expected"] == pytest.approx(history["accuracy_expected"].iloc[-1], rel=1e-5)
    assert row["megabytes_up"] == pytest.approx(history["uplink_bytes"].sum() / 1e6, rel=1e-5)
    assert row["network_bytes"] == done.network_bytes
    assert row["uplink_highest"] == pytest.approx(history["bpp_uplink"].max(), rel=1e-5)
    assert {row[n] for n in SETTINGS if n not in (*PLACES, "density")} == {
        v for n, v in tiny.settings.items() if n not in (*PLACES, "density")
    }
    assert row["device"]
    assert row["torch"]
    assert again.row(tiny.replace(seed=1)) is None
    assert again.row(tiny.replace(rounds=3)) is None, "with more rounds it is still to be done"
    rounds = again.rounds([tiny, tiny.replace(seed=1)])
    assert rounds["round"].tolist() == [1, 2]
    assert rounds["uplink_bytes"].tolist() == history["uplink_bytes"].tolist()
    longer = run(tiny.replace(rounds=3))
    again.add(longer)
    assert len(again.runs) == 1
    assert again.row(tiny) is None
    assert again.rounds([longer.experiment])["round"].tolist() == [1, 2, 3]


def test_a_run_that_is_begun_elsewhere_is_left_alone(tiny):
    with RunFolder(tiny) as begun:
        outcome = command._do(tiny)
        assert "is in use" in outcome.why
        assert (begun.path / ".lock").exists()
    assert command._do(tiny.replace(dataset="cifar10")).why
    assert not list(begun.path.parent.glob("cifar10*")), "nothing came of it: nothing is left behind"


def test_a_page_that_cannot_be_written_is_one_line(paper, capsys):
    (paper / "docs").write_text("no folder", encoding="utf-8")
    assert main(["reproduce", "--page"]) == 2
    assert capsys.readouterr().err.startswith("fedsparse: cannot write docs")


def test_killed_between_the_two_files_nothing_is_lost(tiny, tmp_path, monkeypatch):
    record, short = Record(tmp_path), run(tiny)
    record.add(short)
    whole = Record._write
    monkeypatch.setattr(
        Record, "_write", lambda self, name, table: None if name == "runs.csv" else whole(self, name, table)
    )
    record.add(run(tiny.replace(rounds=3)))
    monkeypatch.undo()
    left = Record(tmp_path)
    assert left.row(tiny)
    assert left.rounds([tiny])["round"].tolist() == [1, 2], "what runs.csv does not know of does not count"
    left.add(run(tiny.replace(rounds=3)))
    assert left.rounds([tiny.replace(rounds=3)])["round"].tolist() == [1, 2, 3]


def test_a_run_done_in_pieces_names_every_place(tiny, tmp_path, monkeypatch):
    for place in ("here", "there", "here"):
        monkeypatch.setattr("fedsparse.analysis.reproduction.record._device", lambda e, place=place: place)
        monkeypatch.setattr("fedsparse.analysis.reproduction.record._commit", lambda place=place: f"{place}1")
        sign(tiny)
    record = Record(tmp_path)
    record.add(run(tiny))
    row = record.row(tiny)
    assert (row["device"], row["commit"]) == ("here and there", "here1 and there1")
    command._do(tiny)
    assert "elsewhere" not in signature(tiny).read_text(encoding="utf-8")
    assert row["data"]


def test_a_setting_that_came_later_had_its_default(tmp_path):
    made_up(tmp_path, [(SCALES["small"].experiment("mnist"), result(0.9))])
    table = pandas.read_csv(tmp_path / "runs.csv").drop(columns="lam_delay")
    table.to_csv(tmp_path / "runs.csv", index=False)
    assert list(Record(tmp_path).runs["lam_delay"]) == [0]


def test_a_damaged_record_is_one_line(tmp_path):
    (tmp_path / "runs.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match="cannot be read"):
        Record(tmp_path)
    (tmp_path / "runs.csv").write_text("<<<<<<< ours\nkey,rounds\n", encoding="utf-8")
    with pytest.raises(RunError, match="first line is not that of a record"):
        Record(tmp_path)


@pytest.mark.slow
def test_runs_enter_the_record_and_are_not_done_again(paper, capsys):
    assert main(["reproduce", "scale=small", "part=lambda", "dataset=mnist", "jobs=1"]) == 0
    assert capsys.readouterr().out.count("accuracy") == 3, "λ = 0, and 1 with and without a warm-up"
    table = (paper / "data/results/paper/runs.csv").read_text(encoding="utf-8")
    assert main(["reproduce", "scale=small", "part=lambda", "dataset=mnist", "data_root=nowhere", "out=else"]) == 0
    assert "accuracy" not in capsys.readouterr().out
    assert (paper / "data/results/paper/runs.csv").read_text(encoding="utf-8") == table
    assert main(["reproduce", "scale=small", "dataset=mnist", "--list"]) == 0
    said = capsys.readouterr().out
    assert "MNIST, iid, FedPM" in said
    assert "seed 0 done in" in said
    assert "seed 1 missing, about" in said
    assert "scale=small: " in said
    text = (paper / "docs/reproduction.md").read_text(encoding="utf-8")
    assert text == page.page(Record())
    assert "### MNIST, a smaller scale\n\nλ = 1 against FedPM" in text
    assert "### CIFAR-10, a smaller scale\n\nNot run." in text
    listed = json.loads((paper / "figures/index.json").read_text(encoding="utf-8"))
    assert list(listed) == ["paper-small-mnist-warm-up.png", "paper-small-mnist.png"]


@pytest.mark.slow
def test_a_run_that_fails_is_named_and_the_others_are_done(paper, capsys):
    assert main(["reproduce", "scale=small", "part=lambda", "data_root=data", "jobs=1"]) == 1
    said = capsys.readouterr()
    assert said.out.count("accuracy") == 3
    assert not list((paper / "runs/paper").glob("cifar*")), "nothing came of it: nothing is left behind"
    assert "cifar10" in said.err
    assert "Traceback" not in said.err


def test_a_reason_that_runs_share_is_said_once(paper, capsys, monkeypatch):
    monkeypatch.setattr(command, "attempt_all", lambda runs, jobs: [Failed(e, f"no {e.dataset}") for e in runs])
    assert main(["reproduce", "scale=small", "jobs=1"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line.rpartition(": ")[2] for line in said] == ["no mnist", "no cifar10", "no cifar100"]
    planned = [e for part in PARTS for e in plan.members(part, "small", {}) if e.dataset == "mnist"]
    keys = [e.replace(out="runs/paper").key for e in planned]
    assert said[0] == f"{len(set(keys))} runs failed, {keys[0]} first: no mnist"


@pytest.mark.parametrize("switches", [[], ["--list"], ["--page"]])
def test_another_folder_than_the_repository_is_refused(tmp_path, monkeypatch, capsys, switches):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", *switches]) == 2
    assert capsys.readouterr().err == f"fedsparse: no {FOLDER} here: call it in the folder of the repository\n"
    assert not list(tmp_path.iterdir())


def test_what_is_done_is_listed_without_drawing():
    draws = "import sys, fedsparse.analysis.reproduction.command as c; c.main(['--list']);"
    draws += "sys.exit(bool({'matplotlib', 'seaborn', 'fedsparse.analysis.plots'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", draws], cwd=ROOT, capture_output=True).returncode == 0


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(paper):
    script = (
        "import sys; from fedsparse.analysis.reproduction import command, plan;"
        "sys.path.insert(0, sys.argv[1]); from test_reproduction import TINY; from dataclasses import replace;"
        "plan.SCALES['small'] = replace(TINY, changes={**TINY.changes, 'rounds': 6, 'local_epochs': 3});"
        "sys.exit(command.main(['scale=small', 'part=lambda', 'dataset=mnist', 'jobs=1', 'out=' + sys.argv[2]]))"
    )
    call = [sys.executable, "-c", script, str(ROOT / "tests")]
    killed = subprocess.Popen([*call, "cut"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not list((paper / "cut").glob("*lam1*/history.csv")) and time.monotonic() < until:
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    record = Record()
    assert len(record.runs) == 1, "the first run is in the record, the second was begun"
    assert subprocess.run([*call, "cut"], capture_output=True).returncode == 0
    timing = ["minutes", "commit"]
    cut = pandas.read_csv("data/results/paper/runs.csv").drop(columns=timing)
    rounds = (paper / "data/results/paper/rounds-mnist.csv").read_bytes()
    (paper / FOLDER).rename(paper / "first")
    (paper / FOLDER).mkdir()
    assert subprocess.run([*call, "whole"], capture_output=True).returncode == 0
    pandas.testing.assert_frame_equal(cut, pandas.read_csv("data/results/paper/runs.csv").drop(columns=timing))
    assert rounds == (paper / "data/results/paper/rounds-mnist.csv").read_bytes()


@pytest.mark.parametrize(
    ("saved", "lost", "word", "said"),
    [
        (0.80001, 0.0, "reached", "**does not survive** real coding as a difference"),
        (0.79, 0.0, "not reached", "are not there in entropy, or in bytes"),
        (0.9, 0.0101, "not reached", "the saving does not count"),
        (0.85, 0.9818 - 0.9718, "reached", "**does not survive**"),
    ],
)
def test_a_saving_counts_at_equal_accuracy(tmp_path, saved, lost, word, said):
    scale = SCALES["small"]
    lam = scale.lams["mnist"][0]  # where all λ but one collapse, it is chosen, whatever it loses
    rows = [(scale.experiment("mnist", lam=v), result(0.1)) for v in scale.lams["mnist"][1:]]
    rows += [(scale.experiment("mnist", seed=s), result(0.97, 1.0, 0.5)) for s in range(3)]
    rows += [(scale.experiment("mnist", seed=s, lam=lam), result(0.97 - lost, 1 - saved, 0.1)) for s in range(3)]
    record = made_up(tmp_path, rows)
    verdict = judged(record, "mnist", "MNIST, iid")
    assert verdict.word == word
    assert "3 of 3 seeds" in verdict.numbers
    early = made_up(tmp_path / "early", rows, first={"bpp_entropy": 1.0})
    verdict = judged(early, "mnist", "MNIST, iid")
    assert verdict.word == {"reached": "reached in the last round"}.get(word, word), "the first round has saved nothing"
    assert judged(record, "non-iid", "MNIST, c = 4").word == "not run"
    found = tables.pair(record, "small", "mnist")
    assert found.saved["bpp_uplink"].tolist() == pytest.approx([0.4] * 3)
    assert found.saved["percent"].tolist() == pytest.approx([100 * lost] * 3)
    assert said in survives(found, "mnist"), "0.4 bpp of bytes are not 0.8"
    five = judged(record, "five times")
    assert five.word == ("reached" if 1 / (1 - saved) >= 5 and word == "reached" else "not reached")
    factors = f"MNIST {1 / (1 - saved):.1f} in entropy, 5.0 in measured bytes up"
    assert (factors in five.numbers) == (lost < 0.0101), "a network that has collapsed has no factor"
    assert all(claim.verdict(record, "paper").word == "not run" for claim in claims())


def test_a_saving_in_bytes_survives(tmp_path):
    scale = SCALES["small"]
    lams = scale.lams["cifar10"]
    rows = [
        (scale.experiment("cifar10", lam=v), result(0.4, 1 - 0.6 * (v > 0), 0.5 - 0.35 * (v > 0))) for v in (0.0, *lams)
    ]
    found = tables.pair(made_up(tmp_path, rows), "small", "cifar10")
    assert found.saved["bpp_uplink"].mean() >= SAVINGS["cifar10"]
    assert "**survives**" in survives(found, "cifar10")
    only = [(e, values | {"bpp_entropy": 0.9 - 0.3 * (e.lam > 0)}) for e, values in rows]
    found = tables.pair(made_up(tmp_path, only), "small", "cifar10")
    assert "are not there in entropy." in survives(found, "cifar10"), "0.3 of entropy, 0.35 of bytes"


def nine_tenths_saved(case, accuracy):
    """Rows of the small scale in which every λ above 0 saves 0.9 bpp of entropy, at this accuracy everywhere."""
    scale = SCALES["small"]
    experiments = [scale.experiment(case, lam=lam) for lam in (0.0, *scale.lams[case])]
    return [(e, result(accuracy, 1 - 0.9 * (e.lam > 0), 0.1)) for e in experiments]


def test_nothing_is_saved_where_nothing_is_learned(tmp_path):
    record = made_up(tmp_path, nine_tenths_saved("cifar100", 0.01))
    assert judged(record, "cifar100", "CIFAR-100, iid").word == "undecided"
    assert "at equal accuracy: none" in judged(record, "five times").numbers


def test_a_schedule_of_ours_is_not_the_papers(tmp_path):
    rows = nine_tenths_saved("mnist-warm-up", 0.9)
    record = made_up(tmp_path, rows)
    assert judged(record, "late λ", "MNIST, λ warmed up, iid").word == "reached"
    five = judged(record, "five times")
    assert five.word == "not reached"
    assert "MNIST, λ warmed up 10.0 in entropy" in five.numbers
    assert "is our schedule" in five.numbers
    assert judged(record, "sparser").word == "not reached", "as many ones in both"
    few = [(e, values | {"density": 0.5 - 0.4 * (e.lam > 0)}) for e, values in rows]
    sparser = judged(made_up(tmp_path, few), "sparser")
    assert sparser.word == "reached"
    assert "MNIST, λ warmed up 50.0 % and 10.0 %" in sparser.numbers


@pytest.mark.parametrize(("ours", "word"), [(0.95, "reached"), (0.93, "not reached")])
def test_fedpm_is_set_beside_the_baselines(tmp_path, ours, word):
    scale = SCALES["small"]
    rows = [(scale.experiment("mnist"), result(ours, uplink=0.4))]
    assert judged(made_up(tmp_path / "none", rows), "baselines", "MNIST, iid").word == "not run"
    rows += [(scale.experiment("mnist", algorithm="sign_sgd"), result(0.94, uplink=1.0))]
    rows += [(scale.experiment("mnist", algorithm="fedavg"), result(0.99, uplink=11.0))]
    verdict = judged(made_up(tmp_path, rows), "baselines", "MNIST, iid")
    assert verdict.word == word
    assert "SignSGD, majority vote 94.0 % at 1.000 bpp up" in verdict.numbers
    assert "FedAvg" not in verdict.numbers, "it sends far more"


def test_what_was_given_up_is_reported(tmp_path):
    old = SCALES["small"].experiment("cifar10", lam=1.0, lam_warmup=25)
    record = made_up(tmp_path, [(old, result(0.1)), (SCALES["small"].experiment("cifar10"), result(0.4))])
    assert tables.unplanned(record)["run"].tolist() == ["CIFAR-10, iid, regularized, λ = 1, λ warmed up"]
    assert f"| {key_of(old).rsplit('-', 1)[-1]} |" in page.page(record)


def test_fedpms_claims_are_judged_in_bytes(tmp_path):
    scale = SCALES["small"]
    sizes = {"network_bytes": 125, "parameters": 1000, "uplink_highest": 1.004}
    rows = [(scale.experiment("mnist"), result(0.9, uplink=0.42) | sizes)]
    rows += [(scale.experiment("mnist", "c = 2"), result(0.5, uplink=0.9) | sizes | {"network_bytes": 126})]
    rows += [(scale.experiment("mnist", lam=1.0), result(0.9, uplink=2.0) | sizes)]
    record = made_up(tmp_path, rows)
    below, small = judged(record, "one bit"), judged(record, "small network")
    assert below.word == "reached"
    assert "0.900 bpp" in below.numbers
    assert "1.0040" in below.details
    assert small.word == "not reached", "4,000 bytes are less than 32 times 126"
    assert "31.75 times" in small.numbers
    assert key_of(rows[1][0]).rsplit("-", 1)[-1] in small.details, "the row that says so"
    exact = made_up(tmp_path, [(scale.experiment("mnist"), result(0.9, uplink=1.0) | sizes)])
    assert judged(exact, "one bit").word == "not reached"
    assert judged(exact, "small network").word == "reached"


def test_the_ablation_and_the_costs_show_each_run_once(tmp_path):
    scale = SCALES["small"]
    rows = [(e, result(0.9, 0.9 - 0.01 * i)) for i, e in enumerate(members("ablation", "small"))]
    rows += [(e, result(0.8)) for e in members("baselines", "small") if e.dataset == "mnist"]
    rows += [(scale.experiment("mnist", "c = 4"), result(0.7))]
    record = made_up(tmp_path, rows)
    plain, sparse = (tables.ablation(record, "small", lam) for lam in (0.0, plan.ABLATION_LAM))
    assert plain["entropy (bpp)"].tolist() == pytest.approx([0.9 - 0.02 * i for i in range(6)])
    assert sparse["entropy (bpp)"].tolist() == pytest.approx([0.89 - 0.02 * i for i in range(6)])
    assert plain["λ = 0"].tolist()[0] == "as chosen"
    assert len({*plain["runs"], *sparse["runs"]}) == 12
    assert "The most accurate: as chosen, 90.0 %." in page.page(record)
    assert [plan.change_of(e.settings) for e, _ in rows[:12:2]] == plain["λ = 0"].tolist()
    picture = pictures.communication_cost(record, "small", "mnist")
    assert "iid, Top-mask: 80.0, 80.0, 80.0 % at 3 MB" in picture.alt
    assert "c = 4" not in picture.alt, "no baseline was run there"
    assert [axes.get_title() for axes in picture.draw().axes if axes.get_title()] == ["iid"]
    assert pictures.communication_cost(record, "small", "cifar10") is None


def test_a_run_that_two_parts_share_is_counted_once(tmp_path):
    scale = SCALES["small"]
    record = made_up(tmp_path, [(scale.experiment("mnist", lam=v), result(0.9)) for v in (0.0, *scale.lams["mnist"])])
    text = listing("small", {p: members(p, "small", chosen_lams("small", record)) for p in ("lambda", "pairs")}, record)
    every = {key_of(e) for p in ("lambda", "pairs") for e in members(p, "small", chosen_lams("small", record))}
    done = 1 + len(scale.lams["mnist"])
    assert f"scale=small: {done} of {len(every)} runs done" in text
    assert "seed 1 missing, about 6 min" in text, "as long as the one of six minutes"
    assert "like which none has been timed" in text
    unknown = listing("paper", {"lambda": members("lambda", "paper")}, made_up(tmp_path / "another", []))
    assert "runs done; left: 23 like which none has been timed\n" in unknown, "no minutes that nobody knows"


def test_tables_hold_what_was_run_alone(tmp_path):
    scale = SCALES["small"]
    rows = [(scale.experiment("mnist", algorithm="fedavg", seed=s), result(0.9 + 0.02 * s, np.nan, 20)) for s in (0, 2)]
    record = made_up(tmp_path, rows)
    table = tables.methods(record, "small", "mnist")
    assert table["method"].tolist() == ["FedAvg"]
    assert table["seeds"].tolist() == [2]
    assert table["accuracy"].tolist() == pytest.approx([92])
    assert table["±"].tolist() == pytest.approx([12.706 * 2], rel=1e-3)  # t · s / √n, s = 2√2
    assert "|  |" in page.markdown(table), "what is no number is an empty cell"
    assert tables.lam_grid(record, "small", "mnist").empty
    assert plan.method_of(rows[0][0].settings) == "FedAvg"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["scale=medium"], "scale=medium is not one of paper, small"),
        (["part=lamda"], "did you mean 'lambda'"),
        (["lam=3"], "no setting 'lam'; there are scale"),
        (["scale"], "cannot read 'scale': settings are given as name=value"),
        (["jobs=two"], "jobs=two is not a whole number above 0"),
        (["--lst"], "did you mean '--list'"),
    ],
)
def test_mistakes_are_one_line(argv, words, capsys):
    assert main(["reproduce", *argv]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_values_of_settings_that_were_renamed_are_read_as_they_are_called_now(monkeypatch):
    monkeypatch.chdir(ROOT)
    record = Record()
    assert set(record.runs["engine"]) <= set(SETTINGS["engine"].metadata["choices"])
    assert record.row(SCALES["small"].experiment("mnist")), "and are found"


@pytest.mark.parametrize("recorded", [True, False])
def test_the_page_opens_with_a_summary_of_ten_rows(tmp_path, recorded):
    record = Record(ROOT / "data/results/paper" if recorded else tmp_path)
    lines = page.page(record).splitlines()
    rows = [line for line in lines[lines.index("## Summary") : lines.index("## How to read this page")] if "| " in line]
    assert lines.index("## Summary") < 10
    assert len(rows) - 1 == len({claim.name for claim in claims()}) == 10, "one row per name, and the header"
    for row, name in zip(rows[1:], dict.fromkeys(claim.name for claim in claims()), strict=True):
        of_name = [claim for claim in claims() if claim.name == name]
        ran = {claim.verdict(record, scale).word for claim in of_name for scale in SCALES} - {"not run"}
        assert bool(ran) == recorded
        assert all(f"**{word}**" in row for word in ran or {"not run"})


def test_an_empty_record_has_a_page(tmp_path):
    text = page.page(Record(tmp_path))
    assert text.count("\n\nNot run.\n\n") == len(SCALES) * len(CASES)
    assert "Given up" not in text


def test_the_page_is_what_the_record_says(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert page.PAGE.read_text(encoding="utf-8") == page.page(Record()), "made by: python -m fedsparse reproduce --page"
