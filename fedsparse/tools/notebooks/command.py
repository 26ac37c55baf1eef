"""The command line of the notebooks.

Run one notebook with other parameters, or a grid of them, or refresh those whose source changed where they are.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from fedsparse.errors import FedsparseError, RunError, SettingError
from fedsparse.tools.notebooks.execution import execute
from fedsparse.tools.notebooks.files import NOTEBOOKS, terminal_output
from fedsparse.tools.notebooks.grid import collected, members, run_grid
from fedsparse.tools.notebooks.refreshing import refresh_all, stale
from fedsparse.tools.overrides import combinations

SMALL = "small.yaml"


def main(argv: Sequence[str]) -> int:
    """The command line; returns the exit code: 0 done, 1 a cell failed, 2 a mistake in the call."""
    options = _parser().parse_intermixed_args(argv)
    try:
        grid = combinations(options.parameters, options.multirun)
        if options.in_place and (options.parameters or options.small or options.multirun):
            raise SettingError("--in-place refreshes a notebook with its own defaults: it takes no parameters")
        if options.jobs < 1:
            raise SettingError(f"--jobs {options.jobs}: at least 1")
        names = sorted(p.stem for p in NOTEBOOKS.glob("*.ipynb")) if options.name == "all" else [options.name]
        if not names:
            raise RunError(f"no notebooks in {NOTEBOOKS}/: call it in the folder of the repository")
        chosen = [NOTEBOOKS / f"{name.removesuffix('.ipynb')}.ipynb" for name in names]
        if options.in_place:
            return _refresh(chosen, options.force, options.jobs)
        small = yaml.safe_load((NOTEBOOKS / SMALL).read_text()) if options.small else {}
        grids = {n: [{**small.get(n.stem, {}), **given} for given in grid] for n in chosen}
        if options.multirun:
            every = [m for n, several in grids.items() for m in members(n, several, Path(options.to))]
            table = run_grid(every, options.jobs)
            print(f"{table.to_string(index=False, na_rep='')}\n\n{collected(table, every, Path(options.to))}")
            return int((table["failed"] != "").any())
        for notebook, (given,) in grids.items():
            print(f"running {notebook.stem} ...", flush=True)
            copy = execute(notebook, Path(options.to), given)
            print(f"{terminal_output(copy)}\n\nexecuted notebook: {copy}")
            if figures := json.loads(copy.with_suffix(".json").read_text()).get("figures"):
                print(f"figures: {os.path.relpath(figures)}")
    except KeyboardInterrupt:
        print("\nfedsparse.notebooks: stopped; finished rounds are kept, and the same call goes on", file=sys.stderr)
        return 130
    except RunError as error:
        print(f"fedsparse.tools.notebooks: {error}", file=sys.stderr)
        return 1
    except FedsparseError as error:
        print(f"fedsparse.tools.notebooks: {error}", file=sys.stderr)
        return 2
    return 0


def _refresh(chosen: Sequence[Path], force: bool, jobs: int) -> int:
    why = stale(chosen)
    for notebook in chosen:
        print(f"{notebook.stem}: {', '.join(why.get(notebook, ['up to date']))}", flush=True)
    failed = refresh_all([n for n in chosen if force or n in why], jobs)
    for reason in failed.values():
        print(f"fedsparse.tools.notebooks: {reason}", file=sys.stderr)
    return int(bool(failed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fedsparse notebook", description=__doc__.split("\n\n")[1])
    parser.add_argument("name", help="a notebook in notebooks/, without .ipynb, or 'all'")
    parser.add_argument("parameters", nargs="*", metavar="name=value", help="parameters other than the defaults")
    parser.add_argument(
        "-m", "--multirun", action="store_true", help="every combination, as in lam=0,1,3 seeds=[0],[1]"
    )
    parser.add_argument("--to", default="runs/notebooks", help="folder for executed copies (default: %(default)s)")
    parser.add_argument("--small", action="store_true", help=f"small parameters from notebooks/{SMALL} first")
    parser.add_argument(
        "--in-place", action="store_true", help="refresh notebooks whose source changed, where they are"
    )
    parser.add_argument("--force", action="store_true", help="with --in-place: also those that are up to date")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="notebooks at a time (default: all cores)"
    )
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever stops it: kernels and their workers go too
    sys.exit(main(sys.argv[1:]))
