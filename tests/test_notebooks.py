"""Notebooks: sound as files, run with other parameters, their committed outputs still true, their exercises checked."""

import ast
import contextlib
import io
import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from nbclient import NotebookClient

from fedsparse import RunError, SettingError
from fedsparse.__main__ import main
from fedsparse.tools.notebooks.files import COMPARED, FOLDED, for_readers, metadata_of, read, tagged, terminal_output
from fedsparse.tools.notebooks.running import execute, parameters_of
from fedsparse.tools.parameters import checked

ROOT = Path(__file__).parents[1]
ALL = sorted((ROOT / "notebooks").glob("*.ipynb"))
SMALL = yaml.safe_load((ROOT / "notebooks" / "small.yaml").read_text())
EXERCISE = r"^checks\.(?!prediction\()\w+\(\w+\)"
"""The call that makes a cell an exercise."""
LONGEST = 25
"""Lines of a code cell: what can be read at a glance, and fits on a slide."""
each = pytest.mark.parametrize("notebook", ALL, ids=lambda p: p.stem)


def code(notebook: Path) -> list:
    return [c for c in read(notebook).cells if c.cell_type == "code"]


def prose(notebook: Path) -> str:
    return "\n\n".join(c.source for c in read(notebook).cells if c.cell_type == "markdown")


@each
def test_one_clean_run_from_top_to_bottom(notebook):
    node = read(notebook)
    nbformat.validate(node)
    assert [c.execution_count for c in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    outputs = [o for c in code(notebook) for o in c.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert set(node.metadata) == {"kernelspec", "language_info", "fedsparse"}, "no widget state, no traces of a runner"
    assert notebook.stat().st_size < 1_000_000


@each
def test_the_shape_of_a_notebook(notebook):
    text = re.sub(r"```.*?```", "", prose(notebook), flags=re.S)
    levels = [len(m) for m in re.findall(r"^(#+) ", text, flags=re.M)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), "no heading level is skipped"
    for part in ("Promise", "reading time", "After this notebook", "Invariants", "Summary", "Limits", "References"):
        assert part in text, part


@each
def test_a_code_cell_can_be_read_at_a_glance(notebook):
    long = {c.id: len(c.source.splitlines()) for c in code(notebook) if len(c.source.splitlines()) > LONGEST}
    assert not long


@each
def test_jupyterlab_folds_the_code_that_the_site_folds(notebook):
    for cell in read(notebook).cells:
        tags = cell.metadata.get("tags", [])
        assert cell.metadata == metadata_of(tags), cell.id
        asks = re.search(r"^checks\.", cell.source, re.M) or "parameters" in tags
        assert not (asks and FOLDED & set(tags)), f"{cell.id} is there to be changed"


@each
def test_invariants_and_results_are_no_part_of_the_lesson(notebook):
    """But in 00 and 02, where a first reader meets the invariants, and learns from them."""
    found = [c for c in code(notebook) if c.source.rstrip().endswith('print("all invariants hold")')]
    assert len(found) == 1
    lesson = notebook.stem[:2] in ("00", "02")
    seen = for_readers(read(notebook))
    assert not tagged(seen, "results")
    assert (found[0].id in {c.id for c in seen.cells}) is lesson
    assert any("## Invariants" in c.source for c in seen.cells) is lesson


@each
def test_what_was_trained_lies_in_bands_that_hold_on_every_processor(notebook):
    (bands,) = (c for c in code(notebook) if "in_bands(" in c.source)
    assert COMPARED in bands.metadata.tags
    assert not [line for output in bands.outputs for line in output.text.splitlines() if "OUTSIDE" in line]


@each
def test_parameters_are_one_cell_of_annotated_literals(notebook):
    (cell,) = tagged(read(notebook), "parameters")
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.AnnAssign)
        assert statement.value is not None
        ast.literal_eval(statement.value)
    assert set(SMALL[notebook.stem]) <= set(parameters_of(notebook))


@each
def test_every_picture_has_words_and_every_link_a_target(notebook):
    html = "".join(o.get("data", {}).get("text/html", "") for c in code(notebook) for o in c.outputs)
    pictures = re.findall(r"<img[^>]*>", html)
    assert pictures
    assert all(re.search(r'alt="[^"]{20,}"', p) for p in pictures)
    assert not [o for c in code(notebook) for o in c.outputs if "image/png" in o.get("data", {})], "use plots.show"
    for target in re.findall(r"\]\((?!http)([^)#]+)", prose(notebook)):
        assert (notebook.parent / target).exists(), target


def test_the_index_of_figures_is_complete():
    listed = json.loads((ROOT / "figures" / "index.json").read_text())
    assert set(listed) == {p.name for p in (ROOT / "figures").glob("*.png")}
    for name, entry in listed.items():
        assert set(entry) == {"alt", "caption", "notebook", "parameters"}, name
        maker, kept = entry["notebook"].removeprefix("python -m fedsparse "), ROOT / "data" / "results"
        results = "paper/runs.csv" if maker == "reproduce" else f"{maker.removeprefix('study ')}.csv"
        made_by = ROOT / "notebooks" / f"{maker}.ipynb", kept / results
        assert any(file.exists() for file in made_by), name


@each
def test_exercises_fail_as_stubs_and_pass_as_solved(notebook):
    cells = read(notebook).cells
    exercises = [i for i, c in enumerate(cells) if c.cell_type == "code" and re.search(EXERCISE, c.source, re.M)]
    assert exercises
    for i in exercises:
        call = re.search(EXERCISE, cells[i].source, re.M).group(0)
        solution = re.search(r"<details>.*?```python\n(.*?)```", cells[i + 1].source, re.S).group(1)
        for source, said in ((cells[i].source, "Not yet: "), (f"{solution}\n{call}", "PASS\n")):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec("import numpy as np\nfrom fedsparse.teaching import checks\n" + source, {})
            assert printed.getvalue().startswith(said), printed.getvalue()


@each
def test_a_prediction_begins_as_none_and_is_asked_for(notebook):
    """In the cell that names it, so that whoever runs the cells in turn meets the question before the answer."""
    asked = [c.source for c in code(notebook) if "checks.prediction(" in c.source]
    assert asked
    for source in asked:
        before = source[: source.index("checks.prediction(")]
        values = {}
        exec(before, values)
        guesses = [value for name, value in values.items() if "guess" in name or name == "loses"]
        assert guesses
        assert all(value is None for guess in guesses for value in leaves(guess)), "nothing is filled in"
    named = {name for source in asked for name in re.findall(r"^(\w*guess\w*|loses) = ", source, re.M)}
    assigned = {name for c in code(notebook) for name in re.findall(r"^(\w*guess\w*|loses) = ", c.source, re.M)}
    assert assigned == named, "no prediction goes unasked"


def leaves(guess):
    return [leaf for value in guess.values() for leaf in leaves(value)] if isinstance(guess, dict) else [guess]


@pytest.mark.slow
@each
def test_it_runs_with_small_parameters(notebook, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    node = execute(notebook.relative_to(ROOT), tmp_path, SMALL[notebook.stem])
    assert terminal_output(node).strip()
    assert list((tmp_path / "figures").glob("*.png"))
    copy = tmp_path / notebook.name
    assert read(copy).metadata.papermill.parameters.items() >= SMALL[notebook.stem].items()
    with pytest.raises(RunError, match="output of an earlier run"):
        execute(copy, tmp_path, {})


@pytest.mark.slow
@each
def test_committed_outputs_are_still_true(notebook, tmp_path):
    # Strictly, so that an output which is neither compared nor tagged as not to be fails. In a copy: a notebook writes
    # figures and runs beside its folder, and reads kept results there.
    (tmp_path / "notebooks").mkdir()
    shutil.copyfile(notebook, tmp_path / "notebooks" / notebook.name)
    shutil.copytree(ROOT / "data/results", tmp_path / "data/results")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--nbval", "-p", "no:xdist", "notebooks"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@pytest.mark.slow
def test_exercises_and_predictions_return_the_same_under_strict_nbval(tmp_path):
    """As stubs and as None: nothing that a check or a prediction returns is shown, and nothing waits."""
    imports = "import numpy as np\nfrom fedsparse.teaching import checks"
    asked = [
        c.source
        for notebook in ALL
        for c in code(notebook)
        if re.search(r"^checks\.\w+\(", c.source, re.M) and "run_all" not in c.source
    ]
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (imports, *asked)])
    NotebookClient(node, kernel_name="python3").execute()
    assert all(o.output_type == "stream" for c in node.cells for o in c.outputs)
    nbformat.write(node, tmp_path / "exercises.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--nbval", "-p", "no:xdist", "exercises.ipynb"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert f"{len(asked) + 1} passed" in done.stdout


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lamda": 3.0}, "no parameter 'lamda'; did you mean 'lam'"),
        ({"lam": "high"}, "lam='high' is not like its default"),
        ({"seeds": 3}, "seeds=3"),
        ({"rounds": True}, "rounds=True"),
    ],
)
def test_a_wrong_parameter_is_refused(given, words):
    known = parameters_of(ROOT / "notebooks" / "05_fedpm_vs_regularized.ipynb")
    with pytest.raises(SettingError, match=re.escape(words)):
        checked(given, known, "05")
    assert checked({"lam": 3}, known, "05") == {"lam": 3}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["05_fedpm_vs_regularised"], "did you mean '05_fedpm_vs_regularized'"),
        (["05_fedpm_vs_regularized", "lamda=3"], "did you mean 'lam'"),
        (["05_fedpm_vs_regularized", "lam"], "name=value"),
        (["05_fedpm_vs_regularized", "lam=high"], "lam='high' is not like its default"),
        (["00_start_here", "--in-place", "lam=1"], "takes no parameters"),
    ],
)
def test_a_mistake_in_the_call_is_refused_in_one_line(tmp_path, monkeypatch, capfd, arguments, words):
    monkeypatch.chdir(ROOT)
    place = [] if "--in-place" in arguments else [f"to={tmp_path}"]
    assert main(["notebook", *arguments, *place]) == 2
    said = capfd.readouterr().err.strip()
    assert words in said
    assert "\n" not in said
    assert not list(tmp_path.iterdir()), "nothing ran"


@pytest.mark.slow
def test_a_cell_that_fails_ends_the_call_in_one_line(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(ROOT)
    assert main(["notebook", "00_start_here", "lam=-1", f"to={tmp_path}"]) == 1
    said = capfd.readouterr().err.strip()
    assert "SettingError: lam=-1" in said.splitlines()[-1]
    assert "Traceback" not in said


def test_a_call_from_elsewhere_or_to_a_file_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(ROOT)
    for way in ([], ["--multirun"]):
        assert main(["notebook", "05_fedpm_vs_regularized", *way, "jobs=1", f"to={tmp_path / 'file'}"]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"fedsparse: cannot write {tmp_path}/file")
        assert said.count("\n") == 1
    monkeypatch.chdir(tmp_path)
    for way in ([], ["--multirun"], ["--in-place"]):
        assert main(["notebook", "all", *way]) == 2
        assert "no notebooks in notebooks/" in capsys.readouterr().err
