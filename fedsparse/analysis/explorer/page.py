"""The explorer as one HTML page that needs neither a server nor a network nor a mouse."""

import html
import json
from pathlib import Path

from fedsparse.analysis.explorer.sweep import Sweep
from fedsparse.analysis.explorer.view import STYLE, frame, table
from fedsparse.errors import RunError, SettingError

TEMPLATE = Path(__file__).with_name("page.html")


def render(sweep: Sweep, first: float) -> str:
    """The page: one section per λ of the sweep, made by `frame`, of which a script shows one at a time.

    Without scripts, and on paper, all sections stand below each other.

    Args:
        first: the λ to begin with.

    Raises:
        SettingError: the sweep has no such λ.
    """
    sections = ""
    for lam in sweep.lams:
        figure, caption, _ = frame(lam, sweep)
        sections += f'<section data-lam="{lam:g}" aria-label="λ = {lam:g}">\n'
        sections += f'<p class="caption">{html.escape(caption)}</p>{figure}</section>\n'
    start = sweep.lams.index(sweep.at(first).lam)
    values = {
        "STYLE": STYLE,
        "SECTIONS": sections,
        "TABLE": table(sweep, first),
        "LAMS": json.dumps(sweep.lams),
        "LAST": str(len(sweep.lams) - 1),
        "START": str(start),
        "FIRST": f"{first:g}",
        "MADE_FROM": html.escape(sweep.made_from),
        "NAME": html.escape(sweep.name),
    }
    page = TEMPLATE.read_text()
    for name, value in values.items():
        page = page.replace(f"__{name}__", value)
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
