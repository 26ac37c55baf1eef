"""The papers' experiments: the plan is theirs, the record loses and repeats nothing, the page says what it says."""

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
from fedsparse.analysis.reproduction.claims import claims
from fedsparse.analysis.reproduction.listing import listing
from fedsparse.analysis.reproduction.plan import GRID, PARTS, SCALES, Choices, Scale, chosen_lams, tuned_rates
from fedsparse.analysis.reproduction.record import FOLDER, PLACES, ROUND, Record, key_of, sign, signature
from fedsparse.analysis.reproduction.rivals import PAPERS, RIVALS
from fedsparse.analysis.sweeps import Failed
from fedsparse.experiment import SETTINGS
from fedsparse.run_folder import RunFolder

ROOT = Path(__file__).parents[1]
TINY = Scale(
    {"width": 0.02, "local_epochs": 1, "batch_size": 20, "rounds": 3, "validation": 0.2},
    {"mnist": {}, "cifar10": {}},
    {"server_loss": (1.0,), "constant": (1.0,)},
    grid=("mnist", "cifar10"), skewed=("mnist",), rivals=(), seeds=1,
)  # fmt: skip
CHOSEN = {"server_loss": 10.0, "constant": 1.0}
RATES = {name: rival.tried[1] for name, rival in RIVALS.items()}


def members(part, scale):
    return plan.members(part, scale, Choices(CHOSEN, {name: RATES[name] for name in SCALES[scale].rivals}))


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
    """A record of runs that were never made, of two rounds, the 11th with `first`: to ask it what it would say."""
    table, rounds = [], []
    for e, values in rows:
        settings = {f"{n}_setting" if n == "density" else n: v for n, v in e.settings.items() if n not in PLACES}
        rates = {"density": 0.5, "bpp_kl": 0.1, "bpp_downlink": 3.0, "lam_used": e.lam}
        made = {
            "data": "1234",
            "uplink_highest": 1.0,
            "megabytes_up": 1.0,
            "megabytes_down": 2.0,
            "network_bytes": 100,
            "minutes": 6.0,
        }
        table.append({"key": key_of(e), **settings, **rates, **made, "parameters": 1000, **values})
        for number, of_round in ((11, (first or {}) | {"key": key_of(e)}), (e.rounds, {})):
            rounds.append(dict.fromkeys(ROUND, 1.0) | table[-1] | of_round | {"round": number, "dataset": e.dataset})
    folder.mkdir(parents=True, exist_ok=True)
    for dataset, some in pandas.DataFrame(rounds, columns=["key", *ROUND, "dataset"]).groupby("dataset"):
        some.drop(columns="dataset").to_csv(folder / f"rounds-{dataset}.csv", index=False)
    if table:
        pandas.DataFrame(table).to_csv(folder / "runs.csv", index=False)
    return Record(folder)


def judged(record, name, data):
    """The verdict on one claim, at the small scale."""
    (claim,) = (c for c in claims() if (c.name, c.data) == (name, data))
    return claim.verdict(record, "small")


def result(accuracy, entropy=1.0, uplink=0.5, threshold=None):
    """Test and validation accuracy alike."""
    shipped = accuracy if threshold is None else threshold
    accuracies = {"accuracy": accuracy, "accuracy_expected": accuracy, "accuracy_threshold": shipped}
    held_out = {name.replace("accuracy", "accuracy_val"): value for name, value in accuracies.items()}
    return {**accuracies, **held_out, "bpp_entropy": entropy, "bpp_uplink": uplink}


def grid(accuracies, scale="small"):
    """Rows of a whole λ grid: `accuracies` by schedule and λ, the same on both data sets and all seeds; else 0.9."""
    for dataset in SCALES[scale].grid:
        for seed in range(SCALES[scale].seeds):
            yield SCALES[scale].experiment(dataset, seed=seed), result(0.9)
            for name, lams in SCALES[scale].lams.items():
                for lam in lams:
                    values = accuracies.get((name, lam), 0.9)
                    e = SCALES[scale].experiment(dataset, lam=lam, lam_schedule=name, seed=seed)
                    yield e, values if isinstance(values, dict) else result(values)


@pytest.mark.parametrize("scale", SCALES)
def test_the_plan_is_whole_and_repeats_nothing(scale):
    size = SCALES[scale]
    for part in PARTS:
        keys = [key_of(e) for e in members(part, scale)]
        assert len(set(keys)) == len(keys), part
    for dataset in size.skewed:
        mine = [e for e in members("non-iid", scale) if e.dataset == dataset]
        assert len(mine) == 2 * 4 * 3, "c = 4 and 2; λ = 0, constant, adaptive at server and clients; three seeds"
        assert all(e.clients * e.classes_per_client >= plan.classes_of(dataset) for e in mine)
    grid = {(e.dataset, e.lam_schedule, e.lam, e.seed) for e in members("lambda", scale)}
    assert len(grid) == 2 * 3 * (1 + sum(map(len, GRID.values())))
    assert all(max(lams) >= 100 * min(lams) for lams in GRID.values())
    assert not {e.dataset for e in members("pairs", scale)} - {*size.by_dataset}
    assert {e.lam for e in members("pairs", scale)} == {0.0, 1.0, 10.0}, "one λ per schedule for all data sets"
    assert all(e.validation for part in PARTS for e in members(part, scale))
    assert len(members("baselines", scale)) == 3 * len(size.rivals) * len(size.by_dataset)


def test_the_papers_scale_is_the_papers():
    models = {"mnist": "conv4", "cifar10": "conv6", "cifar100": "conv10", "emnist": "conv4"}
    for part in set(PARTS) - {"tuning"}:
        for e in members(part, "paper"):
            assert (e.width, e.train_size, e.batch_size, e.local_epochs) == (1, 0, 128, 3)
            assert (e.model, e.rounds) == (models[e.dataset], 400 if e.dataset == "cifar100" else 200)
            assert e.clients == (10 if e.partition == "iid" else 50 if e.clients == 50 else 30)
            assert e.clients != 50 or (e.dataset, e.classes_per_client) == ("cifar100", 2)


def test_one_lambda_for_all_is_the_largest_that_loses_at_most_a_point_on_validation_images(tmp_path):
    of = {("server_loss", 1.0): 0.9, ("server_loss", 10.0): 0.89, ("server_loss", 20.0): 0.8899}
    of |= {("server_loss", 100.0): 0.1, ("constant", 10.0): result(0.9, threshold=0.88)}
    of |= {("constant", 100.0): 0.1}
    rows = list(grid(of))
    assert chosen_lams("small", made_up(tmp_path, rows)) == CHOSEN, (
        "the shipped network loses two points at constant 10"
    )
    assert chosen_lams("small", made_up(tmp_path, rows[:-1])) == {"server_loss": 10.0}, "the other grid is not done"
    assert chosen_lams("paper", made_up(tmp_path, rows)) == {}, "another scale, another λ"
    on_test = [(e, v | {n: 0.0 for n in v if n.startswith("accuracy") and "val" not in n}) for e, v in rows]
    assert chosen_lams("small", made_up(tmp_path, on_test)) == CHOSEN, "test images have no say"
    one = [(e, v | {"accuracy_val": 0.8} if e.dataset == "cifar10" and e.lam == 10 else v) for e, v in rows]
    assert chosen_lams("small", made_up(tmp_path, one))["server_loss"] == 5.0, "no data set may lose more"
    bad = list(grid({(name, lam): 0.5 for name, lams in GRID.items() for lam in lams}))
    assert chosen_lams("small", made_up(tmp_path, bad))["server_loss"] == 1.0, "every λ loses more: the smallest"


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
    table = pandas.read_csv(tmp_path / "runs.csv").drop(columns="validation")
    table.to_csv(tmp_path / "runs.csv", index=False)
    assert list(Record(tmp_path).runs["validation"]) == [0]


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
    assert capsys.readouterr().out.count("accuracy") == 3, "λ = 0, and 1, adaptive and constant"
    table = (paper / "data/results/paper/runs.csv").read_text(encoding="utf-8")
    assert main(["reproduce", "scale=small", "part=lambda", "dataset=mnist", "data_root=nowhere", "out=else"]) == 0
    assert "accuracy" not in capsys.readouterr().out
    assert (paper / "data/results/paper/runs.csv").read_text(encoding="utf-8") == table
    assert main(["reproduce", "scale=small", "dataset=mnist", "--list"]) == 0
    said = capsys.readouterr().out
    assert "MNIST, iid, FedPM" in said
    assert "seed 0 done in" in said
    assert "more regularized runs follow when the λ grid on MNIST and CIFAR-10 is done" in said
    assert "scale=small: " in said
    text = (paper / "docs/reproduction.md").read_text(encoding="utf-8")
    assert text == page.page(Record())
    assert "The λ grid (`part=lambda dataset=mnist`)" in text
    assert "### CIFAR-10, a smaller scale\n\nNot run." in text
    assert "No λ is chosen yet: its grid on MNIST and CIFAR-10 is not complete." in text
    listed = json.loads((paper / "figures/index.json").read_text(encoding="utf-8"))
    assert list(listed) == ["paper-small-mnist-grid.png"]


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
    assert [line.rpartition(": ")[2] for line in said] == ["no mnist", "no cifar10"]
    planned = [e for part in PARTS for e in plan.members(part, "small", Choices()) if e.dataset == "mnist"]
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


SEEDS = range(3)


def paired(dataset, lost, saved, name="server_loss", lam=10.0):
    """Rows of a λ grid by which these λ are chosen, and pairs on a data set with differences by seed."""
    scale = SCALES["small"]
    bad = {(name, lam): 0.1 for name, lams in GRID.items() for lam in lams if lam > CHOSEN[name]}
    rows = {key_of(e): (e, values) for e, values in grid(bad)}
    for seed in SEEDS:
        e = scale.experiment(dataset, seed=seed)
        rows[key_of(e)] = e, result(0.9) | {"accuracy_val": 0.9}
        e = scale.experiment(dataset, seed=seed, lam=lam, lam_schedule=name)
        rows[key_of(e)] = e, result(0.9 - lost[seed], 1 - saved[seed], 0.1) | {"accuracy_val": 0.9}
        rows[key_of(e)][1]["accuracy_val_threshold"] = 0.9
    return list(rows.values())


@pytest.mark.parametrize(
    ("lost", "saved", "word"),
    [
        ((0.002, 0.003, 0.001), (0.85, 0.86, 0.84), "reached"),
        ((0.002, 0.003, 0.001), (0.85, 0.86, 0.70), "undecided"),  # the mean is above 0.8, its interval is not
        ((0.009, 0.009, 0.009), (0.7, 0.71, 0.72), "not reached"),
        ((0.02, 0.0, 0.0), (0.9, 0.9, 0.9), "undecided"),
        ((0.02, 0.021, 0.019), (0.9, 0.9, 0.9), "not reached"),
        ((0.0, 0.8, 0.0), (0.9, 0.99, 0.9), "not reached"),  # one of three has collapsed
    ],
)
def test_a_saving_is_judged_by_intervals(tmp_path, lost, saved, word):
    record = made_up(tmp_path, paired("mnist", lost, saved), first={"bpp_entropy": 1.0})
    (found,) = (f for f in tables.comparisons(record, "small", "mnist") if "adaptive" in f.method)
    assert found.difference("accuracy").tolist() == pytest.approx([-v for v in lost])
    verdict = judged(record, "saving, server_loss", "MNIST, iid")
    at_the_end = {"reached": "not reached"}.get(word, word)
    assert verdict.word in (at_the_end, "not reached"), "in round 11 nothing is saved, and that counts too"
    every_round = made_up(tmp_path / "all", paired("mnist", lost, saved))
    verdict = judged(every_round, "saving, server_loss", "MNIST, iid")
    assert verdict.word == word
    if max(lost) > 0.5:
        assert "0.900, 0.990, 0.900 bpp of entropy saved" in verdict.numbers, "no mean over a collapsed and a live seed"
        assert "1 at chance" in verdict.numbers
    assert judged(record, "saving, server_loss", "CIFAR-100, iid").word == "not run"


def test_the_shipped_network_decides_too(tmp_path):
    rows = paired("mnist", (0.0, 0.0, 0.0), (0.9, 0.9, 0.9))
    worse = [(e, v | {"accuracy_threshold": 0.85} if e.lam == 10 and v["accuracy"] > 0.5 else v) for e, v in rows]
    record = made_up(tmp_path, worse)
    assert judged(record, "saving, server_loss", "MNIST, iid").word == "not reached"
    five = judged(made_up(tmp_path / "good", rows), "five times", "all data sets, iid")
    assert (
        "MNIST, λ = 10, adaptive: 10.0 ± 0.0 in entropy, 5.0 ± 0.0 in measured bytes up (**reached**)" in five.numbers
    )
    assert all(claim.verdict(record, "paper").word == "not run" for claim in claims())


def test_nothing_is_saved_where_nothing_is_learned(tmp_path):
    rows = paired("mnist", (0.0, 0.0, 0.0), (0.9, 0.9, 0.9))
    asleep = [(e, v | {"accuracy": 0.1} if e.seed == 1 else v) for e, v in rows]
    record = made_up(tmp_path, asleep)
    assert judged(record, "saving, server_loss", "MNIST, iid").word == "undecided"


def test_a_run_at_chance_counts_where_lambda_0_is_not(tmp_path):
    rows = list(grid({("constant", lam): 0.1 for lam in GRID["constant"]}))
    verdict = judged(made_up(tmp_path, rows), "collapse", "MNIST, iid")
    assert verdict.word == "reached"
    assert "adaptive: 0 of 15, constant: 9 of 9, λ = 0: 0 of 3" in verdict.numbers
    adaptive = [(e, v) for e, v in rows if (e.lam_schedule, e.lam, e.seed) != ("server_loss", 100, 2)]
    assert judged(made_up(tmp_path, adaptive), "collapse", "MNIST, iid").word == "undecided", "one is still to be run"
    one = [(e, result(0.1) if (e.lam_schedule, e.lam, e.seed) == ("server_loss", 100, 2) else v) for e, v in rows]
    assert judged(made_up(tmp_path, one), "collapse", "MNIST, iid").word == "not reached"
    asleep = [(e, result(0.1) if (e.lam, e.seed) == (0, 2) else v) for e, v in one]
    assert judged(made_up(tmp_path, asleep), "collapse", "MNIST, iid").word == "reached"


@pytest.mark.parametrize(("ours", "word"), [((0.95, 0.96, 0.97), "reached"), ((0.9, 0.95, 0.97), "undecided")])
def test_fedpm_is_set_beside_the_baselines(tmp_path, ours, word):
    scale = SCALES["small"]
    rows = [(scale.experiment("mnist", seed=s), result(ours[s], uplink=0.4)) for s in SEEDS]
    assert judged(made_up(tmp_path / "none", rows), "baselines", "MNIST, iid").word == "not run"
    rows += trials(RATES)
    of = {"SignSGD, majority vote": result(0.93, uplink=1.0), "FedAvg": result(0.99, uplink=11.0)}
    of["Top-mask"] = result(0.5, uplink=0.1)
    for name, values in of.items():
        settings = RIVALS[name].settings | {RIVALS[name].rate: RATES[name]}
        rows += [(scale.experiment("mnist", seed=s, **settings), values) for s in SEEDS]
    without = judged(made_up(tmp_path / "one", rows[: -len(SEEDS)]), "baselines", "MNIST, iid")
    assert without.word == "undecided", "one of two was not run"
    verdict = judged(made_up(tmp_path, rows), "baselines", "MNIST, iid")
    assert verdict.word == word
    assert "against SignSGD, majority vote at 0.400 against 1.000 bpp up (3 seeds)" in verdict.numbers
    assert "FedAvg" not in verdict.numbers, "it sends far more"


def trials(best):
    """Rows of all trials of learning rates; the shipped network is best at these, sampled ones at the largest."""
    for name in RIVALS:
        for rate, e in plan.trials(name).items():
            yield e, result(0.8 + rate / 10, threshold=0.9 if rate == best[name] else 0.8)


def test_learning_rates_are_chosen_by_the_shipped_network_on_validation_images(tmp_path):
    rows = list(trials(RATES))
    record = made_up(tmp_path, rows)
    assert tuned_rates("small", record) == RATES
    assert tuned_rates("paper", record) == {name: RATES[name] for name in PAPERS}, "tuned at the smaller scale"
    assert len(members("tuning", "small")) == len(rows) == len(GRID["server_loss"]) * len(RIVALS)
    assert members("tuning", "paper") == [e for name in PAPERS for e in plan.trials(name).values()]
    on_test = [(e, v | {"accuracy_threshold": 0.1}) for e, v in rows]
    assert tuned_rates("small", made_up(tmp_path / "test", on_test)) == RATES, "test images have no say"
    assert set(tuned_rates("small", made_up(tmp_path / "begun", rows[:-1]))) == set(RIVALS) - {[*RIVALS][-1]}
    assert "SignSGD, majority vote (`algorithm=sign_sgd`, `server_lr=0.001`)" in page.page(record)


def test_every_method_has_a_name_of_its_own():
    e = SCALES["small"].experiment("mnist")
    for name in RIVALS:
        assert {plan.method_of(trial.settings) for trial in plan.trials(name).values()} == {name}
    assert plan.method_of(e.replace(algorithm="zeroth_order", perturbations=3).settings) == "zeroth_order"
    assert plan.method_of(e.settings) == "FedPM"
    assert plan.method_of(e.replace(lam=3.0).settings) == "λ = 3, constant"


def test_a_group_with_a_collapsed_seed_has_no_mean(tmp_path):
    scale = SCALES["small"]
    rows = [(scale.experiment("mnist", seed=s), result(a)) for s, a in zip(SEEDS, (0.9, 0.91, 0.1), strict=True)]
    (row,) = tables.methods(made_up(tmp_path, rows), "small", "mnist").to_dict("records")
    assert (row["at chance"], row["sampled"], row["entropy (bpp)"]) == (1, "90.0, 91.0, 10.0", "1.000, 1.000, 1.000")
    (row,) = tables.methods(made_up(tmp_path / "live", rows[:2]), "small", "mnist").to_dict("records")
    assert row["sampled"] == "90.5 ± 6.4", "12.7 · 0.707 / √2"


def test_convergence_counts_rounds_and_bytes_to_fedpms_accuracy(tmp_path):
    rows = paired("mnist", (0.0, 0.05, 0.2), (0.5, 0.5, 0.5))
    record = made_up(tmp_path, rows, first={"accuracy": 0.82})  # of 0.9: more than 90 %, less than 95 %
    table = tables.convergence(record, "small", "mnist").set_index("method")
    last = SCALES["small"].experiment("mnist").rounds
    assert table.loc["FedPM", "rounds to 90%"] == "11, 11, 11"
    assert table.loc["FedPM", "rounds to 95%"] == f"{last}, {last}, {last}"
    assert table.loc["λ = 10, adaptive", "rounds to 95%"] == f"{last}, –, –"


def test_what_was_given_up_is_reported(tmp_path):
    old = SCALES["small"].experiment("cifar10", lam=1.0, lr=0.2)
    record = made_up(tmp_path, [(old, result(0.1)), (SCALES["small"].experiment("cifar10"), result(0.4))])
    table = pandas.read_csv(tmp_path / "runs.csv").assign(lam_warmup=[25, 0], lam_delay=0)
    table.to_csv(tmp_path / "runs.csv", index=False)
    record = Record(tmp_path)
    said = "CIFAR-10, iid, λ = 1, constant, precision=float32, lam_warmup=25"
    assert tables.unplanned(record)["run"].tolist() == [said]
    assert f"| {key_of(old).rsplit('-', 1)[-1]} |" in page.page(record)


def test_fedpms_claims_are_judged_in_bytes(tmp_path):
    scale = SCALES["small"]
    sizes = {"network_bytes": 125, "parameters": 1000, "uplink_highest": 1.004}
    rows = [(scale.experiment("mnist"), result(0.9, uplink=0.42) | sizes)]
    rows += [(scale.experiment("mnist", "c = 2"), result(0.5, uplink=0.9) | sizes | {"network_bytes": 126})]
    rows += [(scale.experiment("mnist", lam=1.0), result(0.9, uplink=2.0) | sizes)]
    record = made_up(tmp_path, rows)
    below, small = judged(record, "one bit", "all data sets"), judged(record, "small network", "all data sets")
    assert below.word == "reached"
    assert "0.900 bpp" in below.numbers
    assert "1.0040" in below.numbers
    assert small.word == "not reached", "4,000 bytes are less than 32 times 126"
    assert "31.75 times" in small.numbers
    assert key_of(rows[1][0]).rsplit("-", 1)[-1] in small.numbers, "the row that says so"
    exact = made_up(tmp_path, [(scale.experiment("mnist"), result(0.9, uplink=1.0) | sizes)])
    assert judged(exact, "one bit", "all data sets").word == "not reached"
    assert judged(exact, "small network", "all data sets").word == "reached"


def test_the_ablation_and_the_costs_show_each_run_once(tmp_path):
    scale = SCALES["small"]
    rows = paired("mnist", (0.0, 0.0, 0.0), (0.5, 0.5, 0.5))
    rows += [(e, result(0.9, 0.9 - 0.01 * i)) for i, e in enumerate(members("ablation", "small"))]
    rows += [(e, result(0.5, threshold=0.8)) for e in members("baselines", "small") if e.dataset == "mnist"]
    rows += trials(RATES)
    rows += [(scale.experiment("mnist", "c = 4"), result(0.7))]
    record = made_up(tmp_path, rows)
    plain, sparse = (tables.ablation(record, "small", adaptive) for adaptive in (False, True))
    assert plain["entropy (bpp)"].tolist() == [f"{0.9 - 0.02 * i:.3f}" for i in range(6)]
    assert sparse["entropy (bpp)"].tolist() == [f"{0.89 - 0.02 * i:.3f}" for i in range(6)]
    assert plain["change"].tolist()[0] == "as chosen"
    assert len({*plain["runs"], *sparse["runs"]}) == 12
    picture = pictures.communication_cost(record, "small", "mnist")
    assert "iid, FedAvg: 80.0, 80.0, 80.0 % at 3 MB" in picture.alt
    assert "c = 4" not in picture.alt, "one method alone compares nothing"
    assert [axes.get_title() for axes in picture.draw().axes if axes.get_title()] == ["iid"]
    assert pictures.communication_cost(record, "small", "emnist-bymerge") is None
    grid, curves = (make(record, "small", "mnist") for make in (pictures.frontier, pictures.curves))
    assert "λ = 20, adaptive: 10.0, 10.0, 10.0 % and" in grid.alt
    assert len(grid.draw().axes) == 2
    assert "λ = 10, adaptive" in curves.alt
    assert pictures.curves(made_up(tmp_path / "none", []), "small", "mnist") is None


def test_a_run_that_two_parts_share_is_counted_once(tmp_path):
    scale = SCALES["small"]
    record = made_up(tmp_path, [(scale.experiment("mnist", seed=s), result(0.9)) for s in (0, 2)])
    parts = {part: plan.members(part, "small", Choices()) for part in ("lambda", "pairs")}
    text = listing("small", parts, record)
    assert f"scale=small: 2 of {len({key_of(e) for runs in parts.values() for e in runs})} runs done" in text
    assert "seed 1 missing, about 6 min" in text, "as long as the one of six minutes"
    assert "like which none has been timed" in text
    unknown = listing("paper", {"lambda": members("lambda", "paper")}, made_up(tmp_path / "another", []))
    assert (
        f"runs done; left: {2 * 3 * (1 + sum(map(len, GRID.values())))} like which none has been timed\n" in unknown
    ), "no minutes that nobody knows"


def test_tables_hold_what_was_run_alone(tmp_path):
    scale = SCALES["small"]
    rows = [(scale.experiment("mnist", algorithm="fedavg", seed=s), result(0.9 + 0.02 * s, np.nan, 20)) for s in (0, 2)]
    record = made_up(tmp_path, [*rows, *trials(RATES)])
    table = tables.methods(record, "small", "mnist")
    assert table["method"].tolist() == ["FedAvg"]
    assert table["seeds"].tolist() == [2]
    assert table["sampled"].tolist() == ["92.0 ± 25.4"], "12.706 · s / √n, s = 2√2"
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


@pytest.mark.parametrize("recorded", [True, False])
def test_the_page_opens_with_a_summary_of_ten_rows(tmp_path, recorded):
    record = Record(ROOT / "data/results/paper" if recorded else tmp_path)
    lines = page.page(record).splitlines()
    rows = [line for line in lines[lines.index("## Summary") : lines.index("## How to read this page")] if "| " in line]
    assert lines.index("## Summary") < 10
    assert len(rows) - 1 == len({claim.name for claim in claims()}) <= 10, "one row per name, and the header"
    for row, name in zip(rows[1:], dict.fromkeys(claim.name for claim in claims()), strict=True):
        of_name = [claim for claim in claims() if claim.name == name]
        ran = {claim.verdict(record, scale).word for claim in of_name for scale in SCALES} - {"not run"}
        assert recorded or not ran
        assert all(f"**{word}**" in row for word in ran or {"not run"})


def test_an_empty_record_has_a_page(tmp_path):
    text = page.page(Record(tmp_path))
    assert text.count("\n\nNot run.\n\n") == sum(len(size.by_dataset) for size in SCALES.values())
    assert "## Earlier runs" not in text


def test_the_page_is_what_the_record_says(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert page.PAGE.read_text(encoding="utf-8") == page.page(Record()), "made by: python -m fedsparse reproduce --page"
