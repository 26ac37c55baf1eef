"""The site: notebooks as they are committed, guides, settings, an API reference; built by Sphinx without a network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from fedsparse.errors import RunError
from fedsparse.experiment import schema_table
from fedsparse.tools.notebooks.files import read
from fedsparse.tools.notebooks.launch_links import BRANCH, repository, without_launch_links

ROOMS = {
    "Settings and randomness": ("experiment", "randomness", "errors", "control"),
    "Data and who holds them": ("data", "partition", "skew"),
    "Networks": ("layers", "models", "regularizers", "network_file", "pathways"),
    "Training": ("client", "cohort", "server"),
    "Bytes": ("entropy", "coding", "wire", "codec", "shared", "relay", "weight_codec", "quantizers", "anatomy",
              "costs"),
    "Algorithms": ("algorithms", "algorithms.fedpm", "algorithms.thresholded", "algorithms.fedavg",
                   "algorithms.quantized", "algorithms.sign_sgd"),
    "The round loop, and what it leaves": ("population", "federation", "evaluation", "history", "run_folder", "grid"),
    "The papers' experiments": ("paper", "paper.plan", "paper.record", "paper.tables", "paper.claims",
                                "paper.pictures"),
    "By hand and in small": ("enumeration", "toy_coder", "subset_sums", "lottery", "contests"),
    "The λ explorer": ("explore", "explore.sweep", "explore.view"),
    "On Flower": ("flower", "flower.terms", "flower.client_app", "flower.server_app", "flower.nodes",
                  "flower.in_process", "flower.faults", "flower.processes"),
}  # fmt: skip
"""What the API reference describes, a page a title."""


def build(root: Path, to: Path) -> Path:
    """Build the site; returns its first page.

    Raises:
        RunError: Sphinx is not installed, or warns: its words are in the error.
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
    (source / "settings.md").write_text(f"# Settings\n\n{schema_table()}\n")
    for number, (title, rooms) in enumerate(ROOMS.items()):
        (source / "api" / f"{number}.md").write_text(_reference(title, rooms))
    call = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(source), str(to)]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        raise RunError(f"the site was not built: {done.stderr.strip()}")
    for page in to.rglob("*.html"):
        page.write_text(readable(page.read_text()))
    return to / "index.html"


def write_page(notebook: Path, folder: Path, address: str) -> None:
    """A notebook as a page of the site: without launch links, without the cell that installs.

    Args:
        address: of the repository's files: links to what is no page lead there.
    """
    node = without_launch_links(read(notebook))
    node.metadata.pop("fedsparse", None)
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
    """A page for a keyboard and a screen reader: what scrolls can be reached, and captions say their level."""
    for old, new in (
        ("<pre>", '<pre tabindex="0">'),
        ('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper'),
        ('class="caption" role="heading"', 'class="caption" role="heading" aria-level="2"'),
    ):
        page = page.replace(old, new)
    return page


def resources(page: str) -> list[str]:
    """Addresses that a page loads by itself from elsewhere: scripts, styles, images, fonts, frames."""
    tags = re.findall(r"<(?:script|link|img|iframe|source|video|audio|object|embed)\b[^>]*>", page)
    loaded = [t for t in tags if not re.search(r'rel="(?:canonical|author|license)"', t)]
    found = [m for tag in loaded for m in re.findall(r'(?:src|href|data)="((?:https?:)?//[^"]*)"', tag)]
    return found + re.findall(r"(?:@import\s+|url\()[\"']?((?:https?:)?//[^\"')]*)", page)


def _relinked(text: str, address: str) -> str:
    return re.sub(r"\]\(\.\./(?!figures/)", f"]({address}/", text)


def _reference(title: str, rooms: tuple[str, ...]) -> str:
    parts = [f"# {title}\n"]
    for room in rooms:
        parts.append(f"## `fedsparse.{room}`\n\n```{{eval-rst}}\n.. automodule:: fedsparse.{room}\n   :members:\n```\n")
    return "\n".join(parts)
