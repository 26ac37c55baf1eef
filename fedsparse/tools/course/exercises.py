"""The exercises of a notebook: where they stand, what they ask for, their points and their solution."""

import itertools
import re
from dataclasses import dataclass

import nbformat

from fedsparse.errors import RunError

SOLUTION = re.compile(r"<details><summary>Solution</summary>\n(.*?)\n</details>\n*", re.S)
CALL = re.compile(r"^checks\.(\w+)\((\w+)\);?[ \t]*$", re.M)
HEADING = re.compile(r"\*\*(?:\d+\. )?([^*\n]+?)\.?\*\* \((\w+), \d+ minutes\)")
CODE = re.compile(r"```python\n(.*?)```", re.S)
POINTS = {"easy": 1, "medium": 2, "hard": 3, "harder": 3}
"""The points of an exercise, by the difficulty that its heading names."""


@dataclass(frozen=True)
class Exercise:
    """One exercise: what the reader writes, mostly a function, and the check that looks at it."""

    notebook: str
    title: str
    points: int
    cell: str
    """The id of the cell in which it is to be written."""
    answer: str
    """The name of what is to be written."""
    check: str
    """The check's name in `fedsparse.teaching.checks`."""
    stub: str
    solution: str

    @property
    def name(self) -> str:
        """A name that no other exercise of the course has: the notebook's number, and the check's name."""
        return f"{self.notebook.split('_')[0]}_{self.check}"


def exercises(node: nbformat.NotebookNode, notebook: str) -> list[Exercise]:
    """The exercises of a notebook, in order: every call of a check with a solution in the cell below it.

    Raises:
        RunError: an exercise without a heading that names its difficulty, or a solution without code.
    """
    found, heading = [], ("", "")
    for cell, below in itertools.pairwise(node.cells):
        if cell.cell_type == "markdown":
            heading = (HEADING.findall(cell.source) or [heading])[-1]
            continue
        called, solution = CALL.search(cell.source), SOLUTION.search(below.source)
        if not called or not solution:
            continue
        check, answer = called.groups()
        (title, difficulty), code = heading, CODE.search(solution.group(1))
        if difficulty not in POINTS or not code:
            raise RunError(
                f"{notebook}: the exercise of checks.{check} needs a heading such as '**1. Title** (easy, 5 minutes)' "
                f"with one of {', '.join(POINTS)} above it, and ```python in its solution"
            )
        stub = CALL.sub("", cell.source).strip()
        found.append(Exercise(notebook, title, POINTS[difficulty], cell.id, answer, check, stub, code.group(1).strip()))
        heading = ("", "")
    return found
