"""With which source a notebook's outputs were made: hashes of its cells, and of all that they rest on.

What a notebook rests on is found without running it: its imports of fedsparse, followed through the modules, those
inside functions too. A package that only passes names on (`plots`, `checks`, fedsparse itself) is looked through: a new
plot for one notebook leaves the others alone. Comments and docstrings do not count.
"""

import ast
import hashlib
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

from fedsparse.tools.notebooks.files import read, tagged

KEY = "fedsparse"
"""Of a notebook's metadata."""


def stamp(node: nbformat.NotebookNode, root: Path) -> dict[str, Any]:
    """A hash of the notebook's own code, of each module of fedsparse that it reaches, of each kept result it names.

    Args:
        root: the folder that holds `fedsparse/` and `data/results/`.
    """
    skipped = tagged(node, "install")
    cells = [c.source for c in node.cells if c.cell_type == "code" and c not in skipped]
    code = "\n".join(cells)
    named, results = _texts(code), root / "data" / "results"
    kept = [p.relative_to(results) for p in sorted(results.rglob("*.csv"))]
    kept = [p for p in kept if any(_names(text, p) for text in named)]
    return {
        "cells": _hash(_bare(code).encode()),
        "modules": {
            name: _hash(_bare(file.read_text()).encode()) for name, file in sorted(modules(code, root).items())
        },
        "data": {p.as_posix(): _hash((results / p).read_bytes()) for p in kept},
    }


def changed(notebook: Path, root: Path) -> list[str]:
    """What is no longer as it was when the notebook's outputs were made, by name; empty if they are up to date."""
    node = read(notebook)
    made, now = node.metadata.get(KEY), stamp(node, root)
    if not made:
        return ["everything: it was never refreshed"]
    found = ["its own cells"] if made["cells"] != now["cells"] else []
    for part, title in (("modules", "{}"), ("data", "data/results/{}")):
        names = sorted(set(made[part]) | set(now[part]))
        found += [title.format(n) for n in names if made[part].get(n) != now[part].get(n)]
    return found


def modules(code: str, root: Path) -> dict[str, Path]:
    """The modules of fedsparse that code reaches by its imports, by dotted name."""
    found: dict[str, Path] = {}
    waiting = list(_imported(_tree(code), root))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _file(name, root)  # type: ignore[assignment]
            waiting += _imported(_tree(found[name].read_text()), root)
    return found


def _imported(tree: ast.Module, root: Path) -> Iterator[str]:
    """Names of the modules that a tree imports; of a package whose attributes it uses, only those behind them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if _file(a.name, root))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "fedsparse":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if not _file(inner, root):
                    yield _home(str(node.module), alias.name, root)
                elif _passes_on(inner, root) and (used := _attributes(tree, alias.asname or alias.name)):
                    yield from (_home(inner, attribute, root) for attribute in used)
                else:
                    yield inner


def _home(package: str, name: str, root: Path) -> str:
    """The module that a name comes from: the package itself, or the one from which it passes the name on."""
    file = _file(package, root)
    if file and file.name == "__init__.py":
        if _file(f"{package}.{name}", root):
            return f"{package}.{name}"
        for node in ast.walk(_tree(file.read_text())):
            if isinstance(node, ast.ImportFrom) and name in {a.asname or a.name for a in node.names}:
                return str(node.module)
    return package


def _passes_on(package: str, root: Path) -> bool:
    """Whether a package does nothing but import names and list them."""
    file = _file(package, root)
    if not file or file.name != "__init__.py":
        return False
    body = _tree(file.read_text()).body
    return all(isinstance(node, ast.ImportFrom | ast.Assign) or _is_text(node) for node in body)


def _attributes(tree: ast.Module, name: str) -> set[str]:
    """`x` of every `name.x`; none if the name is used in another way too."""
    uses = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == name]
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.value in uses]
    return {n.attr for n in found} if len(found) == len(uses) else set()


def _file(name: str, root: Path) -> Path | None:
    if name.split(".")[0] != "fedsparse":
        return None
    place = root.joinpath(*name.split("."))
    return next((p for p in (place.with_suffix(".py"), place / "__init__.py") if p.exists()), None)


@cache
def _tree(code: str) -> ast.Module:
    return ast.parse(code)


def _texts(code: str) -> set[str]:
    return {n.value for n in ast.walk(_tree(code)) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def _names(text: str, file: Path) -> bool:
    """Whether a text names a kept result: its stem, a path that ends with it, or one that ends with its folder."""
    return text == file.stem or any(re.search(rf"(^|/){re.escape(part)}$", text) for part in file.parts)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _bare(code: str) -> str:
    """Code without comments, docstrings and empty lines: as text, which is the same for every version of Python."""
    lines = code.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(_tree(code)):
        for inner in getattr(node, "body", []) if isinstance(getattr(node, "body", None), list) else []:
            if _is_text(inner):
                lines[inner.lineno - 1 : inner.end_lineno] = [""] * (inner.end_lineno - inner.lineno + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=6).hexdigest()
