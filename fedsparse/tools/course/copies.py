"""Copies of the notebooks for students and for teachers.

A student's copy has no solutions and no outputs: students run every cell themselves. A teacher's copy has the committed
outputs, unfolded solutions, and below its title the notes of docs/teaching.md.
"""

import re
from pathlib import Path

import nbformat

from fedsparse.errors import RunError
from fedsparse.tools.notebooks.files import plain, read

SOLUTION = re.compile(r"<details><summary>Solution</summary>\n(.*?)\n</details>\n*", re.S)


def student(node: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without solutions and outputs, and without links that lead to them.

    Raises:
        RunError: a solution is not written in the one form that can be removed.
    """
    node = plain(node)
    for cell in node.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            cell.source = SOLUTION.sub("", cell.source).strip()
            if re.search(r"<summary>\s*Solution", cell.source):
                raise RunError(f"a solution in {cell.id} is not written as '<details><summary>Solution</summary>'")
    node.cells = [cell for cell in node.cells if cell.source]
    return node


def teacher(node: nbformat.NotebookNode, notes: str) -> nbformat.NotebookNode:
    """The notebook with its solutions unfolded, and with notes below its title."""
    node = plain(node)
    for cell in node.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("<details><summary>Solution", "<details open><summary>Solution")
    node.cells.insert(1, nbformat.v4.new_markdown_cell(f"## For the teacher\n\n{notes}", id="notes"))
    return node


def notes_of(name: str, guide: str) -> str:
    """The notes on a notebook in the guide for teachers: the section whose heading begins with the same number.

    Raises:
        RunError: there is no such section.
    """
    number = name.split("_")[0]
    found = re.search(rf"^### {number} [^\n]*\n+(.*?)(?=^##|\Z)", guide, re.S | re.M)
    if not found:
        raise RunError(f"docs/teaching.md has no section '### {number} …' for {name}")
    return found.group(1).strip()


def write_copies(root: Path, to: Path) -> Path:
    """`to/student/*.ipynb` and `to/teacher/*.ipynb`, of every notebook; returns `to`.

    Raises:
        RunError: a notebook has no notes, or a solution that cannot be removed.
    """
    guide = (root / "docs" / "teaching.md").read_text(encoding="utf-8")
    for kind in ("student", "teacher"):
        (to / kind).mkdir(parents=True, exist_ok=True)
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        node = read(notebook)
        nbformat.write(student(node), to / "student" / notebook.name)
        nbformat.write(teacher(node, notes_of(notebook.stem, guide)), to / "teacher" / notebook.name)
    return to
