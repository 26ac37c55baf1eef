"""How a figure leaves a notebook: on the page with alternative text, as a listed PNG file, and as SVG for a slide."""

import base64
import html
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from matplotlib.figure import Figure
from PIL import Image

from fedsparse.run_folder import write_whole

SLIDE_INCHES = 9
"""The least width of a figure for a slide."""


def png(figure: Figure) -> bytes:
    """The figure as a PNG of reproducible bytes: it names neither versions nor times.

    It has at most 256 colours: charts look the same, in some third of the bytes, and a notebook of many figures stays
    small enough to be read on the web.
    """
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100, facecolor="white")
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(256).save(small, "PNG", optimize=True)
    return small.getvalue()


def slide(figure: Figure) -> bytes:
    """The figure as an SVG of 16:9 for a slide; its letters are outlines and need no fonts.

    It keeps the figure's width, of at least 9 inches: letters of 10 points have 15 on a slide of 13.3 inches.
    """
    buffer, (width, height) = io.BytesIO(), figure.get_size_inches()
    wide = max(width, SLIDE_INCHES)
    try:
        figure.set_size_inches(wide, wide * 9 / 16)
        figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    finally:
        figure.set_size_inches(width, height)
    return buffer.getvalue()


def save(
    figure: Figure, name: str, *, alt: str, caption: str, folder: str | Path, notebook: str, parameters: Mapping
) -> bytes:
    """Put a figure into a folder as PNG and as SVG, beside an entry in its `index.json`, and return the PNG.

    Args:
        alt: what a reader who cannot see the picture needs to know; build it from the data.
        caption: what it was made from: data, scale, seeds.
        notebook, parameters: for the index, so that the figure can be reproduced.
    """
    content = png(figure)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.png").write_bytes(content)
    (folder / f"{name}.svg").write_bytes(slide(figure))
    with listing(folder) as listed:
        listed[f"{name}.png"] = {"alt": alt, "caption": caption, "notebook": notebook, "parameters": dict(parameters)}
    return content


@contextmanager
def listing(folder: Path) -> Iterator[dict[str, Any]]:
    """The folder's `index.json`, to be changed: by one process at a time, and without figures that no longer exist."""
    index = folder / "index.json"
    with FileLock(folder / ".index.lock"):
        listed = json.loads(index.read_text(encoding="utf-8")) if index.exists() else {}
        yield listed
        existing = {name: entry for name, entry in listed.items() if (folder / name).exists()}
        write_whole(index, (json.dumps(existing, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())


def adopt(fresh: Path, folder: Path, notebook: str) -> None:
    """Replace a notebook's figures by those in another folder, PNG and SVG, and delete those it no longer makes.

    Git keeps the PNGs; the SVGs lie beside them, for slides, wherever the notebooks have run.
    """
    with listing(folder) as listed:
        for name in [n for n, entry in listed.items() if entry["notebook"] == notebook]:
            for suffix in (".png", ".svg"):
                (folder / name).with_suffix(suffix).unlink(missing_ok=True)
        for figure in (*fresh.glob("*.png"), *fresh.glob("*.svg")):
            shutil.copyfile(figure, folder / figure.name)
        made = fresh / "index.json"
        listed |= json.loads(made.read_text(encoding="utf-8")) if made.exists() else {}


def show(figure: Figure, name: str, *, alt: str, caption: str, **made_by: Any) -> None:
    """Put a figure on the notebook's page, and into a folder; all arguments are those of `save`."""
    _on_the_page(save(figure, name, alt=alt, caption=caption, **made_by), alt, caption)


def bound(notebook: str, folder: str | Path, parameters: Mapping[str, Any], made_from: str = "") -> Callable[..., None]:
    """`show` for one notebook: `show = plots.bound(...)` once, then `show(figure, name, alt=..., caption=...)`.

    Args:
        notebook, folder, parameters: of every figure, as in `save`.
        made_from: data, scale and seeds; appended to every caption as "Made from …".
    """

    def show_figure(figure: Figure, name: str, *, alt: str, caption: str = "", made_from: str = made_from) -> None:
        caption = f"{caption} Made from {made_from}.".strip() if made_from else caption
        show(figure, name, alt=alt, caption=caption, folder=folder, notebook=notebook, parameters=parameters)

    return show_figure


def show_only(figure: Figure, *, alt: str, caption: str) -> None:
    """Put a figure on the notebook's page only, without saving it."""
    _on_the_page(png(figure), alt, caption)


def _on_the_page(content: bytes, alt: str, caption: str) -> None:
    from IPython.display import HTML, display

    source = base64.b64encode(content).decode()
    image = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{source}">'
    display(HTML(f"<figure>{image}<figcaption>{html.escape(caption)}</figcaption></figure>"))
