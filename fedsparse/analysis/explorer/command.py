"""The λ explorer as one HTML page: `python -m fedsparse explorer PAGE.html [data=FOLDER]`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from fedsparse.analysis.explorer.page import render, write
from fedsparse.analysis.explorer.sweep import load
from fedsparse.errors import FedsparseError, SettingError

FIRST = 3.0  # as in the demo


def main(argv: Sequence[str]) -> int:
    """Write the page; returns the exit code: 0 done, 2 a mistake in the call."""
    try:
        pages = [a for a in argv if "=" not in a]
        places = dict(a.split("=", 1) for a in argv if "=" in a)
        if len(pages) != 1 or set(places) - {"data"}:
            raise SettingError("name one page and at most where the sweep is: PAGE.html [data=data/results]")
        sweep = load(folder=places.get("data", "data/results"))
        write(render(sweep, FIRST if FIRST in sweep.lams else sweep.lams[0]), Path(pages[0]))
    except FedsparseError as error:
        print(f"fedsparse.analysis.explorer: {error}", file=sys.stderr)
        return 2
    print(f"{pages[0]}: {len(sweep.points)} values of λ, {Path(pages[0]).stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
