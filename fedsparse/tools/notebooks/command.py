"""Run a notebook with other parameters, a grid of them, or refresh notebooks in place.

    python -m fedsparse notebook NAME [name=value …] [to=FOLDER] [timeout=SECONDS]
    python -m fedsparse notebook NAME --multirun lam=1,3,10 seeds=[0],[1] [jobs=2]
    python -m fedsparse notebook all --in-place [--force] [jobs=2]

NAME is a notebook in notebooks/, or all. An executed copy goes to the folder `to` [runs/notebooks]; --small takes the
parameters in notebooks/small.yaml first. --in-place refreshes the notebooks whose source has changed, --force the
others too. timeout is what a cell may take [no limit]; jobs notebooks run in parallel [as many as there are cores].
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from fedsparse.errors import RunError, SettingError
from fedsparse.tools.notebooks.execution import execute
from fedsparse.tools.notebooks.files import NOTEBOOKS, checked, parameters_of, terminal_output
from fedsparse.tools.notebooks.grid import collected, members, run_grid
from fedsparse.tools.notebooks.refreshing import refresh_all, stale
from fedsparse.tools.overrides import MULTIRUN, CommandLine

SMALL = "small.yaml"


def main(argv: Sequence[str]) -> int:
    """Run or refresh notebooks; returns the exit code: 0 done, 1 a cell failed.

    Raises:
        FedsparseError: a mistake in the call.
    """
    line = CommandLine(argv, words={"notebook": ()}, switches=(MULTIRUN, "--in-place", "--force", "--small"))
    to, jobs = Path(line.option("to", "runs/notebooks")).expanduser(), line.option("jobs", os.cpu_count() or 1)
    timeout = line.option("timeout", 0)
    notebooks = _named(line.words[0])
    if "--in-place" in line.switches:
        if line.given or line.switches & {MULTIRUN, "--small"}:
            raise SettingError("--in-place refreshes a notebook with its own defaults: it takes no parameters")
        return _refresh(notebooks, "--force" in line.switches, jobs)
    known = {notebook: parameters_of(notebook) for notebook in notebooks}
    kinds = {name: isinstance(default, str) for some in known.values() for name, default in some.items()}
    grid = line.combinations(kinds, "parameter")
    small = yaml.safe_load((NOTEBOOKS / SMALL).read_text(encoding="utf-8")) if "--small" in line.switches else {}
    grids = {n: [checked({**small.get(n.stem, {}), **given}, known[n], n.stem) for given in grid] for n in notebooks}
    if line.multirun:
        every = [member for notebook, several in grids.items() for member in members(notebook, several, to)]
        table = run_grid(every, jobs, timeout)
        print(f"{table.to_string(index=False, na_rep='')}\n\n{collected(table, every, to)}")
        return int((table["failed"] != "").any())
    return _run({notebook: given for notebook, (given,) in grids.items()}, to, timeout)


def _named(word: str) -> list[Path]:
    """The notebooks that a word names; it may be a file's name, or `all`."""
    every = sorted(NOTEBOOKS.glob("*.ipynb"))
    if not every:
        raise RunError(f"no notebooks in {NOTEBOOKS}/: call it in the folder of the repository")
    return every if word == "all" else [NOTEBOOKS / f"{Path(word).name.removesuffix('.ipynb')}.ipynb"]


def _run(parameters: Mapping[Path, dict[str, Any]], to: Path, timeout: int) -> int:
    for notebook, given in parameters.items():
        print(f"running {notebook.stem} ...", flush=True)
        try:
            copy = execute(notebook, to, given, timeout)
        except RunError as error:
            print(f"fedsparse: {error}", file=sys.stderr)
            return 1
        print(f"{terminal_output(copy)}\n\nexecuted notebook: {copy}")
        if figures := json.loads(copy.with_suffix(".json").read_text(encoding="utf-8")).get("figures"):
            print(f"figures: {os.path.relpath(figures)}")
    return 0


def _refresh(notebooks: Sequence[Path], force: bool, jobs: int) -> int:
    why = stale(notebooks)
    for notebook in notebooks:
        print(f"{notebook.stem}: {', '.join(why.get(notebook, ['up to date']))}", flush=True)
    failed = refresh_all([n for n in notebooks if force or n in why], jobs)
    for reason in failed.values():
        print(f"fedsparse: {reason}", file=sys.stderr)
    return int(bool(failed))
