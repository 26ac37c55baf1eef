"""Notebooks executed by papermill: with other parameters, in grids of these, or in place with their own defaults."""

import ast
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pandas
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from fedsparse.analysis import plots
from fedsparse.analysis.processes import in_processes
from fedsparse.errors import FedsparseError, RunError, SettingError
from fedsparse.run_folder import write_whole
from fedsparse.tools.notebooks.files import (
    COMPARED,
    NOT_COMPARED,
    STAMP,
    metadata_of,
    read,
    repository,
    results_of,
    tagged,
    with_launch_links,
)
from fedsparse.tools.notebooks.stamps import digest, stamp
from fedsparse.tools.parameters import checked

REFRESH_TIMEOUT = 1800
"""Seconds that one cell of a refresh may take."""
OUTPUT_FOLDERS = {"out": "runs", "figures": "figures"}
"""Parameters that name the folders into which a notebook writes, and these folders beside an executed copy."""
OWN_FIGURES = "runs/figures"
"""Where a notebook without given parameters leaves its figures."""


def parameters_of(notebook: Path) -> dict[str, Any]:
    """The parameters of a notebook, by name, with their defaults.

    Raises:
        RunError: there is no such notebook, it is not valid, or it is itself the output of a run with parameters.
    """
    if tagged(read(notebook), "injected-parameters"):
        raise RunError(f"{notebook} is the output of an earlier run, with its parameters fixed; run the original")
    return {name: ast.literal_eval(p["default"]) for name, p in papermill.inspect_notebook(notebook).items()}


def execute(notebook: Path, folder: Path, given: Mapping[str, Any], timeout: int = 0) -> nbformat.NotebookNode:
    """Execute a notebook with parameters; returns it as executed. A copy of the same name is written into a folder.

    Args:
        given: parameters other than the notebook's defaults.
        timeout: seconds that one cell may take; 0 is no limit.

    Raises:
        RunError: a cell failed or took too long; the copy shows how far the notebook came.
        SettingError: a parameter is unknown or of the wrong type, or the folder cannot be written.
    """
    known = parameters_of(notebook)
    places = {name: str((folder / sub).resolve()) for name, sub in OUTPUT_FOLDERS.items() if name in known}
    parameters = places | checked(given, known, notebook.stem)
    call = {"input_path": notebook, "output_path": folder / notebook.name, "cwd": notebook.parent}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _run_cells(notebook.stem, timeout, parameters=parameters, **call)
    except OSError as error:
        raise SettingError(f"cannot write {error.filename or folder}: {error.strerror or error}") from None


def run_grid(
    grids: Mapping[Path, Sequence[dict[str, Any]]], to: Path, jobs: int, timeout: int = 0
) -> tuple[pandas.DataFrame, Path]:
    """Execute each notebook with each of its combinations of parameters, `jobs` at a time.

    Each has a folder `<to>/<notebook>/<parameters>-<hash>/`; once its `results.json` is there, it is not done again.

    Returns:
        One row per execution: notebook, parameters, results, and `failed`, the reason if there is one; its CSV file.

    Raises:
        RunError: a notebook that shows no results.
        SettingError: a combination that is named twice.
    """
    members = []
    for notebook, grid in grids.items():
        node = read(notebook)
        if len(tagged(node, "results")) != 1:
            raise RunError(f"{notebook.stem} has no cell tagged 'results', so a grid would have nothing to collect")
        made = stamp(node, notebook.resolve().parent.parent)
        for i, given in enumerate(grid):
            if given in grid[:i]:
                raise SettingError(f"the grid names {given} twice: each value once, as in lam=0,1,3")
            members.append((notebook, to / notebook.stem / _folder_name(given, made), given, timeout))
    outcomes = attempt_all(_finish, members, jobs)
    rows = [
        {"notebook": notebook.stem, **_readable(given), **(found or {})}
        for (notebook, _, given, _), (found, _) in zip(members, outcomes, strict=True)
    ]
    table = pandas.DataFrame(rows).assign(failed=[reason for _, reason in outcomes])
    name = next(iter(grids)).stem if len(grids) == 1 else "notebooks"
    file = to / f"{name}-{digest(*(folder.relative_to(to).as_posix() for _, folder, _, _ in members))}.csv"
    write_whole(file, table.to_csv(index=False, lineterminator="\n").encode())
    return table, file


def _finish(notebook: Path, folder: Path, given: dict[str, Any], timeout: int) -> dict[str, float | str]:
    """The results of an execution, which is done unless it is finished."""
    done = folder / "results.json"
    if not done.exists():
        found = results_of(execute(notebook, folder, given, timeout))
        if both := ", ".join(set(found) & set(given)):
            raise RunError(f"{notebook.stem}: {both} is a parameter and a result: rename the result")
        write_whole(done, (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode())
    return json.loads(done.read_text(encoding="utf-8"))


def refresh(notebook: Path) -> None:
    """Execute a notebook in place, and keep nothing in it that varies from run to run.

    Outputs that no tag names as the same on every processor are tagged for `pytest --nbval` as not to be compared, and
    JupyterLab folds the code that the site folds.
    It runs in a temporary folder: no run of earlier code is found there and taken for a result of today's. The data are
    those beside the notebook's folder; its figures are copied there when all cells are done.

    Raises:
        RunError: a cell failed; the notebook and its figures are then left as they were.
    """
    root = notebook.resolve().parent.parent
    node = with_launch_links(read(notebook), notebook.stem, repository(root))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, STAMP: stamp(node, root)}
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch, "notebooks")
        here.mkdir()
        Path(scratch, "data").symlink_to(root / "data")
        node = _run_cells(notebook.stem, REFRESH_TIMEOUT, input_path=node, output_path=None, cwd=here)
        plots.adopt(Path(scratch, OWN_FIGURES), root / "figures", notebook.stem)
    node.metadata = metadata
    for cell in node.cells:
        tags = [tag for tag in cell.metadata.tags if tag != NOT_COMPARED]
        if cell.get("outputs") and COMPARED not in tags:
            tags.append(NOT_COMPARED)
        cell.metadata = metadata_of(tags)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.pop("application/vnd.jupyter.widget-view+json", None)  # without a kernel its other forms are shown
    write_whole(notebook, (nbformat.writes(node) + "\n").encode())


def attempt_all(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], jobs: int) -> list[tuple[Any, str]]:
    """Call a function with each tuple of arguments, `jobs` at a time; returns the result of each, and why it failed."""
    jobs = min(jobs, max(1, len(calls)))

    def attempt(*given: Any) -> tuple[Any, str]:
        # The runs that a notebook starts get its share of the cores; joblib limits their threads.
        os.environ["LOKY_MAX_CPU_COUNT"] = str(max(1, (os.cpu_count() or 1) // jobs))
        try:
            return function(*given), ""
        except FedsparseError as error:
            return None, " ".join(str(error).split())

    return list(in_processes(attempt, calls, jobs))


def _run_cells(name: str, timeout: int, **call: Any) -> nbformat.NotebookNode:
    """Execute all cells; the arguments are papermill's."""
    for logger in ("papermill", "asyncio"):  # what they would report of a kernel that ends early is raised as well
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    try:
        return papermill.execute_notebook(
            **call, kernel_name="python3", execution_timeout=timeout or None, coalesce_streams=True,
            progress_bar=sys.stderr.isatty(),
            extra_arguments=["--IPKernelApp.log_level=50"],  # kernels warn of their loopback transport at every start
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        if error.ename == "KeyboardInterrupt":
            raise KeyboardInterrupt from None
        reason = f"cell {error.exec_count} failed with {error.ename}: {error.evalue}"
    except CellTimeoutError:
        reason = f"a cell took longer than {timeout} seconds"
    except DeadKernelError:
        reason = "the kernel died, as it does when memory runs out"
    except RuntimeError as error:  # it did not start
        reason = str(error)
    raise RunError(f"{name}: {reason}")


def _folder_name(given: Mapping[str, Any], made: Mapping[str, str]) -> str:
    """A readable name that differs for other code: results of earlier code are not taken for today's."""
    words = "-".join(f"{name}{os.path.basename(str(value))}" for name, value in _readable(given).items())
    short = re.sub(r"[^A-Za-z0-9.+-]+", "_", words).strip("_.")[:80] or "defaults"
    return f"{short}-{digest(json.dumps([sorted(given.items()), made]))}"


def _readable(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: " ".join(map(str, value)) if isinstance(value, list) else value for name, value in given.items()}
