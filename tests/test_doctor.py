"""The doctor: what it looks at, and what it says of it."""

import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fedsparse.__main__ import main
from fedsparse.tools import doctor

ROOT = Path(__file__).parents[1]


@pytest.fixture
def brief(monkeypatch):
    """Without looking at packages, and without training."""
    monkeypatch.setattr(doctor, "NEEDED", ())
    monkeypatch.setattr(doctor, "OPTIONAL", {})
    monkeypatch.setattr(doctor, "_trains", lambda: (True, "a tiny round", ""))


def test_every_package_that_is_depended_on_is_looked_at():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = lambda packages: {re.split(r"[\[<>=]", package)[0] for package in packages}  # noqa: E731
    assert names(project["dependencies"]) == set(doctor.NEEDED)
    for extra, packages in doctor.OPTIONAL.items():
        assert names(project["optional-dependencies"][extra]) <= set(packages), extra
    assert "ray" in doctor.OPTIONAL["flower"], "flwr[simulation] needs it"


def test_what_is_installed_passes():
    """A package whose module has another name is not taken for a broken one."""
    for name in {*doctor.NEEDED, *itertools.chain(*doctor.OPTIONAL.values())}:
        ok, _, detail = doctor._package(name)
        assert ok or detail == "not installed", (name, detail)


def test_what_is_missing_is_named_with_the_extra_that_has_it(brief, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "OPTIONAL", {"site": ("packaging", "no-such-package")})
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "PASS  packaging" in said
    assert re.search(r"--  no-such-package +not installed; needed for: pip install 'fedsparse\[site\]'\n", said)


def test_a_data_set_is_listed_once(brief, tmp_path, capsys):
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    for file in ("MNIST/raw/train-images-idx3-ubyte", "mnist.npz", "digits.npz", "own.npz"):
        (tmp_path / file).write_bytes(b"")
    assert main(["doctor", f"data_root={tmp_path}"]) == 0
    said = capsys.readouterr().out
    names = re.findall(r"data: (\w+)", said)
    assert len(names) == len(set(names))
    assert {"digits", "mnist", "own"} <= set(names)
    assert re.search(rf"data: mnist +{re.escape(str(tmp_path / 'mnist.npz'))}\n", said), "this one is taken"
    assert f"embedded in scikit-learn; rename {tmp_path / 'digits.npz'} to use it\n" in said


def test_the_doctor_is_imported_quickly():
    """A command whose package is missing looks up the extra here."""
    heavy = "import sys, fedsparse.tools.doctor; sys.exit(bool({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", heavy]).returncode == 0
