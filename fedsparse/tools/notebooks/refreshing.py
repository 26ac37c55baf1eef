"""Notebooks executed in place with their own defaults: outputs, figures, launch links and the stamp of their code."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat

from fedsparse.tools.notebooks.execution import attempt_all, run_cells
from fedsparse.tools.notebooks.files import read, write_whole
from fedsparse.tools.notebooks.launch_links import repository, with_launch_links
from fedsparse.tools.notebooks.stamps import KEY, changed, stamp

CELL_TIMEOUT = 1800
"""Seconds that one cell of a refresh may take."""
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def refresh(notebook: Path) -> None:
    """Execute a notebook in place, and keep nothing in it that varies from run to run.

    It runs in a temporary folder: no run of earlier code is found there and taken for a result of today's. The data are
    those beside the notebook's folder; its figures are copied there when all cells are done.

    Raises:
        RunError: a cell failed; the notebook and its figures are then left as they were.
    """
    from fedsparse.analysis import plots

    root = notebook.resolve().parent.parent
    node = with_launch_links(read(notebook), notebook.stem, repository(root))
    metadata = METADATA | {KEY: stamp(node, root)}
    for folder in ("data", "figures"):
        (root / folder).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "data").symlink_to(root / "data")
        copy = Path(scratch) / notebook.parent.name / notebook.name
        copy.parent.mkdir()
        nbformat.write(node, copy)
        run_cells(copy, copy, None, CELL_TIMEOUT)
        node = _reproducible(read(copy))
        plots.adopt(Path(scratch) / "figures", root / "figures", notebook.stem)
    node.metadata = nbformat.from_dict(metadata)
    write_whole(notebook, nbformat.writes(node) + "\n")


def stale(notebooks: Sequence[Path]) -> dict[Path, list[str]]:
    """The notebooks whose outputs need a refresh, each with the names of what changed."""
    found = {notebook: changed(notebook) for notebook in notebooks}
    return {notebook: names for notebook, names in found.items() if names}


def refresh_all(notebooks: Sequence[Path], jobs: int) -> dict[Path, str]:
    """Refresh several notebooks, `jobs` at a time; returns those that failed, and why."""
    reasons = attempt_all(refresh, notebooks, jobs)
    return {notebook: reason for notebook, reason in zip(notebooks, reasons, strict=True) if reason}


def _reproducible(node: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without times and other traces of its execution."""
    for cell in node.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        for output in cell.get("outputs", []):  # a page without a kernel shows a widget's other forms
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    return node
