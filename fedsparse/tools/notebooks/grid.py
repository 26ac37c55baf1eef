"""A grid of parameters over a notebook: executed in parallel, resumed after a stop, collected in one table."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsparse.errors import RunError, SettingError
from fedsparse.tools.notebooks.execution import attempt_all, execute
from fedsparse.tools.notebooks.files import read, results_of, tagged, write_whole
from fedsparse.tools.notebooks.stamps import digest, stamp

if TYPE_CHECKING:
    import pandas

DONE = "results.json"
"""The file that is written last into a member's folder: where it is, the member is finished."""


@dataclass(frozen=True)
class Member:
    """One execution of a grid: a notebook with parameters, in a folder named after these and the code's stamp."""

    notebook: Path
    given: dict[str, Any]
    folder: Path

    def results(self) -> dict[str, float | str] | None:
        """The results of the notebook, or None if it is not finished."""
        file = self.folder / DONE
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def members(notebook: Path, grid: Sequence[Mapping[str, Any]], to: Path) -> list[Member]:
    """The members of a grid, in the folders `<to>/<notebook>/<parameters>-<hash>/`.

    Raises:
        RunError: no such notebook, or none that shows results.
        SettingError: a combination that is named twice.
    """
    node = read(notebook)
    if len(tagged(node, "results")) != 1:
        raise RunError(f"{notebook.stem} has no cell tagged 'results', so a grid would have nothing to collect")
    made = stamp(node, notebook.resolve().parent.parent)
    found = []
    for given in map(dict, grid):
        if given in [member.given for member in found]:
            raise SettingError(f"the grid names {given} twice: each value once, as in lam=0,1,3")
        found.append(Member(notebook, given, to / notebook.stem / _folder_name(given, made)))
    return found


def run_grid(every: Sequence[Member], jobs: int, timeout: int = 0) -> "pandas.DataFrame":
    """Execute the members that are not finished, `jobs` at a time.

    Args:
        timeout: seconds that one cell may take; 0 is no limit.

    Returns:
        One row per member: notebook, parameters, results, and `failed`, the reason if there is one.
    """
    import pandas

    reasons = attempt_all(partial(_finish, timeout=timeout), every, jobs)
    rows = [
        {"notebook": m.notebook.stem, **{name: _flat(value) for name, value in m.given.items()}, **(m.results() or {})}
        | {"failed": reason}
        for m, reason in zip(every, reasons, strict=True)
    ]
    table = pandas.DataFrame(rows)
    return table[[*table.columns.drop("failed"), "failed"]]


def collected(table: "pandas.DataFrame", every: Sequence[Member], to: Path) -> Path:
    """Write the table as CSV into a folder; the same grid is written to the same file again.

    Raises:
        SettingError: the file cannot be written.
    """
    names = sorted({m.notebook.stem for m in every})
    key = digest(*(str(m.folder).encode() for m in every))
    file = to / f"{names[0] if len(names) == 1 else 'notebooks'}-{key}.csv"
    try:
        table.to_csv(file, index=False, lineterminator="\n")
    except OSError as error:
        raise SettingError(f"cannot write {file}: {error.strerror or error}; name another folder with to=") from None
    return file


def _finish(member: Member, timeout: int) -> None:
    """Execute a member, unless it is finished, and write down its results."""
    if member.results() is not None:
        return
    found = results_of(execute(member.notebook, member.folder, member.given, timeout))
    if both := ", ".join(set(found) & set(member.given)):
        raise RunError(f"{member.notebook.stem}: {both} is a parameter and a result: rename the result")
    write_whole(member.folder / DONE, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def _folder_name(given: Mapping[str, Any], made: Mapping[str, str]) -> str:
    """A readable name that differs for other code: results of earlier code are not taken for today's."""
    words = "-".join(f"{name}{_flat(value)}" for name, value in given.items())
    readable = re.sub(r"[^A-Za-z0-9.+-]+", "_", words).strip("_.")[:80] or "defaults"
    return f"{readable}-{digest(json.dumps([sorted(given.items()), made]).encode())}"


def _flat(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value
