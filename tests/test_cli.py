"""The command line: what runs, and that every mistake is one clear line, exit code 2, no traceback."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from fedsparse import History, SettingError, __version__
from fedsparse.__main__ import COMMANDS, main
from fedsparse.tools.overrides import MULTIRUN, TRAINING, CommandLine
from fedsparse.tools.train import experiments_of

ROOT = Path(__file__).parents[1]
TINY = ["model=mlp", "width=0.05", "clients=4", "local_epochs=1", "train_size=200", "rounds=2", "device=cpu"]


def fedsparse(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "fedsparse", *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def read(*argv: str):
    """The experiments of a line, with no file touched."""
    return experiments_of(CommandLine(argv, switches=(MULTIRUN, "--in-place")))


@pytest.fixture
def refused(tmp_path, monkeypatch, capfd):
    """Call it in an empty folder: the one line that a mistake gets."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> str:
        assert main(arguments) == 2
        said = capfd.readouterr().err
        assert said.startswith("fedsparse: ")
        assert said.count("\n") == 1, said
        return said

    return call


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lamda=1"], "did you mean 'lam'"),
        (["rounds=-3"], "rounds=-3 is out of range; allowed: 1 to 100000"),
        (["dataset=nope"], "not one of digits, mnist"),
        (["lam=0,1"], "add --multirun"),
        (["lam"], "name=value"),
        (["seed=1", "lam"], "cannot read 'lam': settings are given as name=value"),
        (["seed=1", "lam=[1"], "a number, a word or a list"),
        (["+lam=1"], "did you mean 'lam'"),
        (["~lam"], "name=value"),
        (["lam="], "lam=''"),
        (["out="], "out=''"),
        (["preset=dmo"], "did you mean 'demo'"),
        (["preset=null"], "no preset 'None'"),
        (["model=conv10", "rounds=1"], "32×32"),
        (["train_size=99999"], "1438 training images"),
        (["clients=5000"], "cannot be dealt to 5000 clients"),
        (["partition=classes", "classes_per_client=11"], "ask for at most 10"),
        (["partition=classes", "clients=4", "classes_per_client=2"], "8 of 10 classes"),
        (["lam_schedule=server_loss"], "λ is 0 in every round"),
        (["lam=1", "lam_schedule=loss"], "constant, server_loss, client_loss"),
        (["validation=1"], "0 to 0.9"),
        (["train_size=1", "validation=0.5", "clients=1"], "leaves no training image of 1"),
        (["--multirun", "lam=1,x"], "lam='x'"),
        (["--multirun", "lam=glob(*)"], "lam=0,1"),
        (["--multirun", "lam=interval(0,1)"], "lam=0,1"),
        (["lam=1", "seed=2", "lam=3"], "lam is given twice: lam=1 and lam=3"),
        (["--rounds", "3"], "settings are given as name=value: rounds=3"),
        (["--rounds=3"], "settings are given as name=value: rounds=3"),
        (["-rounds"], "settings are given as name=value: rounds=…"),
        (["lam=1", "--batch-size", "8"], "settings are given as name=value: batch_size=8"),
        (["--mutlirun", "lam=0,1"], "did you mean '--multirun'"),
        (["--multirun=yes", "lam=0,1"], "takes no value"),
        (["--quick"], "no switch '--quick'; there are --help, --multirun, --show"),
        (["hydra/launcher=joblib", "lam=1"], "add --multirun"),
        (["notebok", "00_start_here"], "did you mean 'notebook'"),
        (["doctor", "data_rot=x"], "did you mean 'data_root'"),
        (["doctor", "--data-root", "x"], "data_root=x"),
        (["study", "rivals"], "did you mean 'rivals-digits'"),
        (["study"], "name the study"),
        (["study", "rivals-digits", "lam=3"], "no setting 'lam'; there are data_root, out"),
        (["reproduce", "scal=small"], "did you mean 'scale'"),
        (["reproduce", "scale=smal"], "did you mean 'small'"),
        (["reproduce", "jobs=1.5"], "jobs=1.5 is not a whole number above 0"),
        (["reproduce", "--lst"], "did you mean '--list'"),
        (["course", "copis", "x"], "did you mean 'copies'"),
        (["course", "site"], "name the folder"),
        (["course", "site", "x", "to=y"], "it takes no settings"),
        (["explorer"], "name the page"),
        (["explorer", "page.html", "dat=x"], "did you mean 'data'"),
        (["flower", "simulte"], "did you mean 'simulate'"),
        (["flower", "simulate", "lamda=1"], "did you mean 'lam'"),
        (["flower", "simulate", "timeout=soon"], "timeout=soon is not a number above 0"),
        (["notebook", "00_start_here"], "in the folder of the repository"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(refused, tmp_path, arguments, words):
    assert words in refused(*arguments)
    assert not [p for p in tmp_path.iterdir() if p.name not in ("runs", "data")], "nothing was made"


def test_a_misspelt_notebook_is_a_mistake_in_the_call(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["notebook", "00_strt_here"]) == 2
    assert main(["notebook", "00_start_here", "lamda=1"]) == 2
    assert main(["notebook", "00_start_here", "--to", "x"]) == 2
    first, second, third = capsys.readouterr().err.splitlines()
    assert "did you mean '00_start_here'" in first
    assert "did you mean 'lam'" in second
    assert "to=x" in third


@pytest.mark.slow
def test_mistakes_in_a_process_of_their_own(tmp_path):
    for arguments in (["lamda=1"], ["--multirun", "hydra/launcher=nope", *TINY]):
        done = fedsparse(*arguments, cwd=tmp_path)
        assert done.returncode == 2, done.stdout + done.stderr
        assert done.stderr.startswith("fedsparse: ")
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(command, monkeypatch, capsys):
    assert main([*filter(None, [command]), "--help"]) == 0
    said = capsys.readouterr().out
    summary, blank, *usage = said.splitlines()
    assert summary.endswith((".", "/."))
    assert not blank
    assert usage[0].startswith(f"    python -m fedsparse {command}".rstrip())
    assert max(map(len, usage)) <= 200
    if not command:
        assert all(f"python -m fedsparse {name} " in said for name in COMMANDS)
        assert "--multirun" in said
        assert "paper-mnist" in said
        assert "lam=0.0" in said


@pytest.mark.parametrize(
    "text",
    [
        "/data/my runs/ü", "a=b", "runs (2)", "~/runs", "2024", "[a]", "a,b", "it's", 'a "b"', "$HOME", "${x}", "true",
        "josé", "a:b", "{a}", "null", "1e3", "#a", "\\",
    ],
)  # fmt: skip
def test_text_is_taken_as_the_shell_passes_it(text):
    assert read(f"out={text}", "seed=1")[0].out == text
    assert read(f"data_root={text}")[0].data_root == text
    several = read("--multirun", f"out={text}", "seed=0,1")
    assert [e.out for e in several] == [part for part in text.split(",") for _ in (0, 1)]


def test_switches_may_stand_anywhere():
    lines = ["--multirun lam=1 seed=0,1", "lam=1 --multirun seed=0,1", "lam=1 seed=0,1 -m"]
    first, *others = [read(*line.split()) for line in lines]
    assert [e.seed for e in first] == [0, 1]
    assert all(other == first for other in others)


def test_values_are_numbers_words_lists_and_sweeps_of_them():
    several = read("-m", "preset=demo", "lam=0,2", "seed=range(0,3)")
    assert [(e.lam, e.seed, e.batch_size) for e in several] == [(lam, s, 16) for lam in (0, 2) for s in (0, 1, 2)]
    assert [e.algorithm for e in read("-m", "algorithm=fedpm,fedavg")] == ["fedpm", "fedavg"]
    assert read("lr=1e-3")[0].lr == 1e-3
    assert len(read("-m", "seed=0,0", "lam=0,0.0")) == 1, "equal experiments are one"
    line = CommandLine(["-m", "seeds=[0],[1,2]", "name=a b,c", "quick=true"], switches=(MULTIRUN,))
    kinds = {"seeds": False, "name": True, "quick": False}
    found = [tuple(values.values()) for values in line.combinations(kinds)]
    assert found == [(seeds, name, True) for seeds in ([0], [1, 2]) for name in ("a b", "c")]


def test_a_range_without_values_is_a_mistake():
    with pytest.raises(SettingError, match=r"range\(3,0\)' names no value"):
        read("-m", "seed=range(3,0)")


def test_options_are_taken_out_of_the_settings():
    line = CommandLine(["to=a=b", "jobs=2", "timeout=0.5", "lam=1"])
    assert line.option("to", "x") == "a=b"
    assert (line.option("jobs", 1), line.option("timeout", 1.0), line.option("more", 7)) == (2, 0.5, 7)
    assert line.settings(TRAINING) == {"lam": 1}
    for wrong in ("jobs=0", "jobs=1.5", "jobs=true", "jobs=1,2", "jobs=x", "jobs="):
        with pytest.raises(SettingError, match="is not a whole number above 0"):
            CommandLine([wrong]).option("jobs", 1)


def test_in_a_sweep_a_setting_that_some_runs_do_not_read_has_its_default_there(capsys):
    several = read("--multirun", "algorithm=fedpm,fedavg", "lam=0,1", "seed=0,1")
    assert [(e.algorithm, e.lam) for e in several] == [("fedpm", 0)] * 2 + [("fedpm", 1)] * 2 + [("fedavg", 0)] * 2
    assert "lam=1 would have no effect" in capsys.readouterr().err
    assert {(e.lam, e.regularizer) for e in read("-m", "regularizer=kl", "lam=0,1")} == {(0, "sparsity"), (1, "kl")}
    assert [e.lam for e in read("-m", "preset=demo", "algorithm=fedpm,fedavg")] == [10, 0]
    with pytest.raises(SettingError, match=r"alpha=0\.1 would have no effect"):
        read("-m", "alpha=0.1", "seed=0,1")


def test_the_composed_settings_can_be_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--show", "preset=demo", "lam=2", "out=ü"]) == 0
    settings = yaml.safe_load(capsys.readouterr().out)
    assert (settings["lam"], settings["batch_size"], settings["out"]) == (2, 16, "ü")
    assert not list(tmp_path.iterdir())


def test_broken_data_is_one_line(refused, tmp_path):
    x, y = np.zeros((20, 8, 8), np.uint8), np.arange(20) % 2
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / "labels.npz", x_train=x, y_train=y, x_test=x, y_test=y + 1)
    np.savez(tmp_path / "data" / "cut.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    whole = (tmp_path / "data" / "cut.npz").read_bytes()
    (tmp_path / "data" / "cut.npz").write_bytes(whole[: len(whole) // 2])
    assert "y_test has label 2" in refused("dataset=labels")
    assert "damaged" in refused("dataset=cut")


def test_a_folder_that_cannot_be_written_is_one_line(refused, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot write to out=" in refused(*TINY, "out=file/runs")
    assert "cannot write to out=" in refused("--multirun", *TINY, "out=file/runs", "seed=0,1")


@pytest.mark.slow
def test_one_run_leaves_its_folder_and_nothing_else(tmp_path):
    done = fedsparse(*TINY, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert {p.name for p in folder.iterdir()} - {".lock"} == {"config.yaml", "history.csv", "checkpoint", "network.fsp"}
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]
    assert "network.fsp" in done.stdout
    assert fedsparse(*TINY, cwd=tmp_path).stdout == done.stdout, "skipped, and reported the same"


@pytest.mark.slow
def test_a_sweep_runs_every_combination_and_prints_one_table(tmp_path):
    out = tmp_path / 'it\'s ${a} "sweep" (ü)=$HOME'
    done = fedsparse(*TINY, "lam=0,1.5", "seed=0,1", f"out={out}", "hydra.launcher.n_jobs=2", "-m", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == [out.name]
    assert len([p for p in out.iterdir() if p.is_dir()]) == 4
    assert [p.name[:6] for p in out.iterdir() if p.is_file()] == ["sweep-"], "Hydra leaves nothing"
    assert done.stdout.count("\n") >= 5
    assert "lam" in done.stdout.splitlines()[0]


@pytest.mark.slow
def test_a_sweep_with_a_failure_does_the_rest_and_says_so(tmp_path):
    done = fedsparse("--multirun", *TINY, "dataset=digits,nope", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "not one of digits" in done.stdout
    assert "failed: nope-mlp" in done.stdout
    assert "0 of 2 rounds" not in done.stdout, "its reason, not what lies in its folder"
    (table,) = tmp_path.glob("runs/sweep-*.csv")
    assert f"in runs/{table.name}" in done.stdout
    assert table.read_text().count("\n") == 1 + 2 + 1, "two rounds of the one, one line for the other"


@pytest.mark.slow
def test_a_target_that_is_missed_is_one_line_at_the_end(tmp_path):
    done = fedsparse(*TINY, "target_bpp=0.01", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "target_bpp=0.01 is not met yet: 2 rounds are too few" in done.stdout.splitlines()[-1]
    assert "Warning" not in done.stderr


@pytest.mark.slow
def test_ctrl_c_keeps_the_rounds_and_the_same_command_goes_on(tmp_path):
    arguments = [*TINY[:-2], "rounds=400", "device=cpu"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fedsparse", *arguments],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/*/history.csv")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "goes on from there" in err
    (history,) = tmp_path.glob("runs/*/history.csv")
    kept = len(History.from_csv(history.read_text()))
    assert 1 <= kept < 400
    again = fedsparse(*arguments[:-2], f"rounds={kept + 1}", "device=cpu", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert len(History.from_csv(history.read_text())) == kept + 1


@pytest.mark.slow
def test_the_doctor_reports(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my data").mkdir()
    (tmp_path / "my data" / "own.npz").write_bytes(b"")
    assert main(["doctor", "data_root=my data"]) == 0
    said = capsys.readouterr().out
    assert "PASS  torch" in said
    assert "FAIL" not in said
    assert "my data/own.npz" in said
    assert all(f" {name} " in said for name in ("nbformat", "nbclient", "flwr", "sphinx"))
    assert [p.name for p in tmp_path.iterdir()] == ["my data"], "the doctor leaves nothing behind"
    (tmp_path / "runs").write_text("")
    assert main(["doctor"]) == 1
    assert "FAIL  folder of runs" in capsys.readouterr().out


@pytest.fixture
def own(tmp_path):
    """Write own.npz; the arguments of a run with it."""

    def write(seed: int = 0) -> list[str]:
        x = np.random.default_rng(seed).integers(0, 256, (40, 8, 8), dtype=np.uint8)
        y = np.arange(40) % 3
        np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x, y_test=y)
        return ["dataset=own", "data_root=.", "model=mlp", "width=0.05", "clients=2", "rounds=2", "local_epochs=1"]

    return write


def test_a_refused_run_is_one_line_and_no_table(own, refused, tmp_path, capfd):
    arguments = own()
    assert main(arguments) == 0
    first = capfd.readouterr().out
    own(seed=1)
    assert "was made with other data of that name" in refused(*arguments)
    own()
    (folder,) = (tmp_path / "runs").iterdir()
    for name in ("history.csv", "network.fsp", "config.yaml"):
        os.truncate(folder / name, 0)
    assert main(arguments) == 0
    assert capfd.readouterr().out == first, "the same table: from the checkpoint, not from a file beside it"
    os.truncate(folder / "checkpoint", 100)
    assert "move it away to begin this run again" in refused(*arguments)


@pytest.mark.slow
def test_a_sweep_counts_what_its_runs_said(own, tmp_path):
    arguments = own()
    assert fedsparse(*arguments, cwd=tmp_path).returncode == 0
    own(seed=1)
    done = fedsparse("--multirun", *arguments, "seed=0,1", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("was made with other data of that name") == 1
    (table,) = tmp_path.glob("runs/sweep-*.csv")
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert [bool(row["failed"]) for row in rows] == [True, False, False], "one row with the reason, two rounds"
    lines = done.stdout.splitlines()
    assert lines[0].split()[:2] == ["seeds", "failed"]
    assert lines[1].split()[:2] == ["1", "1"]


@pytest.mark.slow
def test_a_sweep_names_each_run_in_its_progress(tmp_path):
    done = fedsparse("--multirun", *TINY, "seed=0,1", cwd=tmp_path)
    for folder in (p for p in (tmp_path / "runs").iterdir() if p.is_dir()):
        assert f"{folder.name}: round 2 of 2, up " in done.stderr


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fedsparse {__version__}\n"


ASCII_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.slow
@pytest.mark.parametrize("locale", [ASCII_LOCALE, {}], ids=["ASCII", "as it is"])
def test_any_place_and_any_locale(tmp_path, locale):
    place = tmp_path / "my runs [ü]=(λ) é"
    place.mkdir()
    call = [sys.executable, "-m", "fedsparse"]
    options = {"cwd": place, "capture_output": True, "timeout": 300, "env": {**os.environ, **locale}}
    for arguments in (["--help"], [*TINY, "out=läufe"], ["-m", *TINY, "seed=0,1", "target_bpp=0.1", "out=läufe"]):
        done = subprocess.run([*call, *arguments], **options)
        assert done.returncode == 0, done.stderr.decode()
        assert b"Traceback" not in done.stderr
    assert [p.name for p in place.iterdir()] == ["läufe"]
    assert len(list(place.glob("läufe/*/checkpoint"))) == 3


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_screen_without_greek_letters_gets_their_names(tmp_path, encoding):
    call = [sys.executable, "-m", "fedsparse", "--help"]
    done = subprocess.run(call, capture_output=True, cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": encoding})
    said = done.stdout.decode(encoding)
    assert done.returncode == 0, done.stderr
    assert "weight lambda of the regularizer" in said
    assert "?" not in said


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["flower", "--help"], ["notebook", "--help"]])
def test_help_survives_optimization(tmp_path, arguments):
    call = [sys.executable, "-OO", "-m", "fedsparse", *arguments]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path)
    assert "    python -m fedsparse" in done.stdout, done.stderr


def test_a_run_that_nobody_answers_is_said_in_one_line_and_in_the_exit_code(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    said = "no client answered in any of the 2 rounds (dropout=1): the network is as it was made"
    for _ in range(2):  # also when it is done already
        assert main([*TINY, "dropout=1.0"]) == 1
        out, err = capfd.readouterr()
        assert (out + err).count(said) == 1
    assert main([*TINY, "dropout=0.5"]) == 0


@pytest.mark.slow
def test_a_sweep_with_a_run_that_nobody_answers(tmp_path):
    done = fedsparse(*TINY, "--multirun", "dropout=0.0,1.0", cwd=tmp_path)
    assert done.returncode == 1
    assert (done.stdout + done.stderr).count("no client answered") == 1


STOPPED_AT_AN_IMPORT = """
import os, runpy, signal, sys

stop_at = sys.argv[1]

class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == stop_at:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Stop())
sys.argv[1:] = ["rounds=400"]
runpy.run_module("fedsparse", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["fedsparse.tools.train", "numpy.linalg", "torch.nn", "fedsparse.federation"])
def test_ctrl_c_while_modules_load(tmp_path, module):
    call = [sys.executable, "-c", STOPPED_AT_AN_IMPORT, module]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 130, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("fedsparse: stopped")


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [2, 4, 5, 6, 8])
def test_ctrl_c_at_a_terminal_reaches_workers_too_and_is_one_line(tmp_path, seconds):
    process = subprocess.Popen(
        [sys.executable, "-m", "fedsparse", "-m", "seed=0,1", "rounds=400"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    (line,) = [line for line in err.splitlines() if line and ": round " not in line]
    assert line.startswith("fedsparse: stopped; every finished round is kept")


@pytest.mark.slow
def test_an_output_that_takes_nothing_is_one_line(tmp_path):
    with open("/dev/full", "w", encoding="utf-8") as full:
        for arguments in (["--help"], TINY):
            done = subprocess.run(
                [sys.executable, "-m", "fedsparse", *arguments], stdout=full, stderr=subprocess.PIPE, cwd=tmp_path,
                text=True,
            )  # fmt: skip
            assert done.returncode == 2
            assert done.stderr.splitlines()[-1] == "fedsparse: No space left on device", done.stderr


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("papermill", ["notebook", "00_start_here"], "notebooks"),
        ("nbformat", ["course", "site", "x"], "notebooks"),
        ("seaborn", ["study", "rivals-digits"], "notebooks"),
        ("matplotlib", ["explorer", "x.html"], "notebooks"),
    ],
)
def test_an_optional_package_that_is_missing_is_named_with_its_extra(tmp_path, package, arguments, extra):
    hide = f"import sys; sys.modules[{package!r}] = None; from fedsparse.__main__ import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", hide, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr == f"fedsparse: {package} is not installed: pip install 'fedsparse[{extra}]'\n"


def test_without_pytorch_the_doctor_says_so(tmp_path):
    hide = "import sys; sys.modules['torch'] = None; from fedsparse.__main__ import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", hide, "doctor"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "FAIL  torch" in done.stdout
    one = subprocess.run([sys.executable, "-c", hide, "lam=1"], cwd=tmp_path, capture_output=True, text=True)
    assert one.returncode == 2
    assert one.stderr == "fedsparse: torch is not installed: python -m fedsparse doctor says what else is missing\n"


@pytest.mark.slow
def test_a_reader_that_has_seen_enough(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "fedsparse", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    )
    process.stdout.close()
    assert process.wait(120) == 0
    assert not process.stderr.read()
