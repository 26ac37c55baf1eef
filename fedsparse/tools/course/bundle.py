"""A folder with all that students need without a network: notebooks, site, wheels, data, an installer. No solutions."""

import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fedsparse.errors import RunError
from fedsparse.tools.course.copies import LICENSES, write_student
from fedsparse.tools.course.site import build, check_ours

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
INSTALL = """#!/bin/sh
# Makes .venv beside this file, from the wheels of this folder alone.
set -eu
cd "$(dirname "$0")"
python="${PYTHON:-python3}"
"$python" -c 'import platform, sys; sys.exit(not platform.python_version().startswith("%(python)s."))' || {
    echo "These wheels are for Python %(python)s: PYTHON=/path/to/python sh install.sh"; exit 2; }
"$python" -m venv .venv
.venv/bin/python -m pip install --quiet --no-index --find-links wheels -c constraints.txt 'fedsparse[notebooks]'
(cd student && ../.venv/bin/python -m fedsparse doctor)
echo "Ready: .venv/bin/jupyter lab student/notebooks"
"""

README = """fedsparse, for a classroom without a network

site/index.html   the course as a web site, for any browser
student/          notebooks to work in: exercises with checks, no solutions; with the data that they read
wheels/           fedsparse and what it needs, for %(platform)s and Python %(python)s

Linux, macOS: sh install.sh
Windows, in this folder, with the Python named above:
    py -%(python)s -m venv .venv
    .venv\\Scripts\\python -m pip install --no-index --find-links wheels -c constraints.txt "fedsparse[notebooks]"
    .venv\\Scripts\\python -m fedsparse doctor
Then: .venv/bin/jupyter lab student/notebooks      (Windows: .venv\\Scripts\\jupyter lab student\\notebooks)

Wheels are made for one operating system and one version of Python: for others, make the bundle there.
%(note)s

Code: Apache-2.0 (LICENSE). Text and figures: CC BY 4.0 (LICENSE-text).
"""


def pack(root: Path, to: Path, wheels: bool = True, cpu: bool = False) -> Path:
    """Make the bundle; returns its folder, which is made anew.

    Args:
        wheels: whether to add the wheels of all dependencies, for this machine's system and Python. With PyTorch for
            GPUs they are gigabytes. fedsparse's own wheel is always added.
        cpu: whether to take PyTorch from its index of builds for CPUs, which saves some 6 GB.

    Raises:
        RunError: a wheel or the site could not be built, or `to` holds something that is no bundle.
    """
    check_ours(to, "install.sh", "bundle")
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    data = write_student(root, to / "student") / "data"
    build(root, to / "site")
    if (root / "data" / "MNIST").is_dir():
        shutil.copytree(root / "data" / "MNIST", data / "MNIST")
    for file in (root / "data").glob("*.npz"):
        shutil.copyfile(file, data / file.name)
    for name in ("constraints.txt", *LICENSES):
        shutil.copyfile(root / name, to / name)
    _wheels(root, to / "wheels", wheels, cpu)
    values = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "platform": f"{platform.system()} {platform.machine()}",
        "note": "" if wheels else "The wheels of the dependencies were left out of this bundle: install.sh needs them.",
    }
    (to / "install.sh").write_text(INSTALL % values, encoding="utf-8", newline="\n")
    (to / "README.txt").write_text((README % values).rstrip() + "\n", encoding="utf-8")
    return to


def _wheels(root: Path, folder: Path, dependencies: bool, cpu: bool) -> None:
    """Build wheels, also of dependencies that are published as source: a classroom may have no compiler."""
    with tempfile.TemporaryDirectory() as clean:  # a build in the checkout would add leftovers of an earlier one
        shutil.copytree(root / "fedsparse", Path(clean, "fedsparse"), ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copyfile(root / name, Path(clean, name))
        everything = [f"{clean}[notebooks]", "-c", str(root / "constraints.txt")]
        everything += ["--extra-index-url", CPU_INDEX] * cpu  # its versions end with +cpu, which is the higher one
        what = everything if dependencies else [clean, "--no-deps", "--no-build-isolation"]
        call = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "-w", str(folder)]
        done = subprocess.run([*call, *what], capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise RunError(f"no wheels: {' '.join(done.stderr.split())[-300:]}")
