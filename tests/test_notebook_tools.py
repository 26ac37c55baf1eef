"""Around notebooks: refreshes, grids of parameters, stamps of their code, launch links, figures and their index."""

import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pandas
import pytest
from matplotlib.figure import Figure

from fedsparse import RunError, SettingError
from fedsparse.__main__ import main
from fedsparse.analysis import plots
from fedsparse.tools.notebooks import command
from fedsparse.tools.notebooks.files import plain, read, repository, results_of, tagged, with_launch_links
from fedsparse.tools.notebooks.running import attempt_all, execute, run_grid
from fedsparse.tools.notebooks.stamps import changed, kept_results, parts, stamp

ROOT = Path(__file__).parents[1]
ALL = sorted((ROOT / "notebooks").glob("*.ipynb"))


def write(file: Path, *cells: tuple[str, str]) -> Path:
    """A notebook of code cells, each with a tag, under a title."""
    code = [nbformat.v4.new_code_cell(source, metadata={"tags": [tag] if tag else []}) for tag, source in cells]
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title\n\nWords."), *code])
    node.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    file.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(node, file)
    return file


@pytest.fixture
def division(tmp_path, monkeypatch) -> Path:
    """A project of one notebook, which counts its executions and fails where it divides by zero."""
    monkeypatch.chdir(tmp_path)
    return write(
        tmp_path / "notebooks" / "division.ipynb",
        ("parameters", "by: int = 2\nofs: list = [6]\nlog: str = '../log'"),
        ("", "with open(log, 'a') as file:\n    file.write(f'{by} ')"),
        ("results", "{'quotient': sum(ofs) / by, 'kind': 'exact'}"),
    )


@pytest.mark.slow
def test_a_grid_runs_collects_and_names_what_failed(division, tmp_path, capsys):
    call = ["notebook", "division", "--multirun", "by=1,2,0", "ofs=[6,2]", "to=grid", "jobs=1"]
    assert main(call) == 1
    said = capsys.readouterr().out
    assert "ZeroDivisionError" in said
    (file,) = (tmp_path / "grid").glob("division-*.csv")
    table = pandas.read_csv(file)
    assert list(table.columns) == ["notebook", "by", "ofs", "quotient", "kind", "failed"]
    assert table["quotient"].tolist()[:2] == [8.0, 4.0]
    assert table["ofs"].tolist() == ["6 2"] * 3
    assert table["failed"].isna().tolist() == [True, True, False]
    folders = {p.parent.name for p in (tmp_path / "grid").rglob("*.ipynb")}
    assert [sum(f.startswith(f"by{by}-ofs6_2-") for f in folders) for by in (0, 1, 2)] == [1, 1, 1]

    # What is finished is not done again, what failed is; other code is other work.
    assert main(call) == 1
    assert (tmp_path / "log").read_text() == "1 2 0 0 "
    write(division, ("parameters", "by: int = 2\nofs: list = [6]"), ("results", "{'quotient': sum(ofs) / max(by, 1)}"))
    assert main(call) == 0
    assert sorted(pandas.read_csv(f)["quotient"].count() for f in (tmp_path / "grid").glob("*.csv")) == [2, 3]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["division", "--multirun", "bye=1,2"], "no parameter 'bye'; did you mean 'by'"),
        (["division", "--multirun", "by=1,x"], "by='x' is not like its default"),
        (["division", "--multirun", "by"], "name=value"),
        (["division", "by=1,2"], "add --multirun"),
        (["division", "--multirun", "by=1,2,1"], "twice"),
        (["division", "--multirun", "by=1,2", "jobs=0"], "above 0"),
        (["division", "--multirun", "--in-place", "by=1"], "takes no parameters"),
        (["divisoin", "--multirun", "by=1"], "did you mean 'division'"),
    ],
)
def test_a_wrong_grid_is_refused_in_one_line_before_anything_runs(division, tmp_path, capsys, arguments, words):
    assert main(["notebook", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not (tmp_path / "log").exists()


def test_a_list_that_names_a_value_twice_is_refused(division, capsys):
    assert main(["notebook", "division", "ofs=[6,6]"]) == 2
    assert "ofs=[6, 6] names a value twice" in capsys.readouterr().err


@pytest.mark.slow
def test_relative_paths_mean_the_callers_folder(division, tmp_path, monkeypatch, capsys):
    grids = []
    for typed in ("mine.log", "./mine.log", str(tmp_path / "mine.log")):
        assert main(["notebook", "division", f"log={typed}"]) == 0
        assert main(["notebook", "division", "-m", "by=3", f"log={typed}", "to=grid", "jobs=1"]) == 0
        grids.append(sorted(p.name for p in (tmp_path / "grid").rglob("*")))
    assert (tmp_path / "mine.log").read_text(encoding="utf-8") == "2 3 2 2 ", "the grid was done once"
    assert grids[0] == grids[1] == grids[2]
    assert not (tmp_path / "notebooks" / "mine.log").exists()


@pytest.mark.slow
@pytest.mark.parametrize("multirun", [[], ["-m", "by=1,2", "jobs=2"]])
def test_ctrl_c_in_a_notebook_is_one_line(division, tmp_path, multirun):
    waiting = "import time\nopen(f'../{by}.begun', 'w').close()\ntime.sleep(60)"
    write(division, ("parameters", "by: int = 2"), ("", waiting), ("results", "{'a': 1}"))
    process = subprocess.Popen(
        [sys.executable, "-m", "fedsparse", "notebook", "division", *multirun],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    while process.poll() is None and len(list(tmp_path.glob("*.begun"))) < (2 if multirun else 1):
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.strip().startswith("fedsparse: stopped; every finished round is kept"), err
    assert err.strip().count("\n") == 0, err


@pytest.mark.slow
@pytest.mark.parametrize("way", [[], ["-m", "jobs=1"]])
def test_a_kernel_that_is_interrupted_ends_the_call(division, capsys, way):
    write(division, ("parameters", "by: int = 2"), ("results", "raise KeyboardInterrupt"))
    assert main(["notebook", "division", *way]) == 130
    assert capsys.readouterr().err.strip().startswith("fedsparse: stopped")


def test_a_kernel_that_does_not_start_is_one_line(division, monkeypatch, capsys):
    def late(**_):
        raise RuntimeError("Kernel didn't respond in 60 seconds")

    monkeypatch.setattr("papermill.execute_notebook", late)
    assert main(["notebook", "division"]) == 1
    assert capsys.readouterr().err == "fedsparse: division: Kernel didn't respond in 60 seconds\n"


@pytest.mark.slow
def test_relative_paths_in_workers_mean_the_callers_folder(tmp_path, monkeypatch):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert attempt_all(os.getcwd, [(), ()], jobs=2) == [(str(tmp_path / name), "")] * 2


@pytest.mark.slow
@pytest.mark.parametrize(("file", "code"), [("results.json", 1), (".csv", 2)])
def test_a_full_disk_is_one_line(division, tmp_path, monkeypatch, capsys, file, code):
    replace = os.replace

    def full(old, new):
        if str(new).endswith(file):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(old, new)

    monkeypatch.setattr(os, "replace", full)
    assert main(["notebook", "division", "-m", "by=1", "to=grid", "jobs=1"]) == code
    said = capsys.readouterr()
    assert f"{file}: No space left on device" in (said.out if code == 1 else said.err)
    assert said.err.count("\n") == code - 1
    assert not list((tmp_path / "grid").rglob("*.partial"))


def test_an_executed_notebook_that_cannot_be_written_is_one_line(division, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("papermill.iorw.LocalHandler.write", full)
    assert main(["notebook", "division", "to=~nobody-here/x"]) == 2
    assert capsys.readouterr().err == "fedsparse: cannot write ~nobody-here/x: No space left on device\n"


def test_a_reader_that_has_seen_enough_is_no_mistake(division, monkeypatch):
    def closed(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", closed)
    with pytest.raises(BrokenPipeError):
        command.main(["division"])


@pytest.mark.slow
def test_a_result_that_has_a_parameters_name_is_refused(division, capsys):
    write(division, ("parameters", "by: int = 2"), ("results", "{'by': by}"))
    assert main(["notebook", "division", "--multirun", "by=1", "to=grid"]) == 1
    assert "by is a parameter and a result" in capsys.readouterr().out


def test_a_grid_needs_one_cell_of_results_and_known_parameters(tmp_path):
    notebook = write(tmp_path / "notebooks" / "silent.ipynb", ("parameters", "by: int = 2"))
    with pytest.raises(RunError, match="no cell tagged 'results'"):
        run_grid({notebook: [{}]}, tmp_path, jobs=1)
    with pytest.raises(SettingError, match="did you mean 'by'"):
        execute(notebook, tmp_path, {"bye": 1})


@pytest.mark.slow
@pytest.mark.parametrize("multirun", [[], ["--multirun"]])
def test_a_cell_that_takes_too_long_fails_and_leaves_no_kernel(division, tmp_path, capsys, multirun):
    write(
        division,
        ("parameters", "by: int = 2\npid: str = '../pid'"),
        ("", "import os, time\nopen(pid, 'w').write(str(os.getpid()))\ntime.sleep(60)"),
        ("results", "{}"),
    )
    assert main(["notebook", "division", "by=1", "to=grid", "timeout=1", *multirun]) == 1
    assert "longer than 1 seconds" in "".join(capsys.readouterr())
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.slow
def test_a_refresh_replaces_the_notebook_whole_or_not_at_all(division, tmp_path, capsys):
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/o/r"\n')
    figure = (
        "from matplotlib.figure import Figure\nfrom fedsparse.analysis import plots\n"
        "plots.show(Figure(), 'made', alt='made', caption='', folder='../runs/figures', notebook='division',"
        " parameters={})"
    )
    exact = ("nbval-check-output", "2 * by")
    write(division, ("parameters", "by: int = 2"), ("hide-input", figure), exact, ("results", "6 / by"))
    call = ["notebook", "division", "--in-place"]
    assert main(call) == 0
    assert "never refreshed" in capsys.readouterr().out
    node = read(division)
    assert set(node.metadata) == {"kernelspec", "language_info", "fedsparse"}
    ignored = "nbval-ignore-output"
    folded = {"jupyter": {"source_hidden": True}, "tags": ["hide-input", ignored]}
    assert [dict(c.metadata) for c in node.cells[2:]] == [
        {"tags": ["parameters"]}, folded, {"tags": ["nbval-check-output"]}, {"tags": ["results", ignored]},
    ]  # fmt: skip
    assert node.cells[-1].outputs[0].data["text/plain"] == "3.0"
    made, before = tmp_path / "figures" / "made.png", division.read_bytes()
    assert made.exists()

    assert main(call) == 0
    assert capsys.readouterr().out == "division: up to date\n"
    assert main([*call, "--force"]) == 0
    assert division.read_bytes() == before, "a refresh of the same code is the same file"

    broken = before.replace(b"6 / by", b"6 / (by - 2)")
    division.write_bytes(broken)
    made.write_bytes(b"old")
    assert main(call) == 1
    said = capsys.readouterr()
    assert "division: its own cells\n" in said.out
    assert "ZeroDivisionError" in said.err
    assert division.read_bytes() == broken
    assert made.read_bytes() == b"old"
    assert {p.name for p in division.parent.iterdir()} == {"division.ipynb"}


@pytest.mark.parametrize("shown", [None, "[1, 2]", "{'a': np.float64(1.0)}", "{'a': [1]}"])
def test_results_are_a_dict_of_plain_numbers_and_text(tmp_path, shown):
    file = write(tmp_path / "n.ipynb", ("results", "found"))
    node = read(file)
    if shown:
        node.cells[1].outputs = [nbformat.v4.new_output("execute_result", {"text/plain": shown})]
    nbformat.write(node, file)
    with pytest.raises(RunError, match="plain numbers and text"):
        results_of(read(file))
    node.cells[1].outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "{'a': 1.5,\n 'b': 'c'}"})]
    nbformat.write(node, file)
    assert results_of(read(file)) == {"a": 1.5, "b": "c"}
    node.cells[1].outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "{'a': nan, 'b': 2}"})]
    nbformat.write(node, file)
    found = results_of(read(file))
    assert math.isnan(found.pop("a")), "a target that was not reached"
    assert found == {"b": 2}


@pytest.mark.parametrize("notebook", ALL, ids=lambda p: p.stem)
def test_outputs_were_made_with_todays_source(notebook):
    what = changed(notebook)
    assert not what, f"{notebook.stem}: changed since its outputs were made: {', '.join(what)}; run make notebooks"


PLOTS, RESULTS = "from fedsparse import run\nfrom fedsparse.analysis import plots\nplots.bars()", "../data/results"


@pytest.fixture
def project(tmp_path) -> Path:
    """A small fedsparse with a core, a module that is used through another, packages, a command line, kept results."""
    files = {
        "__init__.py": '"""All."""\nfrom fedsparse.core import run\n',
        "__main__.py": "from fedsparse.tools import overrides\n",
        "core.py": 'def run():\n    """Run."""\n    return 1  # so deep\n',
        "wire/masks.py": "size = 1\n",
        "analysis/__init__.py": "",
        "analysis/plots/__init__.py": "from fedsparse.analysis.plots.bars import bars\n",
        "analysis/plots/bars.py": "def bars():\n    from fedsparse.analysis.costs import cost\n",
        "analysis/plots/command.py": "from fedsparse.tools import overrides\n",
        "analysis/costs.py": "def cost(): ...\n",
        "tools/overrides.py": "x = 1\n",
        "teaching/__init__.py": "name = 1\n",
        "teaching/unused.py": "x = 1\n",
    }
    for name, text in files.items():
        file = tmp_path / "fedsparse" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for name in ("lone.csv", "paper/runs.csv", "others/runs.csv"):
        file = tmp_path / "data" / "results" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a\n1\n")
    names = f"results = '{RESULTS}'\nname = results + '/lone.csv'\nfolder = f'{{results}}/paper'"
    notebook = write(tmp_path / "notebooks" / "one.ipynb", ("", PLOTS), ("", names))
    node = read(notebook)
    node.metadata["fedsparse"] = stamp(node, tmp_path)
    nbformat.write(node, notebook)
    return notebook


def test_a_notebook_uses_the_core_and_the_parts_that_it_imports(project):
    root = project.parents[1]
    core = {"fedsparse/__init__.py", "fedsparse/core.py", "fedsparse/wire/masks.py"}
    plots = {"fedsparse/analysis/plots/__init__.py", "fedsparse/analysis/plots/bars.py"}
    for code, expected in {
        PLOTS: {"fedsparse.analysis.plots": plots, "fedsparse.analysis.costs": {"fedsparse/analysis/costs.py"}},
        "import numpy\nfrom torch import nn\nfrom fedsparse.wire.masks import size": {},
        "import fedsparse.teaching.unused": {"fedsparse.teaching.unused": {"fedsparse/teaching/unused.py"}},
        "from fedsparse.teaching import name": {"fedsparse.teaching.name": {"fedsparse/teaching/__init__.py"}},
    }.items():
        found = {name: {str(f.relative_to(root)) for f in files} for name, files in parts(code, root).items()}
        assert found == {"fedsparse core": core, **expected}
    for code, names in (("'lone'", {"lone.csv"}), ("'a/others'", {"others"}), ("'runs', 'a lone paper'", set())):
        assert set(kept_results(code, root)) == {f"data/results/{name}" for name in names}


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("fedsparse/core.py", "return 1", "return 2", ["fedsparse core"]),
        ("fedsparse/wire/masks.py", "1", "2", ["fedsparse core"]),
        ("fedsparse/analysis/plots/bars.py", "bars()", "bars(x=1)", ["fedsparse.analysis.plots"]),
        ("fedsparse/analysis/plots/bars.py", "import cost", "import cost;from fedsparse.teaching import unused",
         ["fedsparse.analysis.plots", "fedsparse.teaching.unused"]),
        ("fedsparse/analysis/costs.py", "cost()", "cost(x=1)", ["fedsparse.analysis.costs"]),
        ("data/results/lone.csv", "1", "2", ["data/results/lone.csv"]),
        ("data/results/paper/runs.csv", "1", "2", ["data/results/paper"]),
        ("data/results/others/runs.csv", "1", "2", []),
        ("notebooks/one.ipynb", "plots.bars()", "plots.bars();run()", ["its own cells"]),
        ("fedsparse/core.py", "so deep", "deeper", []),
        ("fedsparse/core.py", "Run.", "Run it.", []),
        ("fedsparse/__main__.py", "overrides", "unused", []),
        ("fedsparse/analysis/plots/command.py", "overrides", "unused", []),
        ("fedsparse/teaching/unused.py", "1", "2", []),
        ("notebooks/one.ipynb", "Words.", "Other words.", []),
    ],
)  # fmt: skip
def test_a_stale_notebook_names_what_changed(project, file, old, new, named):
    root = project.parents[1]
    assert not changed(project)
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new))
    assert changed(project) == named


def test_one_line_of_fedsparse_makes_the_notebooks_that_use_it_stale(tmp_path):
    shutil.copytree(ROOT / "fedsparse", tmp_path / "fedsparse")
    node = read(ROOT / "notebooks" / "06_lambda_sweep.ipynb")
    for name, part in (("regularizers.py", "fedsparse core"), ("analysis/sweeps.py", "fedsparse.analysis.sweeps")):
        before = stamp(node, tmp_path)
        file = tmp_path / "fedsparse" / name
        file.write_text(file.read_text().replace("return ", "return 2 * ", 1))
        after = stamp(node, tmp_path)
        assert [name for name in after if after[name] != before[name]] == [part]


@pytest.mark.parametrize("notebook", ALL, ids=lambda p: p.stem)
def test_a_notebook_is_launched_from_the_address_of_the_project_and_from_no_other(notebook):
    node = read(notebook)
    assert with_launch_links(node, notebook.stem, repository(ROOT)).cells[:2] == node.cells[:2], "run make notebooks"
    made = with_launch_links(node, notebook.stem, "https://github.com/o/r")
    for link in (
        f"(https://colab.research.google.com/github/o/r/blob/main/notebooks/{notebook.name})",
        f"(https://mybinder.org/v2/gh/o/r/main?labpath=notebooks%2F{notebook.name})",
    ):
        assert link in made.cells[0].source.splitlines()[2]
    assert [c.metadata.get("tags") for c in made.cells[:3]].count(["install"]) == 1
    apart = plain(made)
    assert "Colab" not in apart.cells[0].source
    assert not tagged(apart, "install")
    assert apart.cells == plain(node).cells, "nothing else is touched"


def test_the_cell_that_installs_says_nothing_where_fedsparse_is_there(division, capsys):
    node = with_launch_links(read(division), "division", "https://github.com/o/r")
    (cell,) = tagged(node, "install")
    exec(cell.source.replace("%pip", "raise SystemExit  #"), {})
    with pytest.raises(SystemExit):
        exec(cell.source.replace("%pip", "raise SystemExit  #").replace('"fedsparse"', '"fedsparse_"', 1), {})
    assert capsys.readouterr().out == ""


def save(folder: Path, name: str, notebook: str) -> None:
    plots.save(Figure(), name, alt=f"the {name}", caption="", folder=folder, notebook=notebook, parameters={})


def test_the_index_is_right_when_many_write_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: save(tmp_path, f"f{i}", "n"), range(16)))
    assert len(json.loads((tmp_path / "index.json").read_text())) == 16
    (tmp_path / "f3.png").unlink()
    save(tmp_path, "last", "n")
    assert "f3.png" not in json.loads((tmp_path / "index.json").read_text())


def test_figures_that_a_notebook_no_longer_makes_go(tmp_path):
    kept, fresh = tmp_path / "kept", tmp_path / "fresh"
    for name, notebook in (("old", "a"), ("same", "a"), ("others", "b")):
        save(kept, name, notebook)
    save(fresh, "same", "a")
    save(fresh, "new", "a")
    plots.adopt(fresh, kept, "a")
    assert {p.name for p in kept.glob("*.png")} == {"same.png", "new.png", "others.png"}
    assert {p.stem for p in kept.glob("*.svg")} == {"same", "new", "others"}, "for slides, beside the PNGs"
    assert set(json.loads((kept / "index.json").read_text())) == {"same.png", "new.png", "others.png"}
