"""The notebooks as assignments for nbgrader: its course folder, with `source/` from which nbgrader makes the release.

An exercise becomes a cell to be solved, with the solution between nbgrader's markers, and a locked cell with points:
the check, and between further markers what students do not get, the hidden inputs.
"""

import shutil
import textwrap
from pathlib import Path
from typing import Any

import nbformat

from fedsparse.tools.course.copies import KEPT, LICENSES, student, without_dead_links
from fedsparse.tools.course.exercises import Exercise, exercises
from fedsparse.tools.course.grading import HIDDEN, needed
from fedsparse.tools.notebooks.files import read

CONFIG = """# The course for nbgrader: call it in this folder.
#     nbgrader generate_assignment 00
#     nbgrader autograde 00 && nbgrader generate_feedback 00 && nbgrader export --to=grades.csv
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "fedsparse"
c.ClearSolutions.code_stub = {"python": "# Write your answer above, in place of the dots."}
c.ExecutePreprocessor.timeout = 1800  # seconds: what a cell may train
"""
TEST = """checks.{check}({answer});
### BEGIN HIDDEN TESTS
found = checks.verdict(checks.{check}, {answer})
assert found.passed, found.line
{hidden}### END HIDDEN TESTS"""
HIDDEN_TEST = """

def hidden_test(submitted):
    import copy

    import numpy as np
    import pandas as pd

{inputs}

    every = list({check}(np.random.default_rng(1)))

{solution}

    for given in every:
        expected = np.asarray({answer}(*copy.deepcopy(given)), float)
        got = np.asarray(submitted(*copy.deepcopy(given)), float)
        assert got.shape == expected.shape and np.allclose(got, expected, atol=1e-6, equal_nan=True), "a hidden input"


hidden_test({answer})
"""


def assignment(node: nbformat.NotebookNode, asked: list[Exercise], hidden: str) -> nbformat.NotebookNode:
    """A notebook as nbgrader's source version.

    Args:
        asked: its exercises.
        hidden: the code of the hidden inputs.
    """
    node = student(node)
    by_cell = {exercise.cell: exercise for exercise in asked}
    inputs = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(hidden)])
    cells: list[nbformat.NotebookNode] = []
    for cell in node.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            cell.source = without_dead_links(cell.source, lambda target: not target.startswith(("#", "data/")))
        exercise = by_cell.get(cell.id)
        cells += [cell] if exercise is None else _graded(exercise, needed(inputs, exercise.check))
    node.cells = cells
    return node


def write_assignments(root: Path, to: Path) -> Path:
    """`to/nbgrader_config.py`, and `to/source/<number>/` with notebook and data, for every notebook; returns `to`."""
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        folder = to / "source" / notebook.stem.split("_")[0]
        folder.mkdir(parents=True, exist_ok=True)
        node = read(notebook)
        made = assignment(node, exercises(node, notebook.stem), (root / HIDDEN).read_text(encoding="utf-8"))
        nbformat.write(made, folder / notebook.name)
        for kept in KEPT:
            shutil.copytree(root / kept, folder / kept, dirs_exist_ok=True)
        for file in LICENSES:
            shutil.copyfile(root / file, folder / file)
    (to / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    return to


def _graded(exercise: Exercise, inputs: list[str]) -> list[nbformat.NotebookNode]:
    """The cell to be solved, and the cell that gives the points."""
    blocks = {"inputs": "\n".join(inputs), "solution": exercise.solution}
    indented = {name: textwrap.indent(block, "    ") for name, block in blocks.items()}
    words = {"check": exercise.check, "answer": exercise.answer}
    hidden = HIDDEN_TEST.format(**words, **indented) if inputs else ""
    solution = f"{exercise.stub}\n\n\n### BEGIN SOLUTION\n{exercise.solution}\n### END SOLUTION"
    return [
        _cell(exercise.name, solution, exercise.cell, grade=False, solution=True, locked=False),
        _cell(
            f"{exercise.name}_test", TEST.format(**words, hidden=hidden), f"{exercise.cell}-test",
            grade=True, solution=False, locked=True, points=exercise.points,
        ),
    ]  # fmt: skip


def _cell(name: str, source: str, identity: str, **grading: Any) -> nbformat.NotebookNode:
    about = {"grade_id": name, "schema_version": 3, "task": False, "cell_type": "code", **grading}
    return nbformat.v4.new_code_cell(source, metadata={"nbgrader": about}, id=identity)
