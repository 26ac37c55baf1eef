"""The explorer as one HTML page that needs nothing else: no server, no network, no mouse."""

import html
import json
from pathlib import Path

from fedsparse.analysis.explorer.sweep import Sweep
from fedsparse.analysis.explorer.view import STYLE, frame, table
from fedsparse.errors import RunError, SettingError

TEMPLATE = Path(__file__).with_name("page.html")


def render(sweep: Sweep, first: float) -> str:
    """The page: every λ of the sweep as a section, made by `frame`; a script shows one at a time.

    Without scripts, and on paper, all sections stand below each other.

    Args:
        first: the λ to begin with.

    Raises:
        SettingError: the sweep has no such λ.
    """
    frames = {lam: frame(lam, sweep) for lam in sweep.lams}
    sections = "\n".join(
        f'<section data-lam="{lam:g}" aria-label="λ = {lam:g}">'
        f'<p class="caption">{html.escape(f.caption)}</p>{f.figure}</section>'
        for lam, f in frames.items()
    )
    start = sweep.points.index(sweep.at(first))
    filled = {
        "STYLE": STYLE,
        "SECTIONS": sections,
        "TABLE": table([f.row for f in frames.values()], first),
        "LAMS": json.dumps(sweep.lams),
        "LAST": str(len(frames) - 1),
        "START": str(start),
        "FIRST": f"{first:g}",
        "MADE_FROM": html.escape(sweep.made_from),
        "NAME": html.escape(sweep.name),
    }
    page = TEMPLATE.read_text()
    for name, value in filled.items():
        page = page.replace(f"<!--{name}-->", value).replace(f"__{name}__", value)
    return page


def write(page: str, file: Path) -> None:
    """Write the page.

    Raises:
        SettingError: the name does not end in .html.
        RunError: the file cannot be written.
    """
    if file.suffix != ".html":
        raise SettingError(f"{str(file)!r} is no page: name a file that ends in .html")
    try:
        file.write_text(page)
    except OSError as error:
        raise RunError(f"cannot write {file}: {error.strerror or error}") from None
