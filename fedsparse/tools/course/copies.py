"""Copies of the notebooks for students and for teachers: two folders, each of which can be handed out as it is.

A student's copy has no solutions and no outputs: students run every cell themselves. A teacher's copy has the committed
outputs, unfolded solutions, and below its title the notes of docs/teaching.md. The stored results and the files that
the notebooks read or link to travel along with both.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat

from fedsparse import __version__
from fedsparse.errors import RunError
from fedsparse.tools.course.exercises import SOLUTION
from fedsparse.tools.notebooks.files import for_readers, plain, read
from fedsparse.tools.notebooks.stamps import digest

TEACHERS_ONLY = ("exam.md", "teaching.md")
"""Guides in docs/ that have answers in them."""
LICENSES = ("LICENSE", "LICENSE-text")
KEPT = ("data/results", "data/networks")
"""What the notebooks read."""
LINK = re.compile(r"(!?)\[([^\[\]]*)\]\((?!https?:|#)([^()\s]+)\)")
NOTICE = re.compile(r"^\*\*What to notice\.\*\*(?: |\n+(?=- ))(.*?)(?=\n\n(?!- )|\Z)", re.S | re.M)
"""What tells the result of a cell: a paragraph, or a list."""
NAME = "**Name:** …\n\n**Student number:** …\n\nfedsparse {version}, copy {digest}"


def student(node: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without solutions, and without links that lead to them.

    Raises:
        RunError: a solution is not written in the one form that can be removed.
    """
    node = plain(node)
    for cell in node.cells:
        if cell.cell_type == "markdown":
            cell.source = SOLUTION.sub("", cell.source).strip()
            if re.search(r"<summary>\s*Solution", cell.source):
                raise RunError(f"a solution in {cell.id} is not written as '<details><summary>Solution</summary>'")
    node.cells = [cell for cell in node.cells if cell.source]
    return node


def worksheet(node: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A student's notebook to work in: nothing has run, what is to be noticed is folded, and there is room for a name.

    The version and a digest of its text are below the name: they tell which copy somebody works in.

    Raises:
        RunError: a solution cannot be removed.
    """
    node = for_readers(student(node))
    for cell in node.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            folded = r"<details><summary>What to notice, once it has run</summary>\n\n\1\n\n</details>"
            cell.source = NOTICE.sub(folded, cell.source)
    name = NAME.format(version=__version__, digest=digest(*(cell.source for cell in node.cells)))
    node.cells.insert(1, nbformat.v4.new_markdown_cell(name, id="name"))
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


def without_dead_links(text: str, dead: Callable[[str], bool]) -> str:
    """Markdown in which a link to a dead target is only its words. Pictures stay."""

    def shown(link: re.Match) -> str:
        picture, words, target = link.groups()
        return words if not picture and dead(target) else link.group(0)

    return LINK.sub(shown, text)


def write_student(root: Path, to: Path) -> Path:
    """A folder for students: `notebooks/`, and beside it what these read; returns it.

    Raises:
        RunError: a solution cannot be removed.
    """
    _write(root, to, lambda notebook: worksheet(read(notebook)))
    return to


def write_teacher(root: Path, to: Path) -> Path:
    """A folder for teachers: `notebooks/`, what these read, and the guides with answers; returns it.

    Raises:
        RunError: a notebook has no notes.
    """
    guide = (root / "docs" / "teaching.md").read_text(encoding="utf-8")
    _write(root, to, lambda notebook: teacher(read(notebook), notes_of(notebook.stem, guide)))
    for name in TEACHERS_ONLY:
        text = (root / "docs" / name).read_text(encoding="utf-8")
        text = without_dead_links(text, lambda target: not (to / "docs" / target.split("#")[0]).exists())
        (to / "docs" / name).write_text(text, encoding="utf-8")
    return to


def _write(root: Path, to: Path, copy: Callable[[Path], nbformat.NotebookNode]) -> None:
    (to / "notebooks").mkdir(parents=True, exist_ok=True)
    (to / "docs").mkdir(exist_ok=True)
    linked: set[str] = set()
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        node = copy(notebook)
        for cell in node.cells:
            if cell.cell_type == "markdown":
                linked |= {target.split("#")[0] for _, _, target in LINK.findall(cell.source)}
        nbformat.write(node, to / "notebooks" / notebook.name)
    for kept in KEPT:
        shutil.copytree(root / kept, to / kept, dirs_exist_ok=True)
    for file in LICENSES:
        shutil.copyfile(root / file, to / file)
    for path in sorted(target.removeprefix("../") for target in linked if target.startswith("../")):
        _copy_along(root, to, path)


def _copy_along(root: Path, to: Path, path: str) -> None:
    """Copy a file that a notebook links to; a guide comes with its pictures, and without its links to further files."""
    (to / path).parent.mkdir(parents=True, exist_ok=True)
    if not path.endswith(".md"):
        shutil.copyfile(root / path, to / path)
        return
    text = (root / path).read_text(encoding="utf-8")
    for picture in (target for shown, _, target in LINK.findall(text) if shown):
        (to / path).parent.joinpath(picture).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile((root / path).parent / picture, (to / path).parent / picture)
    (to / path).write_text(without_dead_links(text, lambda _: True), encoding="utf-8")
