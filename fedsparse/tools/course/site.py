"""The site: the notebooks as committed, the guides, and an API reference; Sphinx builds it without a network.

The students' edition has no solutions and no guides for teachers; the teachers' edition has both.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from fedsparse.errors import RunError
from fedsparse.tools.course.copies import TEACHERS_ONLY, student, without_dead_links
from fedsparse.tools.notebooks.files import for_readers, plain, read, repository
from fedsparse.tools.notebooks.stamps import COMMAND_LINES

LAYERS = ("core", "algorithms", "wire", "own", "flower", "teaching", "analysis", "tools")
"""The pages of the API reference: the modules of the package itself, then those of each of its folders."""
MODULE = "\n## `{0}`\n\n```{{eval-rst}}\n.. automodule:: {0}\n   :members:\n   :ignore-module-all:\n```\n"
READABLE = (
    ("<pre>", '<pre tabindex="0">'),
    ('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper'),
    ('class="caption" role="heading"', 'class="caption" role="heading" aria-level="2"'),
)
"""Replacements for keyboards and screen readers: areas that scroll can be focused, captions have a level."""
OUTSIDE = r"\.\./(?!figures/|docs/)"
"""How a link begins that leads from a notebook or a guide to a file that is no part of the site."""
EXPLORER = "lambda_explorer.html"
"""A page of `figures/`, which a link opens, and which stands where a notebook shows the widget."""
FRAME = f'<iframe class="explorer" src="../{EXPLORER}" title="The λ explorer"></iframe>'


def build(root: Path, to: Path, teachers: bool = False) -> Path:
    """Build the site, the students' edition or the teachers', and return its first page. What was in `to` goes.

    Raises:
        RunError: Sphinx is not installed or warns; the error repeats its message. Or `to` holds something that is no
            site.
    """
    check_ours(to, "objects.inv", "site")
    with tempfile.TemporaryDirectory() as folder:  # what Sphinx and MyST-NB leave inside and beside a site stays in it
        source, doctrees, made = (Path(folder, name) for name in ("source", "doctrees", "site"))
        write_source(root, source, teachers)
        call = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", doctrees, source, made]
        done = subprocess.run(list(map(str, call)), capture_output=True, encoding="utf-8", errors="replace")
        if done.returncode:
            raise RunError(f"the site was not built: {done.stderr.strip()}")
        for file in made.rglob("*.html"):
            page = file.read_text(encoding="utf-8")
            for old, new in READABLE:
                page = page.replace(old, new)
            file.write_text(page, encoding="utf-8")
        shutil.copy(root / "figures" / EXPLORER, made)
        for there in to.glob("[!.]*"):  # a page of the other edition would stay; what is hidden is another's
            shutil.rmtree(there) if there.is_dir() else there.unlink()
        shutil.copytree(made, to, dirs_exist_ok=True)
    return to / "index.html"


def check_ours(to: Path, mark: str, what: str) -> None:
    """Raises `RunError` if a folder that will be made anew holds something that we did not make: it lacks our file."""
    if to.exists() and any(to.iterdir()) and not (to / mark).exists():
        raise RunError(f"{to} is there and is no {what}: name another folder")


def modules(root: Path, layer: str) -> list[str]:
    """Dotted names of the modules of a layer, without command lines and empty files."""
    package = root / "fedsparse"
    files = package.glob("*.py") if layer == "core" else (package / layer).rglob("*.py")
    described = [f for f in files if f.name not in COMMAND_LINES and f.read_text(encoding="utf-8").strip()]
    return sorted(".".join(f.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for f in described)


def write_source(root: Path, source: Path, teachers: bool) -> None:
    """Write what Sphinx builds an edition from.

    Links to files that are no pages lead to the repository. While it has no address, only their words are left.
    """
    address = f"{repository(root)}/blob/main" if repository(root) else ""
    shutil.copytree(root / "docs", source, ignore=shutil.ignore_patterns(*() if teachers else TEACHERS_ONLY))
    shutil.copytree(root / "figures", source / "figures")
    for guide in source.glob("*.md"):
        text = _opened(guide.read_text(encoding="utf-8"), "")
        text = re.sub(r"\]\(\.\./(notebooks|figures)/", r"](\1/", text)
        if not teachers:
            text = _without_guides_for_teachers(text)
        guide.write_text(_relinked(text, address), encoding="utf-8")
    (source / "notebooks").mkdir()
    for notebook in (root / "notebooks").glob("*.ipynb"):
        nbformat.write(_page(notebook, address, teachers), source / "notebooks" / notebook.name)
    (source / "api").mkdir()
    for number, layer in enumerate(LAYERS):
        described = "".join(map(MODULE.format, modules(root, layer)))
        page = f"# {layer.capitalize()}\n{described}"
        (source / "api" / f"{number}_{layer}.md").write_text(page, encoding="utf-8")


def _page(notebook: Path, address: str, teachers: bool) -> nbformat.NotebookNode:
    """The notebook with its number in the title, tables that scroll by themselves, and the explorer as a page."""
    node = for_readers(plain(read(notebook)) if teachers else student(read(notebook)))
    for cell in node.cells:
        if cell.cell_type == "markdown":
            text = _relinked(_opened(cell.source, "../"), address)
            cell.source = text.replace("](../docs/", "](../")  # a guide is a page of the site, above notebooks/
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html", "")
            if "fedsparse-frame" in html:
                output.data["text/html"] = FRAME
            elif "<table" in html:
                output.data["text/html"] = f'<div class="wide" tabindex="0">{html}</div>'
    node.cells[0].source = f"# {notebook.stem.split('_')[0]} · {node.cells[0].source.removeprefix('# ')}"
    return node


def _opened(text: str, up: str) -> str:
    """With links that open the explorer: Sphinx would make downloads of them."""
    return re.sub(rf"\[([^\]]+)\]\(\.\./figures/{EXPLORER}\)", rf'<a href="{up}{EXPLORER}">\1</a>', text)


def _relinked(text: str, address: str) -> str:
    if not address:
        return without_dead_links(text, lambda target: bool(re.match(OUTSIDE, target)))
    return re.sub(rf"\]\({OUTSIDE}", f"]({address}/", text)


def _without_guides_for_teachers(text: str) -> str:
    """A guide without the rows of tables and the entries of contents that name them, and without links to them."""
    names = "|".join(name.removesuffix(".md") for name in TEACHERS_ONLY)
    text = re.sub(rf"^(?:\|.*\]\((?:{names})\.md\).*|(?:{names}))\n", "", text, flags=re.M)
    return without_dead_links(text, lambda target: target.split("#")[0] in TEACHERS_ONLY)
