"""What is in a notebook: its parameters, its tagged cells and their outputs."""

import ast
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from fedsparse.errors import RunError, SettingError
from fedsparse.experiment import nearest

NOTEBOOKS = Path("notebooks")


def read(notebook: Path) -> nbformat.NotebookNode:
    """A notebook, in the current format.

    Raises:
        RunError: the file is not there, or is not a notebook.
    """
    if not notebook.exists():
        known = sorted(p.stem for p in notebook.parent.glob("*.ipynb"))
        raise RunError(f"no notebook {notebook}{nearest(notebook.stem, known)}; there are {', '.join(known) or 'none'}")
    try:
        return nbformat.read(notebook, as_version=4)
    except Exception as error:  # nbformat raises many kinds
        raise RunError(f"{notebook} is not a notebook: {' '.join(str(error).split())[:100]}") from None


def tagged(node: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    """The cells with a tag."""
    return [cell for cell in node.cells if tag in cell.metadata.get("tags", [])]


def parameters_of(notebook: Path) -> dict[str, Any]:
    """The parameters of a notebook, by name, with their defaults.

    Raises:
        RunError: there is no such notebook, it is not valid, or it is itself the output of a run with parameters.
    """
    import papermill

    if tagged(read(notebook), "injected-parameters"):
        raise RunError(f"{notebook} is the output of an earlier run, with its parameters fixed; run the original")
    found = papermill.inspect_notebook(str(notebook))
    return {name: ast.literal_eval(p["default"]) for name, p in found.items()}


def checked(given: Mapping[str, Any], known: Mapping[str, Any], notebook: str) -> dict[str, Any]:
    """The given parameters, if each is known to the notebook and has its default's type.

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


def results_of(notebook: Path) -> dict[str, float | str]:
    """The results of an executed notebook: the dict that its cell tagged `results` evaluates to.

    Raises:
        RunError: there is no such cell, it was not executed, or its dict holds more than plain numbers and text.
    """
    node = read(notebook)
    try:
        (cell,) = tagged(node, "results")
        shown = [o["data"]["text/plain"] for o in cell.outputs if o.output_type == "execute_result"]
        found = ast.literal_eval(shown[-1])
        plain = all(isinstance(value, int | float | str) for value in found.values())
    except (IndexError, ValueError, SyntaxError, AttributeError):
        plain = False
    if not plain:
        raise RunError(f"the results of {notebook.stem} are no dict of plain numbers and text")
    return found


def terminal_output(notebook: Path) -> str:
    """The text that the cells tagged `terminal` printed or returned."""
    outputs = [o for cell in tagged(read(notebook), "terminal") for o in cell.outputs]
    return "\n".join((o.get("text") or o.get("data", {}).get("text/plain", "")).rstrip() for o in outputs)


def write_whole(file: Path, text: str) -> None:
    """Replace a file: it holds the old or the new text at every moment."""
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, file)
