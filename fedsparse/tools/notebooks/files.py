"""What is in a notebook: its tagged cells, their outputs, and the links that open it without an installation."""

import ast
import contextlib
import math
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from fedsparse.errors import RunError
from fedsparse.setting import nearest

COMPARED, NOT_COMPARED = "nbval-check-output", "nbval-ignore-output"
"""Tags of nbval: on outputs that are the same on every processor, and on those that training or time enters."""
REMOVED = "remove-cell"
FOLDED = frozenset({"hide-input", "hide-cell", REMOVED})
"""Tags of MyST-NB: the site's page folds the code of such a cell, or leaves the cell out, as what is there for tests
alone; JupyterLab folds the code of either, and the output of the latter."""
STAMP = "fedsparse"
"""The name in a notebook's metadata under which the stamp of its code is."""
LINKS = (
    "\n\nOpen it in [Colab](https://colab.research.google.com/github/{owner}/blob/main/notebooks/{name}.ipynb) or "
    "[Binder](https://mybinder.org/v2/gh/{owner}/main?labpath=notebooks%2F{name}.ipynb)."
)
INSTALL = """import importlib.util

if importlib.util.find_spec("fedsparse") is None:  # as on Colab; where it is installed, nothing happens
    %pip install --quiet "fedsparse[notebooks] @ git+{address}\""""


def read(notebook: Path) -> nbformat.NotebookNode:
    """A notebook, in the current format.

    Raises:
        RunError: the file is not there, or is not a notebook.
    """
    try:
        return nbformat.read(notebook, as_version=4)
    except FileNotFoundError:
        known = sorted(p.stem for p in notebook.parent.glob("*.ipynb"))
        raise RunError(f"no notebook {notebook}{nearest(notebook.stem, known)}; there are {', '.join(known)}") from None
    except Exception as error:  # nbformat raises many kinds
        raise RunError(f"{notebook} is not a notebook: {' '.join(str(error).split())[:100]}") from None


def tagged(node: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    """The cells with a tag."""
    return [cell for cell in node.cells if tag in cell.metadata.get("tags", [])]


def metadata_of(tags: Sequence[str]) -> dict[str, Any]:
    """The metadata of a cell with these tags: the tags, and for JupyterLab what of it is folded."""
    folded = {"source_hidden": True} if FOLDED & set(tags) else {}
    folded |= {"outputs_hidden": True} if REMOVED in tags else {}
    return ({"jupyter": folded} if folded else {}) | ({"tags": list(tags)} if tags else {})


def for_readers(node: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook, without what is there for tests alone."""
    node.cells = [cell for cell in node.cells if REMOVED not in cell.metadata.get("tags", [])]
    return node


def results_of(node: nbformat.NotebookNode) -> dict[str, float | str]:
    """The results of an executed notebook: the dict that its cell tagged `results` evaluates to.

    Raises:
        RunError: there is no such cell, it was not executed, or its dict holds more than plain numbers and text.
    """
    outputs = [o for cell in tagged(node, "results") for o in cell.outputs if o.output_type == "execute_result"]
    with contextlib.suppress(IndexError, ValueError, SyntaxError, AttributeError):
        found = ast.literal_eval(_WithNaN().visit(ast.parse(outputs[-1].data["text/plain"], mode="eval")))
        if all(isinstance(value, int | float | str) for value in found.values()):
            return found
    raise RunError("the cell tagged 'results' shows no dict of plain numbers and text")


class _WithNaN(ast.NodeTransformer):
    """`nan`, as Python prints it, as the number that it is: what was not reached has none."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(math.nan) if node.id == "nan" else node


def terminal_output(node: nbformat.NotebookNode) -> str:
    """The text that the cells tagged `terminal` printed or returned."""
    outputs = [o for cell in tagged(node, "terminal") for o in cell.outputs]
    return "\n".join((o.get("text") or o.get("data", {}).get("text/plain", "")).rstrip() for o in outputs)


def repository(root: Path) -> str:
    """The project's address, from `[project.urls]` of pyproject.toml; empty until somebody who owns it has set it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project.get("urls", {}).get("Repository", "")


def with_launch_links(node: nbformat.NotebookNode, name: str, address: str) -> nbformat.NotebookNode:
    """A copy of the notebook with the links below its title and with the cell that installs, each once; no stamp.

    Without an address it has neither.

    Raises:
        RunError: the first cell does not begin with an H1.
    """
    node = plain(node)
    title, line, rest = node.cells[0].source.partition("\n")
    if not title.startswith("# "):
        raise RunError(f"{name} does not begin with a title, as in '# Far below a bit'")
    if not address:
        return node
    links = LINKS.format(owner=address.removeprefix("https://github.com/"), name=name)
    node.cells[0].source = title + links + line + rest
    cell = nbformat.v4.new_code_cell(INSTALL.format(address=address), metadata={"tags": ["install"]}, id="install")
    node.cells.insert(1, cell)
    return node


def plain(node: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy of the notebook without the links, the cell that installs, and the stamp."""
    node = nbformat.from_dict(node)
    node.cells = [c for c in node.cells if c not in tagged(node, "install")]
    node.cells[0].source = re.sub(r"\n\nOpen it in \[Colab\].* or \[Binder\].*\.", "", node.cells[0].source)
    node.metadata.pop(STAMP, None)
    return node
