"""Notebooks executed in place, with their own defaults: outputs, figures, launch links, the stamp of their source."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat

from fedsparse.errors import FedsparseError
from fedsparse.tools.notebooks.execution import run_all_cells
from fedsparse.tools.notebooks.files import read
from fedsparse.tools.notebooks.launching import repository, with_launch
from fedsparse.tools.notebooks.stamps import KEY, changed, stamp


def refresh(notebook: Path) -> None:
    """Execute a notebook in place, and keep nothing in it that varies from run to run.

    It runs in a folder of its own, so that no run of earlier code is found and taken for a result of today's; data are
    those beside the notebook's folder, and its figures go there when all cells are done.

    Raises:
        RunError: a cell failed; the notebook and its figures are then left as they were.
    """
    from fedsparse.analysis import plots

    root = notebook.resolve().parent.parent
    node = with_launch(read(notebook), notebook.stem, repository(root))
    source = stamp(node, root)
    figures = root / "figures"
    figures.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        data = root / "data"
        data.mkdir(exist_ok=True)
        (Path(scratch) / "data").symlink_to(data)
        folder = Path(scratch) / notebook.parent.name
        folder.mkdir()
        run_all_cells(node, notebook.stem, folder)
        plots.adopt(Path(scratch) / "figures", figures, notebook.stem)
    for cell in node.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):  # of a widget stays what stands there still, for pages without a kernel
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    kept = {"kernelspec": kernel, "language_info": {"name": "python"}, KEY: source}
    node.metadata = nbformat.from_dict(kept)
    nbformat.write(node, notebook)


def stale(notebooks: Sequence[Path]) -> dict[Path, list[str]]:
    """Those whose source changed since their outputs were made, and what changed."""
    found = {notebook: changed(notebook, notebook.resolve().parent.parent) for notebook in notebooks}
    return {notebook: what for notebook, what in found.items() if what}


def refresh_all(notebooks: Sequence[Path], jobs: int) -> dict[Path, str]:
    """Refresh several, `jobs` at a time; returns those that failed, and why."""
    import joblib

    jobs = min(jobs, max(1, len(notebooks)))
    whys = joblib.Parallel(n_jobs=jobs)(joblib.delayed(_attempt)(notebook, jobs) for notebook in notebooks)
    return {notebook: why for notebook, why in zip(notebooks, whys, strict=True) if why}


def share_cores(jobs: int) -> None:
    """Leave the runs that each of `jobs` notebooks starts its share of the cores; joblib sees to their threads."""
    os.environ["LOKY_MAX_CPU_COUNT"] = str(max(1, (os.cpu_count() or 1) // jobs))


def _attempt(notebook: Path, jobs: int) -> str:
    share_cores(jobs)
    try:
        refresh(notebook)
    except FedsparseError as error:
        return str(error)
    return ""
