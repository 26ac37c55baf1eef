"""Write the λ explorer as one HTML page that needs neither a server nor a network nor a mouse.

    python -m fedsparse explorer PAGE.html [data=FOLDER]

data: the folder of the sweep, lambda-digits.csv and .json [data/results]
"""

import html
import json
from collections.abc import Sequence
from pathlib import Path

from fedsparse.analysis.explorer.sweep import Sweep, load
from fedsparse.analysis.explorer.view import STYLE, section, table
from fedsparse.errors import RunError, SettingError
from fedsparse.tools.overrides import CommandLine

FIRST = 3.0  # as in the demo


def main(argv: Sequence[str]) -> int:
    """Write the page; returns the exit code 0.

    Raises:
        FedsparseError: a mistake in the call, no such sweep, or a page that cannot be written.
    """
    line = CommandLine(argv, words={"page": ()})
    data = line.option("data", "data/results")
    line.settings()
    page = Path(line.words[0])
    if page.suffix != ".html":
        raise SettingError(f"{str(page)!r} is no page: name a file that ends in .html")
    sweep = load(folder=data)
    try:
        page.write_text(render(sweep, FIRST if FIRST in sweep.lams else sweep.lams[0]), encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {page}: {error.strerror or error}") from None
    print(f"{page}: {len(sweep.points)} values of λ, {page.stat().st_size:,} bytes")
    return 0


def render(sweep: Sweep, first: float) -> str:
    """The page: one section per λ of the sweep, of which a script shows one at a time, `first` to begin with.

    Without scripts, and on paper, all sections stand below each other.
    """
    sections = (f'<section data-lam="{v:g}" aria-label="λ = {v:g}">{section(v, sweep)}</section>' for v in sweep.lams)
    page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    for name, value in {
        "STYLE": STYLE,
        "SECTIONS": "\n".join(sections),
        "TABLE": table(sweep, first),
        "LAMS": json.dumps(sweep.lams),
        "FIRST": f"{first:g}",
        "MADE_FROM": html.escape(sweep.made_from),
        "NAME": html.escape(sweep.name),
    }.items():
        page = page.replace(f"__{name}__", value)
    return page
