"""Write the λ explorer as one HTML page that needs neither a server nor a network nor a mouse.

    python -m fedsparse explorer PAGE.html [sweep=NAME] [data=FOLDER]     a sweep that a study has kept
    python -m fedsparse explorer PAGE.html sweep=FOLDER                   one's own --multirun over lam, with out=FOLDER

sweep: its name [lambda-digits]; or a folder with run folders and the table of one sweep; or that table, sweep-….csv
data: the folder of kept sweeps, NAME.csv and NAME.json [data/results]
"""

from collections.abc import Sequence
from pathlib import Path

from fedsparse.analysis.explorer.multirun import load_runs
from fedsparse.analysis.explorer.page import render
from fedsparse.analysis.explorer.sweep import load
from fedsparse.errors import RunError, SettingError
from fedsparse.tools.overrides import CommandLine

FIRST = 3.0  # where it is in the sweep: sparse, and not collapsed


def main(argv: Sequence[str]) -> int:
    """Write the page; returns the exit code 0.

    Raises:
        FedsparseError: a mistake in the call, no such sweep, or a page that cannot be written.
    """
    line = CommandLine(argv, words={"page": ()})
    name, data = line.option("sweep", "lambda-digits"), line.option("data", "data/results")
    line.settings()
    page = Path(line.words[0])
    if page.suffix != ".html":
        raise SettingError(f"{str(page)!r} is no page: name a file that ends in .html")
    own = name.endswith(".csv") or Path(name).is_dir() or "/" in name
    sweep = load_runs(name) if own else load(name, data)
    try:
        page.write_text(render(sweep, FIRST if FIRST in sweep.lams else sweep.lams[0]), encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {page}: {error.strerror or error}") from None
    print(f"{page}: {len(sweep.points)} values of λ, {page.stat().st_size:,} bytes")
    return 0
