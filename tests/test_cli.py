"""The command line: what runs, and that every mistake is one clear line, exit code 2, no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fedsparse import History
from fedsparse.tools.train import experiments_of

TINY = ["model=mlp", "width=0.05", "clients=4", "local_epochs=1", "train_size=200", "rounds=2", "device=cpu"]


def fedsparse(*arguments: str, cwd: Path, module: str = "fedsparse") -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def refused(*arguments: str, cwd: Path) -> str:
    """The one line that a mistake gets."""
    done = fedsparse(*arguments, cwd=cwd)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr.strip()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lamda=1"], "did you mean 'lam'"),
        (["rounds=-3"], "rounds=-3 is out of range; allowed: 1 to 100000"),
        (["dataset=nope"], "not one of digits, mnist"),
        (["lam=0,1"], "add --multirun"),
        (["lam"], "name=value"),
        (["lam=[1"], "name=value"),
        (["+lam=1"], "name=value"),
        (["~lam"], "name=value"),
        (["lam="], "lam=''"),
        (["preset=dmo"], "did you mean 'demo'"),
        (["hydra.nothing=1"], "hydra.nothing"),
        (["model=conv10", "rounds=1"], "32×32"),
        (["train_size=99999"], "1438 training images"),
        (["clients=5000"], "cannot be dealt to 5000 clients"),
        (["--multirun", "lam=1,x"], "lam='x'"),
        (["--multirun", "lam=glob(*)"], "lam=0,1"),
        (["partition=classes", "classes_per_client=11"], "ask for at most 10"),
        (["partition=classes", "clients=4", "classes_per_client=2"], "8 of 10 classes"),
        (["lam_warmup=5", "target_bpp=0.15"], "needs lam_warmup=0"),
        (["preset=null"], "no preset 'None'"),
        (["hydra/launcher=nope"], "hydra/launcher/nope"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path, arguments, words):
    assert words in refused(*arguments, cwd=tmp_path)


def test_broken_data_is_one_line(tmp_path):
    x, y = np.zeros((20, 8, 8), np.uint8), np.arange(20) % 2
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / "labels.npz", x_train=x, y_train=y, x_test=x, y_test=y + 1)
    np.savez(tmp_path / "data" / "cut.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    whole = (tmp_path / "data" / "cut.npz").read_bytes()
    (tmp_path / "data" / "cut.npz").write_bytes(whole[: len(whole) // 2])
    assert "y_test has label 2" in refused("dataset=labels", cwd=tmp_path)
    assert "damaged" in refused("dataset=cut", cwd=tmp_path)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot write to out=" in refused(*TINY, "out=file/runs", cwd=tmp_path)
    assert "cannot write to out=" in refused("--multirun", *TINY, "out=file/runs", "seed=0,1", cwd=tmp_path)


def test_one_run_leaves_its_folder_and_nothing_else(tmp_path):
    done = fedsparse(*TINY, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert {p.name for p in folder.iterdir()} - {".lock"} == {"config.yaml", "history.csv", "checkpoint", "network.fsp"}
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]
    assert "network.fsp" in done.stdout
    assert fedsparse(*TINY, cwd=tmp_path).stdout == done.stdout, "skipped, and reported the same"


def test_a_sweep_runs_every_combination_and_prints_one_table(tmp_path):
    done = fedsparse("--multirun", *TINY, "lam=0,1.5", "seed=0,1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len([p for p in (tmp_path / "runs").iterdir() if p.is_dir()]) == 4
    assert done.stdout.count("\n") >= 5
    assert "lam" in done.stdout.splitlines()[0]


def test_a_sweep_with_a_failure_does_the_rest_and_says_so(tmp_path):
    done = fedsparse("--multirun", *TINY, "dataset=digits,nope", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "not one of digits" in done.stderr
    assert "failed: nope-mlp" in done.stdout
    assert "0 of 2 rounds" in done.stdout
    (table,) = tmp_path.glob("runs/sweep-*.csv")
    assert f"in runs/{table.name}" in done.stdout
    assert table.read_text().count("\n") == 1 + 2 + 1, "two rounds of the one, one line for the other"


def test_a_target_that_is_missed_is_one_line_at_the_end(tmp_path):
    done = fedsparse(*TINY, "target_bpp=0.01", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "target_bpp=0.01 was not met" in done.stdout.splitlines()[-1]
    assert "Warning" not in done.stderr


def test_hydra_shows_the_composed_settings_and_runs_nothing(tmp_path):
    done = fedsparse("--cfg", "job", "preset=demo", "lam=2", cwd=tmp_path)
    assert done.returncode == 0
    assert "lam: 2" in done.stdout
    assert "batch_size: 16" in done.stdout
    assert not list(tmp_path.iterdir())


def test_values_and_presets_are_composed_like_hydra_does():
    several = experiments_of(["-m", "preset=demo", "lam=0,2", "seed=range(0,3)"])
    assert [(e.lam, e.seed, e.batch_size) for e in several] == [(lam, s, 16) for lam in (0, 2) for s in (0, 1, 2)]
    assert experiments_of(["out='my runs'"])[0].out == "my runs"


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


def test_help_and_doctor(tmp_path):
    text = fedsparse("--help", cwd=tmp_path).stdout
    assert "lam=0.0" in text
    assert "--multirun" in text
    doctor = fedsparse(cwd=tmp_path, module="fedsparse.tools.doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "PASS  torch" in doctor.stdout
    assert "FAIL" not in doctor.stdout
    assert not list(tmp_path.iterdir()), "the doctor leaves nothing behind"


def test_doctor_fails_where_runs_cannot_be_written(tmp_path):
    (tmp_path / "runs").write_text("")
    doctor = fedsparse(cwd=tmp_path, module="fedsparse.tools.doctor")
    assert doctor.returncode == 1
    assert "FAIL  folder of runs" in doctor.stdout
