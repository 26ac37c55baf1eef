"""Make what a class gets from the notebooks and guides of this folder.

    python -m fedsparse course copies FOLDER                    notebooks for students, and for teachers
    python -m fedsparse course site FOLDER                      the course as a site that needs no network
    python -m fedsparse course bundle FOLDER [--no-wheels]      all that a classroom without a network needs

--no-wheels leaves out the dependencies, which are gigabytes.
"""

from collections.abc import Sequence
from pathlib import Path

from fedsparse.errors import RunError
from fedsparse.tools.course.bundle import pack
from fedsparse.tools.course.copies import write_copies
from fedsparse.tools.course.site import build
from fedsparse.tools.overrides import CommandLine

ROOT = Path(".")


def main(argv: Sequence[str]) -> int:
    """Make it; returns the exit code 0.

    Raises:
        FedsparseError: a mistake in the call, or something that could not be made.
    """
    words = {"product": ("copies", "site", "bundle"), "folder": ()}
    line = CommandLine(argv, words=words, switches=("--no-wheels",))
    line.settings()
    product, to = line.words[0], Path(line.words[1])
    if not (ROOT / "notebooks").is_dir() or not (ROOT / "docs").is_dir():
        raise RunError("no notebooks/ and docs/ here: call it in the folder of the repository")
    try:
        if product == "copies":
            print(f"{len(write_copies(ROOT, to))} notebooks in {to}")
        elif product == "site":
            print(build(ROOT, to))
        else:
            print(pack(ROOT, to, wheels="--no-wheels" not in line.switches))
    except OSError as error:
        raise RunError(f"cannot write {error.filename or to}: {error.strerror}") from None
    return 0
