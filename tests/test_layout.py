"""The layout: a small core at the top of the package, and imports that run one way."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fedsparse"
CORE = sorted(set(PACKAGE.glob("*.py")) - {PACKAGE / "__main__.py"})  # the entry point imports whatever is called
LOWER = [*CORE, *(file for folder in ("algorithms", "wire", "own") for file in (PACKAGE / folder).glob("*.py"))]
UPPER = ("flower", "teaching", "analysis", "tools")


def imported(file: Path) -> set[str]:
    """Modules that a file imports anywhere in it, with the names that it imports from them."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("file", LOWER, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_the_core_imports_nothing_above_it(file):
    above = [name for name in imported(file) if name.startswith(tuple(f"fedsparse.{folder}" for folder in UPPER))]
    assert not above


@pytest.mark.parametrize("folder", ["teaching", "analysis", "flower"])
def test_what_is_built_on_the_core_does_not_import_the_tools(folder):
    for file in (PACKAGE / folder).rglob("*.py"):
        if file.name != "command.py":  # a command reads its arguments as every other one does
            assert not [name for name in imported(file) if name.startswith("fedsparse.tools")], file


def test_the_core_stays_small():
    assert len(CORE) <= 25
    assert sum(len(file.read_text(encoding="utf-8").splitlines()) for file in CORE) <= 2900
