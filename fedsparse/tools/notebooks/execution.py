"""Running a notebook: a copy with other parameters, or all its cells where it stands."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from fedsparse.errors import RunError
from fedsparse.tools.notebooks.files import checked, parameters_of

QUIET = ["--IPKernelApp.log_level=50"]  # kernels warn of their loopback transport at every start
PLACES = {"out": "runs", "figures": "figures"}
"""Parameters that every notebook may have for where it writes, and their folders beside an executed copy."""


def execute(notebook: Path, folder: Path, given: Mapping[str, Any]) -> Path:
    """Run a notebook with parameters into a folder; returns the executed copy, beside it a `.json` of the parameters.

    Raises:
        RunError: a cell failed, and the copy shows how far it came; or the folder cannot be made.
        SettingError: a parameter that the notebook does not have, or of the wrong type.
    """
    import papermill

    known = parameters_of(notebook)
    places = {name: str((folder / sub).resolve()) for name, sub in PLACES.items() if name in known}
    parameters = places | checked(given, known, notebook.stem)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {folder}: {error.strerror}; name another with --to") from None
    copy = folder / notebook.name
    copy.with_suffix(".json").write_text(json.dumps(parameters, indent=1) + "\n")
    try:
        papermill.execute_notebook(
            str(notebook), str(copy), parameters, cwd=str(notebook.parent), progress_bar=sys.stderr.isatty(),
            log_output=False, kernel_name="python3", extra_arguments=QUIET,
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        raise RunError(f"{notebook.stem}: cell {error.exec_count} failed with {error.ename}: {error.evalue}") from None
    return copy


def run_all_cells(node: nbformat.NotebookNode, name: str, folder: Path) -> None:
    """Execute a notebook's cells, in a folder; outputs land in `node`.

    Raises:
        RunError: a cell failed.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    where = {"metadata": {"path": str(folder)}}
    try:
        NotebookClient(
            node, timeout=1800, kernel_name="python3", resources=where, extra_arguments=QUIET, coalesce_streams=True
        ).execute()
    except CellExecutionError as error:
        raise RunError(f"{name}: {error.ename}: {error.evalue}") from None
