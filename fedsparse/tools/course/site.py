"""The site: the notebooks as committed, the guides, and an API reference; Sphinx builds it without a network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from fedsparse.errors import RunError
from fedsparse.tools.notebooks.files import read
from fedsparse.tools.notebooks.launch_links import BRANCH, repository, without_launch_links
from fedsparse.tools.notebooks.stamps import COMMAND_LINES, KEY

LAYERS = ("core", "algorithms", "wire", "flower", "teaching", "analysis", "tools")
"""The pages of the API reference: the modules of the package itself, then those of each of its folders."""


def build(root: Path, to: Path) -> Path:
    """Build the site; returns its first page.

    Raises:
        RunError: Sphinx is not installed or warns; the error repeats its message.
    """
    source = to.with_name(f"{to.name}-source")
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(root / "docs", source)
    address = f"{repository(root)}/blob/{BRANCH}"
    for page in source.glob("*.md"):
        page.write_text(_relinked(re.sub(r"\]\(\.\./(notebooks|figures)/", r"](\1/", page.read_text()), address))
    for folder in ("notebooks", "figures", "api"):
        (source / folder).mkdir(exist_ok=True)
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        write_page(notebook, source / "notebooks", address)
    for figure in (*(root / "figures").glob("*.png"), *(root / "figures").glob("*.html")):
        shutil.copyfile(figure, source / "figures" / figure.name)
    for number, layer in enumerate(LAYERS):
        (source / "api" / f"{number}_{layer}.md").write_text(_reference(layer, modules(root, layer)))
    call = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(source), str(to)]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        raise RunError(f"the site was not built: {done.stderr.strip()}")
    for page in to.rglob("*.html"):
        page.write_text(readable(page.read_text()))
    return to / "index.html"


def write_page(notebook: Path, folder: Path, address: str) -> None:
    """Write a notebook as a page of the site: without launch links and without the cell that installs.

    Args:
        address: the address of the repository's files, for links to files that are no pages.
    """
    node = without_launch_links(read(notebook))
    node.metadata.pop(KEY, None)
    for cell in node.cells:
        if cell.cell_type == "markdown":
            cell.source = _relinked(cell.source, address)
        elif cell.cell_type == "code":
            for output in cell.outputs:
                # A table may be wider than a phone: it scrolls by itself, and by keyboard.
                if "<table" in (html := output.get("data", {}).get("text/html", "")):
                    output.data["text/html"] = f'<div class="wide" tabindex="0">{html}</div>'
    number = notebook.stem.split("_")[0]
    title, _, rest = node.cells[0].source.partition("\n")
    node.cells[0].source = f"# {number} · {title[2:]}\n{rest}"
    nbformat.write(node, folder / notebook.name)


def readable(page: str) -> str:
    """The page for keyboards and screen readers: areas that scroll can be focused, captions have a level."""
    for old, new in (
        ("<pre>", '<pre tabindex="0">'),
        ('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper'),
        ('class="caption" role="heading"', 'class="caption" role="heading" aria-level="2"'),
    ):
        page = page.replace(old, new)
    return page


def resources(page: str) -> list[str]:
    """External addresses that a page loads by itself: scripts, styles, images, fonts, frames."""
    tags = re.findall(r"<(?:script|link|img|iframe|source|video|audio|object|embed)\b[^>]*>", page)
    loaded = [t for t in tags if not re.search(r'rel="(?:canonical|author|license)"', t)]
    found = [m for tag in loaded for m in re.findall(r'(?:src|href|data)="((?:https?:)?//[^"]*)"', tag)]
    return found + re.findall(r"(?:@import\s+|url\()[\"']?((?:https?:)?//[^\"')]*)", page)


def modules(root: Path, layer: str) -> list[str]:
    """Dotted names of the modules of a layer, without command lines and empty files."""
    package = root / "fedsparse"
    files = package.glob("*.py") if layer == "core" else (package / layer).rglob("*.py")
    described = [f for f in files if f.name not in COMMAND_LINES and f.read_text(encoding="utf-8").strip()]
    return sorted(".".join(f.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for f in described)


def _relinked(text: str, address: str) -> str:
    return re.sub(r"\]\(\.\./(?!figures/)", f"]({address}/", text)


def _reference(title: str, names: list[str]) -> str:
    described = [
        f"## `{name}`\n\n```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n   :ignore-module-all:\n```\n"
        for name in names
    ]
    return "\n".join([f"# {title.capitalize()}\n", *described])
