"""Make what a class gets from the notebooks and guides of this folder.

    python -m fedsparse course copies FOLDER                    notebooks for students, and for teachers
    python -m fedsparse course site FOLDER                      the course as a site that needs no network
    python -m fedsparse course bundle FOLDER [--no-wheels]      all that a classroom without a network needs

--no-wheels leaves out the dependencies, which are gigabytes.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from fedsparse.errors import RunError
from fedsparse.tools.course.bundle import pack
from fedsparse.tools.course.copies import write_copies
from fedsparse.tools.course.site import build
from fedsparse.tools.overrides import CommandLine


def main(argv: Sequence[str]) -> int:
    """Make it; returns the exit code 0.

    Raises:
        FedsparseError: a mistake in the call, or something that could not be made.
    """
    line = CommandLine(argv, words={"product": ("copies", "site", "bundle"), "folder": ()}, switches=("--no-wheels",))
    line.settings()
    root, to, wheels = Path(), Path(line.words[1]), "--no-wheels" not in line.switches
    if not (root / "notebooks").is_dir() or not (root / "docs").is_dir():
        raise RunError("no notebooks/ and docs/ here: call it in the folder of the repository")
    makers: dict[str, Callable[[Path, Path], Path]]
    makers = {"copies": write_copies, "site": build, "bundle": partial(pack, wheels=wheels)}
    try:
        print(makers[line.words[0]](root, to))
    except OSError as error:
        raise RunError(f"cannot write {error.filename or to}: {error.strerror or str(error)[:200]}") from None
    return 0
