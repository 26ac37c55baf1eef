"""`python -m fedsparse course copies|site|bundle DEST`: what a class gets, made from the notebooks of this folder."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fedsparse.errors import FedsparseError, RunError
from fedsparse.tools.course.bundle import pack
from fedsparse.tools.course.copies import write_copies
from fedsparse.tools.course.site import build

ROOT = Path(".")


def main(argv: Sequence[str]) -> int:
    """The command line; returns the exit code: 0 done, 1 something could not be made, 2 a mistake in the call."""
    parser = argparse.ArgumentParser(prog="python -m fedsparse course", description=__doc__)
    parser.add_argument("what", choices=["copies", "site", "bundle"])
    parser.add_argument("to", type=Path, metavar="DEST", help="a folder")
    parser.add_argument(
        "--no-wheels", action="store_true", help="bundle: leave out the dependencies, gigabytes of them"
    )
    options = parser.parse_args(argv)
    try:
        if not (ROOT / "notebooks").is_dir() or not (ROOT / "docs").is_dir():
            raise RunError("no notebooks/ and docs/ here: call it in the folder of the repository")
        if options.what == "copies":
            print(f"{len(write_copies(ROOT, options.to))} notebooks in {options.to}")
        elif options.what == "site":
            print(build(ROOT, options.to))
        else:
            print(pack(ROOT, options.to, wheels=not options.no_wheels))
    except FedsparseError as error:
        print(f"fedsparse.tools.course: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"fedsparse.tools.course: cannot write {error.filename or options.to}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
