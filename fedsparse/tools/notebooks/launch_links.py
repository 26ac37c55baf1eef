"""Links that open a notebook without an installation, and the cell that installs fedsparse there."""

import re
import tomllib
from pathlib import Path
from urllib.parse import quote

import nbformat

from fedsparse.errors import RunError
from fedsparse.tools.notebooks.files import tagged

LINKS = re.compile(r"\n\nOpen it in \[Colab\]\([^)]*\) or \[Binder\]\([^)]*\)\.")
BRANCH = "main"
INSTALL = """import importlib.util

if importlib.util.find_spec("fedsparse") is None:  # as on Colab; where it is installed, nothing happens
    %pip install --quiet "fedsparse[notebooks] @ git+{address}"
"""


def repository(root: Path) -> str:
    """The project's address, from `[project.urls]` of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]


def links(name: str, address: str) -> dict[str, str]:
    """Addresses that open notebook `name` on Colab and on Binder, in the forms that their guides give."""
    owner = address.removeprefix("https://github.com/")
    path = f"notebooks/{name}.ipynb"
    return {
        "Colab": f"https://colab.research.google.com/github/{owner}/blob/{BRANCH}/{path}",
        "Binder": f"https://mybinder.org/v2/gh/{owner}/{BRANCH}?labpath={quote(path, safe='')}",
    }


def with_launch_links(node: nbformat.NotebookNode, name: str, address: str) -> nbformat.NotebookNode:
    """A copy of the notebook with the links below its title and with the cell that installs, each once.

    Raises:
        RunError: the first cell does not begin with an H1.
    """
    node = without_launch_links(node)
    title, line, rest = node.cells[0].source.partition("\n")
    if not title.startswith("# "):
        raise RunError(f"{name} does not begin with a title, as in '# Far below a bit'")
    colab, binder = links(name, address).values()
    node.cells[0].source = f"{title}\n\nOpen it in [Colab]({colab}) or [Binder]({binder}).{line}{rest}"
    cell = nbformat.v4.new_code_cell(INSTALL.format(address=address).strip(), metadata={"tags": ["install"]})
    cell["id"] = "install"  # the same each time
    node.cells.insert(1, cell)
    return node


def without_launch_links(node: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy of the notebook without the links and without the cell that installs."""
    node = nbformat.from_dict(node)
    node.cells = [c for c in node.cells if c not in tagged(node, "install")]
    node.cells[0].source = LINKS.sub("", node.cells[0].source)
    return node
