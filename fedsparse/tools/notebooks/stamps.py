"""A notebook's stamp: hashes of its code and of all that this code uses. They tell when its outputs need a refresh.

A notebook uses the core of fedsparse as a whole; each further module or package that it imports, with what these import
in turn, and what lies beside them to be shown; and the entries of `data/results/` that it names. Comments, docstrings
and command lines do not count.
"""

import ast
import hashlib
import io
import re
import tokenize
from functools import cache
from pathlib import Path

import nbformat

from fedsparse.tools.notebooks.files import STAMP, read

CORE = ("*.py", "algorithms/*.py", "wire/*.py", "own/*.py")
OUTSIDE_THE_CORE = tuple(f"fedsparse.{folder}" for folder in ("analysis", "flower", "teaching", "tools"))
COMMAND_LINES = ("__main__.py", "command.py")
SHOWN = ("*.css", "*.js", "*.html", "*.md")
"""Beside a module: styles, scripts and texts that it puts into outputs."""


def stamp(node: nbformat.NotebookNode, root: Path) -> dict[str, str]:
    """A hash for each of these, by name: the notebook's own cells, the core, each further part, each kept result.

    Args:
        root: the folder that holds `fedsparse/` and `data/results/`.
    """
    cells = [c for c in node.cells if c.cell_type == "code" and "install" not in c.metadata.get("tags", [])]
    code = "\n".join(c.source for c in cells)
    used = parts(code, root) | kept_results(code, root)
    hashes = {name: digest(*map(_content, files)) for name, files in sorted(used.items())}
    return {"its own cells": digest(_without_comments(code)), **hashes}


def changed(notebook: Path) -> list[str]:
    """Names of what changed since the notebook's outputs were made; empty if they are up to date."""
    node = read(notebook)
    made, now = node.metadata.get(STAMP), stamp(node, notebook.resolve().parent.parent)
    if not made:
        return ["everything: it was never refreshed"]
    return [name for name in {**now, **made} if made.get(name) != now.get(name)]


def parts(code: str, root: Path) -> dict[str, list[Path]]:
    """The files of the core, and of each module or package outside it that code imports, also indirectly."""
    found = {"fedsparse core": _sources(root / "fedsparse", *CORE)}
    names = list(_imported(code))
    for name in names:  # grows on the way
        path = root.joinpath(*name.split("."))
        module, package = path.with_suffix(".py"), path.parent / "__init__.py"  # the latter if it defines the name
        found[name] = _sources(path, "**/*.py") or [f for f in (module, package) if f.exists()][:1]
        names += {n for file in found[name] for n in _imported(file.read_text(encoding="utf-8"))} - set(names)
        found[name] += _sources(path, *SHOWN)
    return found


def kept_results(code: str, root: Path) -> dict[str, list[Path]]:
    """The files of each entry of `data/results/` whose name ends a text in the code, with or without its suffix."""
    every = (root / "data" / "results").glob("*")
    entries = [e for e in every if re.search(rf"""["'/]{re.escape(e.stem)}({e.suffix})?["']""", code)]
    return {f"data/results/{e.name}": [e] if e.is_file() else sorted(e.rglob("*.csv")) for e in entries}


def digest(*texts: str) -> str:
    """A short hash of some texts."""
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=6).hexdigest()


@cache
def _imported(code: str) -> frozenset[str]:
    """Modules and packages outside the core that code imports anywhere: `fedsparse.folder.name`."""
    names = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            above = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names += [above + alias.name for alias in node.names]
    return frozenset(".".join(name.split(".")[:3]) for name in names if name.startswith(OUTSIDE_THE_CORE))


def _sources(folder: Path, *patterns: str) -> list[Path]:
    return sorted(f for pattern in patterns for f in folder.glob(pattern) if f.name not in COMMAND_LINES)


def _content(file: Path) -> str:
    text = file.read_text(encoding="utf-8")
    return _without_comments(text) if file.suffix == ".py" else text


@cache
def _without_comments(code: str) -> str:
    """Code without comments, docstrings and empty lines; as text, which is the same for every version of Python."""
    lines = code.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for row in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[row] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())
