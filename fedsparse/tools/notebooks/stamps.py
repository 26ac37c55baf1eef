"""A notebook's stamp: hashes of its code and of all that this code uses. They tell when its outputs need a refresh.

A notebook uses the core of fedsparse as a whole; each further module or package that it imports, with what these import
in turn; and the entries of `data/results/` that it names. Comments, docstrings and command lines do not count.
"""

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import nbformat

from fedsparse.tools.notebooks.files import read, tagged

KEY = "fedsparse"
"""The stamp's name in a notebook's metadata."""
CORE = ("*.py", "algorithms/*.py", "wire/*.py")
OUTSIDE_THE_CORE = tuple(f"fedsparse.{folder}" for folder in ("analysis", "flower", "teaching", "tools"))
COMMAND_LINES = ("__main__.py", "command.py")


def stamp(node: nbformat.NotebookNode, root: Path) -> dict[str, str]:
    """A hash for each of these, by name: the notebook's own cells, the core, each further part, each kept result.

    Args:
        root: the folder that holds `fedsparse/` and `data/results/`.
    """
    skipped = tagged(node, "install")
    code = "\n".join(c.source for c in node.cells if c.cell_type == "code" and c not in skipped)
    used = parts(code, root) | kept_results(code, root)
    hashes = {name: digest(*(_content(file) for file in files)) for name, files in sorted(used.items())}
    return {"its own cells": digest(_without_comments(code).encode()), **hashes}


def changed(notebook: Path) -> list[str]:
    """Names of what changed since the notebook's outputs were made; empty if they are up to date."""
    node = read(notebook)
    made, now = node.metadata.get(KEY), stamp(node, notebook.resolve().parent.parent)
    if not made:
        return ["everything: it was never refreshed"]
    return [name for name in {**now, **made} if made.get(name) != now.get(name)]


def parts(code: str, root: Path) -> dict[str, list[Path]]:
    """The files of the core, and of each module or package outside it that code imports, also indirectly."""
    found = {"fedsparse core": _sources(file for place in CORE for file in root.glob(f"fedsparse/{place}"))}
    waiting = set(_imported(code))
    while waiting:
        if (name := waiting.pop()) in found:
            continue
        path = root.joinpath(*name.split("."))
        module, package = path.with_suffix(".py"), path.parent / "__init__.py"  # the latter if it defines the name
        found[name] = _sources(path.rglob("*.py")) or [f for f in (module, package) if f.exists()][:1]
        waiting |= {name for file in found[name] for name in _imported(file.read_text(encoding="utf-8"))}
    return found


def kept_results(code: str, root: Path) -> dict[str, list[Path]]:
    """The files of each entry of `data/results/` whose name ends a text in the code, with or without its suffix."""
    texts = [n.value for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    named = {text.rsplit("/", 1)[-1] for text in texts}
    entries = [e for e in (root / "data" / "results").glob("*") if named & {e.name, e.stem}]
    return {f"data/results/{e.name}": [e] if e.is_file() else sorted(e.rglob("*.csv")) for e in entries}


def digest(*contents: bytes) -> str:
    """A short hash of some contents."""
    return hashlib.blake2b(b"\0".join(contents), digest_size=6).hexdigest()


@cache
def _imported(code: str) -> frozenset[str]:
    """Modules and packages outside the core that code imports anywhere: `fedsparse.folder.name`."""
    names = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return frozenset(".".join(name.split(".")[:3]) for name in names if name.startswith(OUTSIDE_THE_CORE))


def _sources(files: Iterable[Path]) -> list[Path]:
    return sorted(file for file in files if file.name not in COMMAND_LINES)


def _content(file: Path) -> bytes:
    return _without_comments(file.read_text(encoding="utf-8")).encode() if file.suffix == ".py" else file.read_bytes()


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
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())
