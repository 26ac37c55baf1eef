"""Write the λ explorer as one HTML page that needs neither a server nor a network.

    python -m fedsparse explorer PAGE.html [data=FOLDER]

data: the folder of the sweep, lambda-digits.csv and .json [data/results]
"""

from collections.abc import Sequence
from pathlib import Path

from fedsparse.analysis.explorer.page import render, write
from fedsparse.analysis.explorer.sweep import load
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
    sweep = load(folder=data)
    page = Path(line.words[0])
    write(render(sweep, FIRST if FIRST in sweep.lams else sweep.lams[0]), page)
    print(f"{page}: {len(sweep.points)} values of λ, {page.stat().st_size:,} bytes")
    return 0
