"""Grading: submissions run apart, answers judged elsewhere; assignments that nbgrader accepts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas
import pytest

from fedsparse import RunError
from fedsparse.__main__ import main
from fedsparse.teaching import checks
from fedsparse.tools.course import assignments, copies, grading, worker
from fedsparse.tools.course.exercises import exercises
from fedsparse.tools.notebooks.files import read

ROOT = Path(__file__).parents[1]
ALL = sorted((ROOT / "notebooks").glob("*.ipynb"))
COURSE = {notebook: exercises(read(notebook), notebook.stem) for notebook in ALL}
EVERY = [exercise for asked in COURSE.values() for exercise in asked]
HIDDEN = str(ROOT / grading.HIDDEN)
TICKETS = next(notebook for notebook in ALL if notebook.stem.startswith("01_"))
unix = pytest.mark.skipif(os.name != "posix", reason="limits of processes are those of Unix")


def passes(check, answer):
    return checks.verdict(getattr(checks, check), answer).passed


def solved(exercise) -> object:
    namespace = {"np": np, "pd": pandas}
    exec(exercise.solution, namespace)
    return namespace[exercise.answer]


def submission(notebook: Path, answers: dict[str, str], further: str = "") -> nbformat.NotebookNode:
    """A worksheet with these answers, by the name of the check."""
    node, by_cell = copies.worksheet(read(notebook)), {e.cell: e for e in COURSE[notebook]}
    for cell in node.cells:
        if exercise := by_cell.get(cell.id):
            written = answers.get(exercise.check, exercise.stub)
            cell.source = f"{written}\n\n\nchecks.{exercise.check}({exercise.answer});"
    node.cells.append(nbformat.v4.new_code_cell(further))
    return node


def test_every_exercise_has_points_a_name_of_its_own_and_a_solution_that_passes():
    assert len({e.name for e in EVERY}) == len(EVERY)
    for notebook, asked in COURSE.items():
        text = "\n".join(cell.source for cell in read(notebook).cells)
        assert asked
        assert len(asked) == text.count("<summary>Solution</summary>"), notebook.stem
    for exercise in EVERY:
        assert exercise.points in (1, 2, 3)
        assert passes(exercise.check, solved(exercise)), exercise.name
        assert not passes(exercise.check, lambda *given: ...), exercise.name


def test_hidden_inputs_suit_the_solutions_and_depend_on_the_seed():
    for exercise in EVERY:
        for given in worker.hidden_inputs(HIDDEN, exercise.check, 1):
            assert np.asarray(solved(exercise)(*given), float).dtype == float, exercise.name
    first, second = (repr(worker.hidden_inputs(HIDDEN, "share_left", seed)) for seed in (1, 2))
    assert first != second
    assert worker.hidden_inputs(HIDDEN, "unheard_of", 1) == []
    assert worker.hidden_inputs("no/file.py", "share_left", 1) == []


def test_every_exercise_with_one_right_answer_has_hidden_inputs():
    """They are there for each, but where any table, any reason, any test will do."""
    without = {e.check for e in EVERY if not worker.hidden_inputs(HIDDEN, e.check, 1)}
    assert without == {"dealt", "reading", "training_test"}


@pytest.mark.parametrize("seed", range(5))
def test_hidden_inputs_tell_the_usual_shortcuts_from_the_answer(seed):
    shortcuts = {
        "chosen_lam": lambda study: study.loc[study["lam_schedule"] == "server_loss", "lam"].max(),
        "faulty_points": lambda history: history[history["round"] == 6].groupby("lam")["accuracy_threshold"].mean(),
        "header": lambda message: (message[6], message[10], message[26]),
        "interval": lambda bits, ones: (0.0, np.prod([p if bit else 1 - p for bit, p in zip(bits, ones, strict=True)])),
    }
    for exercise in (e for e in EVERY if e.check in shortcuts):
        given = worker.hidden_inputs(HIDDEN, exercise.check, seed)
        wanted, found = (
            [np.asarray(answer(*g), float) for g in given] for answer in (solved(exercise), shortcuts[exercise.check])
        )
        assert all(np.isfinite(some).all() for some in wanted), exercise.name
        assert not all(np.array_equal(a, b) for a, b in zip(wanted, found, strict=True)), exercise.name


def test_every_hidden_input_belongs_to_an_exercise():
    namespace: dict = {}
    exec(Path(HIDDEN).read_text(encoding="utf-8"), namespace)
    made = {n for n, v in namespace.items() if callable(v) and not n.startswith("_") and hasattr(v, "__code__")}
    assert made <= {e.check for e in EVERY}


def test_an_answer_survives_being_written_down_and_judged_elsewhere():
    for value in (None, ..., True, 3, 0.5, "text", [1, [2.0]], (1, (2, 3)), {"a": ..., "b": (1, 2)}):
        assert worker.decoded(json.loads(json.dumps(worker.encoded(value)))) == value
    array = worker.decoded(json.loads(json.dumps(worker.encoded(np.eye(2)))))
    assert (array == np.eye(2)).all()
    with pytest.raises(TypeError, match="set is not a number"):
        worker.encoded({1})
    for exercise in EVERY:
        answers: list = []
        worker.ask(exercise.check, solved(exercise), answers)
        assert passes(exercise.check, worker.replayed(exercise.answer, answers))
        assert not passes(exercise.check, worker.replayed(exercise.answer, answers[:-1])), "no answer is no pass"


def test_only_what_an_answer_needs_is_taken_from_a_notebook():
    code = """import os, json
%pip install everything
os.remove("x")
factor = 2
def helper(x): return x * factor
def answer(numbers): return [helper(n) for n in numbers]
numbers = train_for_hours()
def other(): return json
"""
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in (code, "def broken(:", "answer(3)")])
    taken = grading.needed(node, "answer")
    assert [line.split("(")[0] for line in taken] == ["factor = 2", "def helper", "def answer"]
    assert grading.needed(node, "other")[0] == "import os, json"
    assert grading.needed(node, "broken") == []
    again = "import numpy as np\nEPS = np.finfo(float).eps\ndef answer(x): return x + EPS"
    cells = [nbformat.v4.new_code_cell(c) for c in ("import numpy as np", again)]
    taken = grading.needed(nbformat.v4.new_notebook(cells=cells), "answer")
    assert taken[:2] == ["import numpy as np", "EPS = np.finfo(float).eps"], "in the notebook's order, also said twice"


@unix
@pytest.mark.slow
def test_five_submissions_are_graded_and_nothing_is_harmed(tmp_path, monkeypatch, capsys):
    folder, table, victim = tmp_path / "handed in", tmp_path / "grades.csv", tmp_path / "thesis.txt"
    victim.write_text("years of work", encoding="utf-8")
    right = {e.check: e.solution for e in COURSE[TICKETS]}
    left = "def left(prune, rounds):\n"
    tampering = f"""{left}    import gc, os, sys
    import numpy as np
    import torch
    np.allclose = lambda *a, **k: True
    for harm in (
        lambda: open({str(victim)!r}, "w"),
        lambda: torch.save(1, {str(victim)!r}),
        lambda: os.remove({str(victim)!r}),
        lambda: os.kill(os.getppid(), 9),
        lambda: os.system("rm -r '{folder}'"),
        lambda: open({str(folder / "ada.ipynb")!r}).read(),
        lambda: gc.get_objects(),
    ):
        try:
            harm()
            return (1 - prune) ** rounds  # right, so that whatever was not refused shows as points
        except Exception:
            pass
    return 1 - prune
"""
    made = {
        "ada": submission(TICKETS, right),
        "bob": submission(TICKETS, right | {"share_left": f"{left}    return 1 - prune * rounds"}),
        "cyd": submission(TICKETS, right | {"share_left": f"{left}    while True:\n        pass"}),
        "dan": submission(TICKETS, right | {"magnitude_mask": "import os\ndef mask_of(w, s): os._exit(0)"}),
        "eve": submission(TICKETS, right | {"share_left": tampering}, "checks.share_left = lambda f: print('PASS')"),
        "fay": nbformat.v4.new_notebook(),
    }
    folder.mkdir()
    for name, node in made.items():
        nbformat.write(node, folder / f"{name}.ipynb")
    (folder / "gus").mkdir()
    (folder / "gus" / "01.ipynb").write_text("no notebook", encoding="utf-8")
    before = {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
    monkeypatch.chdir(ROOT)
    assert main(["course", "grade", str(folder), str(table), "seconds=8", "seed=3"]) == 0
    assert {f: f.read_bytes() for f in before} == before
    graded = pandas.read_csv(table, keep_default_na=False).set_index("student")
    points = {e.name: e.points for e in COURSE[TICKETS]}
    assert list(graded.columns) == ["files", *points, "total", "of", "remarks"]
    assert (graded["of"] == sum(points.values())).all()
    lost = {"ada": [], "bob": ["01_share_left"], "cyd": ["01_share_left"], "dan": ["01_magnitude_mask"]}
    for student, names in (lost | {"eve": ["01_share_left"]}).items():
        for name in points:
            assert graded.loc[student, name] == (0 if name in names else points[name]), (student, name)
        assert graded.loc[student, "total"] == sum(points[n] for n in points if n not in names)
        assert all(name in graded.loc[student, "remarks"] for name in names)
    assert graded.loc["ada", "remarks"] == ""
    assert "no answer within 8 seconds" in graded.loc["cyd", "remarks"]
    assert "the process ended" in graded.loc["dan", "remarks"]
    assert "no exercise of this course" in graded.loc["fay", "remarks"]
    assert "is not a notebook" in graded.loc["gus", "remarks"]
    assert graded.loc[["fay", "gus"], "total"].tolist() == [0, 0]
    assert "ada" in capsys.readouterr().out


@pytest.mark.slow
def test_the_other_commands_of_the_course_do_not_need_what_windows_lacks():
    code = "import sys; sys.modules['resource'] = None; import fedsparse.tools.course.command"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@unix
@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Landlock is of Linux")
def test_the_kernel_refuses_what_python_does_not_see(tmp_path):
    victim = tmp_path / "thesis.txt"
    victim.write_text("years of work", encoding="utf-8")
    code = f"""import ctypes, os
from fedsparse.tools.course import guard
guard.enclose()
libc = ctypes.CDLL(None)
libc.unlink({os.fsencode(victim)!r})
libc.open({os.fsencode(victim)!r}, os.O_WRONLY | os.O_TRUNC)
print(libc.syscall(guard.CREATE_RULESET, None, 0, 1) > 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    if done.stdout != "True\n":
        pytest.skip("this kernel has no Landlock")
    assert victim.read_text(encoding="utf-8") == "years of work"


def test_grading_says_in_one_line_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    for arguments, said in (
        ([str(tmp_path), str(tmp_path / "t.csv")], "no notebooks in"),
        ([str(tmp_path)], "name the table"),
        ([str(tmp_path), "t.csv", "seconds=0"], "above 0"),
        ([str(tmp_path), "t.csv", "lam=1"], "no setting 'lam'"),
    ):
        assert main(["course", "grade", *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    cells = [
        nbformat.v4.new_code_cell("def f(): ...\n\nchecks.votes(f);"),
        nbformat.v4.new_markdown_cell("<details><summary>Solution</summary>\n\nsee above\n</details>"),
    ]
    with pytest.raises(RunError, match="needs a heading"):
        exercises(nbformat.v4.new_notebook(cells=cells), "00_x")


def sources(notebook: Path) -> nbformat.NotebookNode:
    return assignments.assignment(read(notebook), COURSE[notebook], Path(HIDDEN).read_text(encoding="utf-8"))


def test_the_hidden_tests_of_an_assignment_accept_the_solution_and_nothing_else():
    for notebook in ALL:
        made = {c.metadata.nbgrader.grade_id: c for c in sources(notebook).cells if "nbgrader" in c.metadata}
        for exercise in COURSE[notebook]:
            test = made[f"{exercise.name}_test"]
            assert test.metadata.nbgrader.points == exercise.points
            names = {"np": np, "pd": pandas, "checks": checks}
            exec(test.source, names | {exercise.answer: solved(exercise)})
            with pytest.raises(AssertionError):
                exec(test.source, names | {exercise.answer: lambda *given: ...})


def test_a_hidden_input_is_missed_by_one_who_knows_the_cases_of_the_check():
    exercise = next(e for e in EVERY if worker.hidden_inputs(HIDDEN, e.check, 1))
    answers: list = []
    passes(exercise.check, worker.recorded(solved(exercise), answers))
    known = {"answers": answers, "hidden": []}
    assert "hidden input 1" in grading._wrong(exercise, known, Path(HIDDEN), 1)
    assert "cannot be read" in grading._wrong(exercise, {"answers": [3]}, Path(HIDDEN), 1)


@pytest.mark.parametrize("notebook", ALL, ids=lambda p: p.stem)
def test_nbgrader_makes_a_release_without_solutions_and_hidden_tests(notebook, tmp_path):
    nbgraderformat = pytest.importorskip("nbgrader.nbgraderformat", reason="pip install 'fedsparse[grading]'")
    from nbgrader import preprocessors
    from traitlets.config import Config

    settings = Config()
    exec(assignments.CONFIG, {"get_config": lambda: settings})
    nbformat.validate(node := sources(notebook))
    nbgraderformat.write(node, tmp_path / "source.ipynb")  # its own validator refuses what does not conform
    released, resources = nbgraderformat.read(tmp_path / "source.ipynb", as_version=4), {}
    for name in ("ClearSolutions", "LockCells", "ClearHiddenTests", "ComputeChecksums", "CheckCellMetadata"):
        released, resources = getattr(preprocessors, name)(config=settings).preprocess(released, resources)
    text = "\n".join(cell.source for cell in released.cells)
    assert "hidden_test" not in text
    assert "SOLUTION" not in text
    for exercise in COURSE[notebook]:
        assert exercise.stub in text
        assert exercise.solution not in text
    graded = [c.metadata for c in released.cells if c.metadata.get("nbgrader", {}).get("grade")]
    assert [c.nbgrader.points for c in graded] == [e.points for e in COURSE[notebook]]
    assert all(c.nbgrader.locked and c.editable is False and c.nbgrader.checksum for c in graded)
