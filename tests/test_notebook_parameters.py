"""Notebooks run by papermill itself: parameters checked, lists read, folders found from anywhere."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from fedsparse import SettingError
from fedsparse.tools import parameters
from fedsparse.tools.notebooks.files import read, tagged
from fedsparse.tools.notebooks.running import OWN_FIGURES
from fedsparse.tools.parameters import prepare

ROOT = Path(__file__).parents[1]
ALL = sorted((ROOT / "notebooks").glob("*.ipynb"))
each = pytest.mark.parametrize("notebook", ALL, ids=lambda p: p.stem)
DECLARED = (
    "lam: float = 3.0  # λ\nseeds: list = [0, 1]\nout: str = 'runs/05'\nresults: str = 'data/results'\n"
    "data_root: str = 'data'"
)


def prepared(*cells: str) -> tuple[dict, dict]:
    """What differs from the defaults, and all parameters, after cells with them have been executed."""
    names: dict = {}
    for cell in cells:
        exec(cell, names)
    before = {name for name in names if not name.startswith("__")}
    return prepare(["", "import numpy", *cells, "not even Python!"], names), {name: names[name] for name in before}


def test_folders_are_the_same_from_the_root_and_from_notebooks_and_elsewhere_the_repositorys(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "data/results").mkdir(parents=True)
    for place, up in (("", ""), ("notebooks", "../")):
        monkeypatch.chdir(tmp_path / place)
        _, found = prepared(DECLARED)
        assert found["out"] == f"{up}runs/05"
        assert (found["results"], found["data_root"]) == (f"{up}data/results", f"{up}data")
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(parameters, "REPOSITORY", tmp_path)
    _, found = prepared(DECLARED)
    assert found["out"] == "runs/05", "nothing is written outside of the working directory"
    assert (found["results"], found["data_root"]) == (str(tmp_path / "data/results"), str(tmp_path / "data"))
    monkeypatch.setattr(parameters, "REPOSITORY", elsewhere)
    with pytest.raises(SettingError, match=r"^no stored results in 'data/results': let results name"):
        prepared(DECLARED)


def test_what_is_given_or_set_by_hand_is_seen_from_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "notebooks/kept").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    _, found = prepared(DECLARED, "# Parameters\nout = 'mine'\nresults = 'kept'\n")
    assert (found["out"], found["results"]) == (str(tmp_path / "notebooks/mine"), str(tmp_path / "notebooks/kept"))
    names = {"lam": 3.0, "seeds": [0, 1], "out": "by/hand", "results": "kept", "data_root": "data"}
    for _ in range(2):  # as when the cell is executed again
        assert not prepare([DECLARED], names)
        assert (names["out"], names["results"], names["data_root"]) == ("by/hand", "kept", "../data")


def test_folders_are_found_in_a_kernel_that_keeps_no_history(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "data/results").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks")
    names = {"out": "runs/05", "results": "data/results", "figures": object(), "figure": "a", "data_root": "/data"}
    for _ in range(2):
        assert not prepare([""], names)
        assert (names["out"], names["results"], names["data_root"]) == ("../runs/05", "../data/results", "/data")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("lamda = 9", r"^this notebook has no parameter 'lamda'; did you mean 'lam'\?; it has lam, seeds,"),
        ("lam = 'high'", "lam='high' is not like its default in this notebook, 3.0"),
        ("seeds = '[0'", r"seeds='\[0' is not like its default"),
        ("seeds = '0'", "seeds=0 is not like its default"),
        ("seeds = '[0, 0]'", "names a value twice"),
    ],
)
def test_a_wrong_parameter_is_refused_in_one_line(monkeypatch, given, words):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SettingError, match=words) as error:
        prepared(DECLARED, f"# Parameters\n{given}\n")
    assert "\n" not in str(error.value)


def test_a_list_given_as_text_is_a_list_and_what_differs_is_named(monkeypatch):
    monkeypatch.chdir(ROOT)
    changed, found = prepared(DECLARED, "# Parameters\nlam = 3\nseeds = '[2]'\nout = 'mine'\n")
    assert changed == {"seeds": [2]}
    assert (found["lam"], found["seeds"]) == (3, [2])


@each
def test_every_notebook_prepares_its_parameters_before_it_uses_them(notebook):
    node = read(notebook)
    (declared,) = tagged(node, "parameters")
    setup = node.cells[node.cells.index(declared) + 1].source
    first = next(s for s in ast.parse(setup).body if not isinstance(s, ast.Import | ast.ImportFrom))
    assert ast.unparse(first) == "prepare_parameters()"
    folders = {s.target.id: ast.literal_eval(s.value) for s in ast.parse(declared.source).body}
    assert folders["figures"] == OWN_FIGURES
    assert folders.get("out", "runs").startswith("runs")
    for cell in (c for c in node.cells if c.cell_type == "code"):
        assert "../" not in cell.source, "a folder is a parameter"


@pytest.mark.slow
def test_plain_papermill_refuses_what_it_would_ignore_and_reads_lists(tmp_path):
    code = (
        "sums: list = [1]\nout: str = 'runs'",
        "from fedsparse.tools.parameters import prepare_parameters\n\nprepare_parameters()\nprint(sum(sums), out)",
    )
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in code])
    node.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    node.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(node, tmp_path / "sums.ipynb")

    def run(*given: str) -> subprocess.CompletedProcess:
        call = [sys.executable, "-m", "papermill", "sums.ipynb", "made.ipynb", *given]
        return subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)

    assert run("-p", "sums", "[2, 3]").returncode == 0
    (printed,) = read(tmp_path / "made.ipynb").cells[-1].outputs
    assert printed.text.splitlines()[0] == "run with sums = [2, 3]"
    assert printed.text.splitlines()[-1] == "5 runs"
    refused = run("-y", yaml.safe_dump({"sum": [2]}))
    assert refused.returncode != 0
    last = refused.stderr.strip().splitlines()[-1]
    assert last == "SettingError: this notebook has no parameter 'sum'; did you mean 'sums'?; it has sums, out"


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="needs a checkout")
@pytest.mark.parametrize("called_in", [".", "notebooks", None], ids=["the root", "notebooks", "elsewhere"])
def test_plain_papermill_leaves_the_repository_as_it_was_wherever_it_is_called(tmp_path, called_in):
    folder = ROOT / called_in if called_in else tmp_path
    given = {"seeds": [0], "rounds": 1, "train_size": 100, "depth": 2}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(given), encoding="utf-8")

    def status() -> str:
        call = ["git", "status", "--porcelain", "--untracked-files=all"]
        return subprocess.run(call, cwd=ROOT, capture_output=True, encoding="utf-8", check=True).stdout

    before = status()
    files = ROOT / "notebooks" / "02_masked_layers.ipynb", tmp_path / "made.ipynb"
    done = subprocess.run(
        [sys.executable, "-m", "papermill", *map(str, files), "-f", str(tmp_path / "small.yaml"), "-k", "python3"],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert status() == before
    assert called_in or list((tmp_path / "runs" / "figures").glob("*.png")), (
        "elsewhere they lie in the working directory"
    )
