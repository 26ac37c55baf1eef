"""Run a notebook with other parameters, a grid of them, or refresh notebooks in place.

    python -m fedsparse notebook NAME [name=value …] [to=FOLDER] [timeout=SECONDS]
    python -m fedsparse notebook NAME --multirun lam=1,3,10 seeds=[0],[1] [jobs=2]
    python -m fedsparse notebook all --in-place [--force] [jobs=2]

NAME is a notebook in notebooks/, or all. An executed copy goes to the folder `to` [runs/notebooks]. --in-place
refreshes the notebooks whose source has changed, --force the others too. timeout is what a cell may take [no limit];
jobs notebooks run in parallel [as many as there are cores].
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fedsparse.errors import RunError, SettingError
from fedsparse.tools.notebooks.files import terminal_output
from fedsparse.tools.notebooks.running import attempt_all, execute, parameters_of, refresh, run_grid
from fedsparse.tools.notebooks.stamps import changed
from fedsparse.tools.overrides import MULTIRUN, CommandLine
from fedsparse.tools.parameters import checked


def main(argv: Sequence[str]) -> int:
    """Run or refresh notebooks; returns the exit code: 0 done, 1 a cell failed.

    Raises:
        FedsparseError: a mistake in the call.
    """
    line = CommandLine(argv, words={"notebook": ()}, switches=(MULTIRUN, "--in-place", "--force"))
    jobs, folder = line.option("jobs", os.cpu_count() or 1), Path("notebooks")
    notebooks = sorted(folder.glob("*.ipynb"))
    if not notebooks:
        raise RunError(f"no notebooks in {folder}/: call it in the folder of the repository")
    if line.words != ["all"]:
        notebooks = [folder / f"{Path(line.words[0]).name.removesuffix('.ipynb')}.ipynb"]
    if "--in-place" in line.switches:
        if line.given or line.multirun:
            raise SettingError("--in-place refreshes a notebook with its own defaults: it takes no parameters but jobs")
        return _refresh(notebooks, "--force" in line.switches, jobs)
    if "--force" in line.switches:
        raise SettingError("--force belongs to --in-place")
    to, timeout = Path(os.path.expanduser(line.option("to", "runs/notebooks"))), line.option("timeout", 0)
    known = {notebook: parameters_of(notebook) for notebook in notebooks}
    kinds = {name: isinstance(default, str) for some in known.values() for name, default in some.items()}
    grid = line.combinations(kinds, "parameter")
    grids = {n: [checked(given, known[n], n.stem) for given in grid] for n in notebooks}
    if line.multirun:
        table, file = run_grid(grids, to, jobs, timeout)
        print(f"{table.to_string(index=False, na_rep='')}\n\n{file}")
        return int(any(table["failed"]))
    for notebook, (given,) in grids.items():
        print(f"running {notebook.stem} ...", flush=True)
        try:
            node = execute(notebook, to, given, timeout)
        except RunError as error:
            print(f"fedsparse: {error}", file=sys.stderr)
            return 1
        print(f"{terminal_output(node)}\n\nexecuted notebook: {to / notebook.name}")
        if figures := node.metadata.papermill.parameters.get("figures"):
            print(f"figures: {os.path.relpath(figures)}")
    return 0


def _refresh(notebooks: Sequence[Path], force: bool, jobs: int) -> int:
    why = {notebook: changed(notebook) for notebook in notebooks}
    for notebook, names in why.items():
        print(f"{notebook.stem}: {', '.join(names) or 'up to date'}", flush=True)
    outcomes = attempt_all(refresh, [(notebook,) for notebook, names in why.items() if force or names], jobs)
    failed = [f"fedsparse: {reason}\n" for _, reason in outcomes if reason]
    sys.stderr.writelines(failed)
    return int(bool(failed))
