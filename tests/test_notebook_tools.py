"""Around notebooks: grids of parameters, stamps of their source, launch links, figures and their index."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pandas
import pytest
import yaml
from matplotlib.figure import Figure

from fedsparse import RunError, SettingError
from fedsparse.analysis import plots
from fedsparse.tools import notebooks
from fedsparse.tools.notebooks.command import main
from fedsparse.tools.notebooks.grid import members
from fedsparse.tools.notebooks.launching import links, repository, with_launch, without_launch
from fedsparse.tools.notebooks.refreshing import stale
from fedsparse.tools.notebooks.stamps import modules

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


def test_a_grid_runs_collects_and_names_what_failed(division, tmp_path, capsys):
    call = ["division", "--multirun", "by=1,2,0", "ofs=[6,2]", "--to", "grid", "--jobs", "1"]
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

    # What is finished is not done again, what failed is; other source is other work.
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
        (["division", "--multirun", "by"], "cannot read 'by'"),
        (["division", "by=1,2"], "add --multirun"),
        (["division", "--multirun", "by=1,2,1"], "twice"),
        (["division", "--multirun", "by=1,2", "--jobs", "0"], "at least 1"),
        (["division", "--multirun", "--in-place", "by=1"], "takes no parameters"),
        (["divisoin", "--multirun", "by=1"], "did you mean 'division'"),
    ],
)
def test_a_wrong_grid_is_refused_in_one_line_before_anything_runs(division, tmp_path, capsys, arguments, words):
    assert main(arguments) in (1, 2)
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not (tmp_path / "log").exists()


def test_a_result_that_has_a_parameters_name_is_refused(division, capsys):
    write(division, ("parameters", "by: int = 2"), ("results", "{'by': by}"))
    assert main(["division", "--multirun", "by=1", "--to", "grid"]) == 1
    assert "by is a parameter and a result" in capsys.readouterr().out


def test_a_grid_needs_one_cell_of_results(tmp_path):
    notebook = write(tmp_path / "notebooks" / "silent.ipynb", ("parameters", "by: int = 2"))
    with pytest.raises(RunError, match="no cell tagged 'results'"):
        members(notebook, [{}], tmp_path)
    with pytest.raises(SettingError, match="did you mean 'by'"):
        members(write(notebook, ("parameters", "by: int = 2"), ("results", "{}")), [{"bye": 1}], tmp_path)


@pytest.mark.parametrize("shown", [None, "[1, 2]", "{'a': np.float64(1.0)}", "{'a': [1]}"])
def test_results_are_a_dict_of_plain_numbers_and_text(tmp_path, shown):
    file = write(tmp_path / "n.ipynb", ("results", "found"))
    node = notebooks.read(file)
    if shown:
        node.cells[1].outputs = [nbformat.v4.new_output("execute_result", {"text/plain": shown})]
    nbformat.write(node, file)
    with pytest.raises(RunError, match="plain numbers and text"):
        notebooks.results_of(file)
    node.cells[1].outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "{'a': 1.5,\n 'b': 'c'}"})]
    nbformat.write(node, file)
    assert notebooks.results_of(file) == {"a": 1.5, "b": "c"}


@pytest.mark.parametrize("notebook", ALL, ids=lambda p: p.stem)
def test_outputs_were_made_with_todays_source(notebook):
    what = notebooks.changed(notebook, ROOT)
    assert not what, f"{notebook.stem}: changed since its outputs were made: {', '.join(what)}; run make notebooks"


@pytest.fixture
def house(tmp_path) -> Path:
    """A small fedsparse: a package that passes names on, an import inside a function, a kept result."""
    files = {
        "__init__.py": '"""All."""\nfrom fedsparse.core import run\n__all__ = ["run"]\n',
        "core.py": "def run():\n    from fedsparse.deep import depth\n    return depth()\n",
        "deep.py": '"""Deep."""\n\ndef depth():\n    """How deep."""\n    return 1  # so deep\n',
        "plots/__init__.py": "from fedsparse.plots.bars import bars\nfrom fedsparse.plots.lines import lines\n",
        "plots/bars.py": "def bars(): ...\n",
        "plots/lines.py": "def lines(): ...\n",
        "unused.py": "x = 1\n",
    }
    for name, text in files.items():
        file = tmp_path / "fedsparse" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "data" / "results").mkdir(parents=True)
    (tmp_path / "data" / "results" / "kept.csv").write_text("a\n1\n")
    for folder in ("paper", "others"):
        (tmp_path / "data" / "results" / folder).mkdir()
        (tmp_path / "data" / "results" / folder / "runs.csv").write_text("a\n1\n")
    names = "results = '../data/results'\nname = results + '/kept.csv'\nfolder = f'{results}/paper'"
    cells = ("", "from fedsparse import plots, run\nplots.bars()"), ("", names)
    notebook = write(tmp_path / "notebooks" / "one.ipynb", *cells)
    node = notebooks.read(notebook)
    node.metadata["fedsparse"] = notebooks.stamp(node, tmp_path)
    nbformat.write(node, notebook)
    return notebook


def test_a_notebook_rests_on_what_it_can_reach(house):
    code = "from fedsparse import plots, run\nplots.bars()"
    assert set(modules(code, house.parents[1])) == {"fedsparse.core", "fedsparse.deep", "fedsparse.analysis.plots.bars"}
    assert set(modules("from fedsparse import plots\ndraw = plots", house.parents[1])) == {
        "fedsparse.analysis.plots", "fedsparse.analysis.plots.bars", "fedsparse.analysis.plots.lines",
    }  # fmt: skip
    assert not modules("import numpy\nfrom torch import nn", house.parents[1])


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("fedsparse/deep.py", "return 1", "return 2", ["fedsparse.deep"]),
        ("fedsparse/core.py", "deep import", "unused import x;from fedsparse.deep import",
         ["fedsparse.core", "fedsparse.unused"]),
        ("fedsparse/plots/bars.py", "bars()", "bars(x=1)", ["fedsparse.analysis.plots.bars"]),
        ("data/results/kept.csv", "1", "2", ["data/results/kept.csv"]),
        ("data/results/paper/runs.csv", "1", "2", ["data/results/paper/runs.csv"]),
        ("data/results/others/runs.csv", "1", "2", []),
        ("notebooks/one.ipynb", "plots.bars()", "plots.bars();run()", ["its own cells"]),
        ("fedsparse/deep.py", "so deep", "deeper", []),
        ("fedsparse/deep.py", "How deep.", "How deep it is.", []),
        ("fedsparse/plots/lines.py", "lines()", "lines(x=1)", []),
        ("fedsparse/unused.py", "1", "2", []),
        ("notebooks/one.ipynb", "Words.", "Other words.", []),
    ],
)  # fmt: skip
def test_a_stale_notebook_names_what_changed(house, file, old, new, named):
    root = house.parents[1]
    assert not stale([house])
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new))
    assert notebooks.changed(house, root) == named


def test_one_line_of_fedsparse_makes_the_notebooks_that_rest_on_it_stale(tmp_path):
    shutil.copytree(ROOT / "fedsparse", tmp_path / "fedsparse")
    node = notebooks.read(ROOT / "notebooks" / "05_fedpm_vs_regularized.ipynb")
    before = notebooks.stamp(node, tmp_path)["modules"]
    file = tmp_path / "fedsparse" / "regularizers.py"
    file.write_text(file.read_text().replace("return ", "return 2 * ", 1))
    after = notebooks.stamp(node, tmp_path)["modules"]
    assert [name for name in after if after[name] != before[name]] == ["fedsparse.regularizers"]


def test_the_address_is_written_once():
    address = repository(ROOT)
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["repository-code"] == address
    assert links("a b", "https://github.com/o/r") == {
        "Colab": "https://colab.research.google.com/github/o/r/blob/main/notebooks/a b.ipynb",
        "Binder": "https://mybinder.org/v2/gh/o/r/main?labpath=notebooks%2Fa%20b.ipynb",
    }


def relaunched(node, notebook):
    """With links and install cell made anew, the latter as it is once a notebook has run."""
    made = with_launch(node, notebook.stem, repository(ROOT))
    (cell,) = notebooks.tagged(made, "install")
    cell.execution_count = 1
    return made


@pytest.mark.parametrize("notebook", ALL, ids=lambda p: p.stem)
def test_every_notebook_can_be_launched(notebook):
    node = notebooks.read(notebook)
    assert relaunched(node, notebook) == node, "run make notebooks"
    for address in links(notebook.stem, repository(ROOT)).values():
        assert f"({address})" in node.cells[0].source.splitlines()[2]
    assert [c.metadata.get("tags") for c in node.cells[:3]].count(["install"]) == 1
    apart = without_launch(node)
    assert "Colab" not in apart.cells[0].source
    assert not notebooks.tagged(apart, "install")
    assert relaunched(apart, notebook) == node, "nothing else is touched"


def test_the_cell_that_installs_says_nothing_where_fedsparse_is_there(division, capsys):
    node = with_launch(notebooks.read(division), "division", "https://github.com/o/r")
    (cell,) = notebooks.tagged(node, "install")
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
    assert set(json.loads((kept / "index.json").read_text())) == {"same.png", "new.png", "others.png"}
