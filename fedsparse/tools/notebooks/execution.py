"""Executing notebooks by papermill: one into a folder, or several in parallel."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from fedsparse.errors import FedsparseError, RunError, SettingError
from fedsparse.tools.notebooks.files import checked, parameters_of

T = TypeVar("T")
QUIET = ["--IPKernelApp.log_level=50"]  # kernels warn of their loopback transport at every start
OUTPUT_FOLDERS = {"out": "runs", "figures": "figures"}
"""Parameters that name the folders into which a notebook writes, and these folders beside an executed copy."""


def execute(notebook: Path, folder: Path, given: Mapping[str, Any], timeout: int = 0) -> Path:
    """Execute a notebook with parameters into a folder; returns the executed copy.

    A `.json` of the parameters is written beside the copy.

    Args:
        given: parameters other than the notebook's defaults.
        timeout: seconds that one cell may take; 0 is no limit.

    Raises:
        RunError: a cell failed or took too long; the copy shows how far the notebook came.
        SettingError: a parameter is unknown or of the wrong type, or the folder cannot be made.
    """
    known = parameters_of(notebook)
    places = {name: str((folder / sub).resolve()) for name, sub in OUTPUT_FOLDERS.items() if name in known}
    parameters = places | checked(given, known, notebook.stem)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"cannot make the folder {folder}: {error.strerror}; name another with to=FOLDER") from None
    copy = folder / notebook.name
    copy.with_suffix(".json").write_text(json.dumps(parameters, indent=1) + "\n", encoding="utf-8")
    run_cells(notebook, copy, parameters, timeout)
    return copy


def run_cells(notebook: Path, copy: Path, parameters: Mapping[str, Any] | None, timeout: int) -> None:
    """Execute all cells in the notebook's folder and write the copy after each; arguments and errors as in `execute`.

    Raises:
        RunError: a cell failed, took too long, or ended the kernel.
    """
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    try:
        papermill.execute_notebook(
            str(notebook), str(copy), parameters, cwd=str(notebook.parent), kernel_name="python3",
            execution_timeout=timeout or None, extra_arguments=QUIET,
            coalesce_streams=True, progress_bar=sys.stderr.isatty(),
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        raise RunError(f"{notebook.stem}: cell {error.exec_count} failed with {error.ename}: {error.evalue}") from None
    except CellTimeoutError:
        raise RunError(f"{notebook.stem}: a cell took longer than {timeout} seconds") from None
    except DeadKernelError:
        raise RunError(f"{notebook.stem}: the kernel died, as it does when memory runs out") from None


def attempt_all(function: Callable[[T], Any], items: Sequence[T], jobs: int) -> list[str]:
    """Call a function with each item, `jobs` at a time; returns per item why it failed, or an empty text."""
    import joblib

    jobs = min(jobs, max(1, len(items)))
    return joblib.Parallel(n_jobs=jobs)(joblib.delayed(_attempt)(function, item, jobs) for item in items)


def _attempt(function: Callable[[T], Any], item: T, jobs: int) -> str:
    # The runs that a notebook starts get its share of the cores; joblib limits their threads.
    os.environ["LOKY_MAX_CPU_COUNT"] = str(max(1, (os.cpu_count() or 1) // jobs))
    try:
        function(item)
    except (FedsparseError, OSError) as error:
        return " ".join(str(error).split())
    return ""
