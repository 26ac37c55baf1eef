"""Make what a class gets from the notebooks and guides of this folder, and grade what comes back.

    python -m fedsparse course copies FOLDER                    folders for students and for teachers
    python -m fedsparse course site FOLDER [--teachers]         the course as a site that needs no network
    python -m fedsparse course bundle FOLDER [--cpu]            all that students without a network need
    python -m fedsparse course grade SUBMISSIONS TABLE.csv [seconds=60] [memory=2] [seed=1] [jobs=…]

Students get no solutions; --teachers makes the site with them, and with the guides for teachers. A bundle has every
wheel, which is gigabytes: --cpu takes PyTorch without CUDA, --no-wheels leaves out all but fedsparse. grade takes a
folder with one notebook, or one folder of notebooks, per student. The exercises of a notebook may take so many seconds,
and gigabytes of memory; seed is that of the hidden inputs; jobs submissions run at a time [as many as there are cores].
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from fedsparse.errors import RunError, SettingError
from fedsparse.tools.course.bundle import pack
from fedsparse.tools.course.grading import grade
from fedsparse.tools.course.materials import write_materials
from fedsparse.tools.course.site import build
from fedsparse.tools.overrides import CommandLine

PRODUCTS: dict[str, tuple[str, ...]] = {
    "copies": (), "site": ("--teachers",), "bundle": ("--cpu", "--no-wheels"), "grade": ()
}  # fmt: skip
"""What can be made, and the switches of each."""


def main(argv: Sequence[str]) -> int:
    """Make it; returns the exit code 0.

    Raises:
        FedsparseError: a mistake in the call, or something that could not be made.
    """
    places = ("folder of submissions", "table") if "grade" in argv else ("folder",)
    words = {"product": PRODUCTS} | dict.fromkeys(places, ())
    line = CommandLine(argv, words=words, switches=tuple(chain(*PRODUCTS.values())))
    for switch in line.switches:
        if switch not in PRODUCTS[line.words[0]]:
            owner = next(name for name, switches in PRODUCTS.items() if switch in switches)
            raise SettingError(f"{switch} belongs to course {owner}, not to course {line.words[0]}")
    root, to = Path(), Path(line.words[-1])
    makers: dict[str, Callable[[Path, Path], object]]
    makers = {
        "copies": write_materials,
        "site": partial(build, teachers="--teachers" in line.switches),
        "bundle": partial(pack, wheels="--no-wheels" not in line.switches, cpu="--cpu" in line.switches),
    }
    if line.words[0] == "grade":
        limits = {"seconds": line.option("seconds", 60.0), "memory": line.option("memory", 2.0)}
        submissions, seed = Path(line.words[1]), line.option("seed", 1)
        jobs = line.option("jobs", os.cpu_count() or 1)
        makers["grade"] = partial(_grade, submissions=submissions, **limits, seed=seed, jobs=jobs)
    line.settings()
    if not (root / "notebooks").is_dir() or not (root / "docs").is_dir():
        raise RunError("no notebooks/ and docs/ here: call it in the folder of the repository")
    try:
        print(makers[line.words[0]](root, to))
    except OSError as error:
        raise RunError(f"cannot write {error.filename or to}: {error.strerror or str(error)[:200]}") from None
    return 0


def _grade(root: Path, to: Path, submissions: Path, **how: Any) -> Path:
    table = grade(root, submissions, to, **how)
    print(table[["student", "total", "of"]].to_string(index=False))
    return to
