"""A grid of parameters over a notebook: side by side, gone on with where it was cut, collected in one table."""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsparse.errors import FedsparseError, RunError, SettingError
from fedsparse.tools.notebooks.execution import execute
from fedsparse.tools.notebooks.files import checked, parameters_of, read, results_of, tagged
from fedsparse.tools.notebooks.refreshing import share_cores
from fedsparse.tools.notebooks.stamps import stamp

if TYPE_CHECKING:
    import pandas

DONE = "results.json"
"""Written last into a member's folder: what is there is finished."""


@dataclass(frozen=True)
class Member:
    """One execution of a grid: a notebook with parameters, in a folder that these and its source name."""

    notebook: Path
    given: dict[str, Any]
    folder: Path

    def results(self) -> dict[str, float | str] | None:
        """What it found, or None if it is not finished."""
        file = self.folder / DONE
        return json.loads(file.read_text()) if file.exists() else None


def members(notebook: Path, grid: Sequence[Mapping[str, Any]], to: Path) -> list[Member]:
    """Every member of a grid, checked; folders are `<to>/<notebook>/<parameters>-<hash>/`.

    Raises:
        RunError: no such notebook, or none that a grid can collect from.
        SettingError: a parameter that the notebook does not have, or of the wrong type; a combination named twice.
    """
    known = parameters_of(notebook)
    node = read(notebook)
    if len(tagged(node, "results")) != 1:
        raise RunError(f"{notebook.stem} has no cell tagged 'results', so a grid would have nothing to collect")
    source = stamp(node, notebook.resolve().parent.parent)
    every = [checked(given, known, notebook.stem) for given in grid]
    for i, given in enumerate(every):
        if given in every[:i]:
            raise SettingError(f"the grid names {given} twice: each value once, as in lam=0,1,3")
    return [Member(notebook, given, to / notebook.stem / _slug(given, source)) for given in every]


def run_grid(every: Sequence[Member], jobs: int) -> "pandas.DataFrame":
    """Do the members that are not done, `jobs` at a time; one row each: notebook, parameters, results, `failed`."""
    import joblib
    import pandas

    jobs = min(jobs, max(1, len(every)))
    failed = joblib.Parallel(n_jobs=jobs)(joblib.delayed(_attempt)(m, jobs) for m in every)
    rows = [
        {"notebook": m.notebook.stem}
        | {n: _flat(v) for n, v in m.given.items()}
        | (m.results() or {})
        | {"failed": why}
        for m, why in zip(every, failed, strict=True)
    ]
    table = pandas.DataFrame(rows)
    return table[[*table.columns.drop("failed"), "failed"]]


def collected(table: "pandas.DataFrame", every: Sequence[Member], to: Path) -> Path:
    """Write the table as CSV; a grid has a file of its own, and the same one when it is called again."""
    names = sorted({m.notebook.stem for m in every})
    key = _hash([str(m.folder) for m in every])
    file = to / f"{names[0] if len(names) == 1 else 'notebooks'}-{key}.csv"
    table.to_csv(file, index=False, lineterminator="\n")
    return file


def _attempt(member: Member, jobs: int) -> str:
    """Run a member unless it is done; why it failed, or nothing."""
    if member.results() is not None:
        return ""
    share_cores(jobs)
    try:
        found = results_of(execute(member.notebook, member.folder, member.given))
        if both := ", ".join(set(found) & set(member.given)):
            raise RunError(f"{member.notebook.stem}: {both} is a parameter and a result: rename the result")
        partial = member.folder / f".{DONE}.partial"
        partial.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        os.replace(partial, member.folder / DONE)
    except (FedsparseError, OSError) as error:
        return " ".join(str(error).split())
    return ""


def _slug(given: Mapping[str, Any], source: Mapping[str, Any]) -> str:
    """Readable, and another for other source: what earlier code left is not taken for a result of today's."""
    words = "-".join(f"{name}{_flat(value)}" for name, value in given.items())
    readable = re.sub(r"[^A-Za-z0-9.+-]+", "_", words).strip("_.")[:80] or "defaults"
    return f"{readable}-{_hash([sorted(given.items()), source])}"


def _flat(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _hash(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=4).hexdigest()
