"""Run a notebook with other parameters, strictly: `python -m fedsparse.notebooks 05_fedpm_vs_regularized rounds=10`.

papermill takes a misspelt parameter, runs the default and says nothing; here it is refused. What a notebook marks with
the tag `terminal` is printed when it is done.
"""

import argparse
import ast
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import yaml

from fedsparse.errors import FedsparseError, RunError, SettingError
from fedsparse.experiment import nearest

NOTEBOOKS = Path("notebooks")
SMALL = "small.yaml"
QUIET = ["--IPKernelApp.log_level=50"]  # kernels warn of their loopback transport at every start
PLACES = {"out": "runs", "figures": "figures"}
"""Parameters that every notebook may have for where it writes, and their folders beside an executed copy."""


def parameters_of(notebook: Path) -> dict[str, Any]:
    """The parameters of a notebook, by name, with their defaults.

    Raises:
        RunError: there is no such notebook, it is not valid, or it is itself the output of a run with parameters.
    """
    import papermill

    if not notebook.exists():
        known = sorted(p.stem for p in notebook.parent.glob("*.ipynb"))
        raise RunError(f"no notebook {notebook}{nearest(notebook.stem, known)}; there are {', '.join(known) or 'none'}")
    if any("injected-parameters" in cell.metadata.get("tags", []) for cell in read(notebook).cells):
        raise RunError(f"{notebook} is the output of an earlier run, with its parameters fixed; run the original")
    found = papermill.inspect_notebook(str(notebook))
    return {name: ast.literal_eval(p["default"]) for name, p in found.items()}


def read(notebook: Path) -> nbformat.NotebookNode:
    """A notebook, in the current format.

    Raises:
        RunError: the file is not a notebook.
    """
    try:
        return nbformat.read(notebook, as_version=4)
    except Exception as error:  # nbformat raises many kinds
        raise RunError(f"{notebook} is not a notebook: {' '.join(str(error).split())[:100]}") from None


def checked(given: Mapping[str, Any], known: Mapping[str, Any], notebook: str) -> dict[str, Any]:
    """The given parameters, each known to the notebook and of its default's type.

    Raises:
        SettingError: an unknown name, or a value of another type.
    """
    for name, value in given.items():
        if name not in known:
            raise SettingError(f"{notebook} has no parameter {name!r}{nearest(name, known)}; it has {', '.join(known)}")
        kind = type(known[name])
        same = isinstance(value, kind) or (kind is float and type(value) is int)
        if not same or (isinstance(value, bool) and kind is not bool):
            raise SettingError(f"{name}={value!r} is not like its default in {notebook}, {known[name]!r}")
    return dict(given)


def execute(notebook: Path, folder: Path, given: Mapping[str, Any]) -> Path:
    """Run a notebook with parameters into a folder; returns the executed copy, beside it a `.json` of the parameters.

    Raises:
        RunError: a cell failed; the copy shows how far it came.
        SettingError: a parameter that the notebook does not have, or of the wrong type.
    """
    import papermill

    known = parameters_of(notebook)
    places = {name: str((folder / sub).resolve()) for name, sub in PLACES.items() if name in known}
    parameters = places | checked(given, known, notebook.stem)
    folder.mkdir(parents=True, exist_ok=True)
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


def refresh(notebook: Path) -> None:
    """Execute a notebook in place with its own defaults, and keep nothing in it that varies from run to run.

    It runs in a folder of its own, so that no run of earlier code is found and taken for a result of today's; figures
    and data are those beside the notebook's folder.

    Raises:
        RunError: a cell failed; the notebook is then left as it was.
    """
    node = read(notebook)
    with tempfile.TemporaryDirectory() as scratch:
        for shared in ("figures", "data"):
            beside = notebook.resolve().parent.parent / shared
            beside.mkdir(exist_ok=True)
            (Path(scratch) / shared).symlink_to(beside)
        folder = Path(scratch) / notebook.parent.name
        folder.mkdir()
        _run_all_cells(node, notebook.stem, folder)
    for cell in node.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):  # of a widget stays what stands there still, for pages without a kernel
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    node.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": {"name": "python"}})
    nbformat.write(node, notebook)


def _run_all_cells(node: nbformat.NotebookNode, name: str, folder: Path) -> None:
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    where = {"metadata": {"path": str(folder)}}
    try:
        NotebookClient(node, timeout=1800, kernel_name="python3", resources=where, extra_arguments=QUIET).execute()
    except CellExecutionError as error:
        raise RunError(f"{name}: {error.ename}: {error.evalue}") from None


def terminal_output(notebook: Path) -> str:
    """What the cells tagged `terminal` printed or returned, as text."""
    parts = []
    for cell in read(notebook).cells:
        if "terminal" in cell.metadata.get("tags", []):
            for output in cell.outputs:
                parts.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(part.rstrip() for part in parts)


def main(argv: Sequence[str]) -> int:
    """The command line; returns the exit code: 0 done, 1 a cell failed, 2 a mistake in the call."""
    parser = argparse.ArgumentParser(prog="python -m fedsparse.notebooks", description=__doc__.split("\n\n")[0])
    parser.add_argument("name", help="a notebook in notebooks/, without .ipynb, or 'all'")
    parser.add_argument("parameters", nargs="*", metavar="name=value", help="parameters other than the defaults")
    parser.add_argument("--to", default="runs/notebooks", help="folder for executed copies (default: %(default)s)")
    parser.add_argument("--small", action="store_true", help=f"small parameters from notebooks/{SMALL} first")
    parser.add_argument("--in-place", action="store_true", help="refresh the notebook itself, with its own defaults")
    options = parser.parse_intermixed_args(argv)
    names = sorted(p.stem for p in NOTEBOOKS.glob("*.ipynb")) if options.name == "all" else [options.name]
    small = yaml.safe_load((NOTEBOOKS / SMALL).read_text()) if options.small else {}
    try:
        given = _parsed(options.parameters)
        if options.in_place and (given or options.small):
            raise SettingError("--in-place refreshes a notebook with its own defaults: it takes no parameters")
        for name in names:
            notebook = NOTEBOOKS / f"{name.removesuffix('.ipynb')}.ipynb"
            print(f"running {notebook.stem} ...", flush=True)
            if options.in_place:
                refresh(notebook)
                continue
            copy = execute(notebook, Path(options.to), {**small.get(notebook.stem, {}), **given})
            print(f"{terminal_output(copy)}\n\nexecuted notebook: {copy}")
            if figures := json.loads(copy.with_suffix(".json").read_text()).get("figures"):
                print(f"figures: {os.path.relpath(figures)}")
    except KeyboardInterrupt:
        print("\nfedsparse.notebooks: stopped; finished rounds are kept, and the same call goes on", file=sys.stderr)
        return 130
    except RunError as error:
        print(f"fedsparse.notebooks: {error}", file=sys.stderr)
        return 1
    except FedsparseError as error:
        print(f"fedsparse.notebooks: {error}", file=sys.stderr)
        return 2
    return 0


def _parsed(arguments: Sequence[str]) -> dict[str, Any]:
    pairs = [a.partition("=") for a in arguments]
    for name, sign, _ in pairs:
        if not sign or not name:
            raise SettingError(f"cannot read {name!r}: parameters are given as name=value, as in rounds=10")
    return {name: yaml.safe_load(value) for name, _, value in pairs}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
