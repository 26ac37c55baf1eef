"""A notebook's parameters: those given are checked, and its folders are found from wherever it runs.

papermill only warns of a misspelt parameter and runs the default, keeps a list as text, and does not tell the kernel
where the notebook lies. Each notebook calls `prepare_parameters` at the beginning of its set-up cell.
"""

import ast
import contextlib
import os
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import fedsparse
from fedsparse.errors import SettingError
from fedsparse.setting import nearest

WRITTEN = ("out", "figures")
"""Parameters that name the folders into which a notebook writes,"""
READ = ("results", "data_root", "networks")
"""and those from which it reads."""
REPOSITORY = Path(fedsparse.__file__).parents[1]


def prepare_parameters() -> None:
    """Check the parameters of the notebook that calls it, and put lists and folders in the place of text.

    A folder that the notebook itself names lies in the working directory, or beside it where this is `notebooks/`; one
    to read from may also lie in the repository. A folder that is given is seen from the working directory.

    Raises:
        SettingError: a given parameter is unknown or of another type than its default, or no stored results are found.
    """
    from IPython import get_ipython

    names = get_ipython().user_ns
    if others := prepare(names["In"], names):
        print("run with", ", ".join(f"{name} = {value!r}" for name, value in others.items()))
        print("Outputs and figures are of this run; what the text says of numbers holds for the defaults.")


def prepare(cells: Sequence[str], names: MutableMapping[str, Any]) -> dict[str, Any]:
    """Prepare the parameters among `names`; returns those that were given and differ from their defaults.

    Args:
        cells: sources of the cells that were executed, in order: the declared parameters, and those from papermill.
        names: the variables of the kernel.

    Raises:
        SettingError: as `prepare_parameters`.
    """
    known, given = _declared_and_given(cells)
    found = checked({name: names[name] for name in given}, known, "this notebook")
    home = Path(".." if Path.cwd().name == "notebooks" else ".")
    for name in {*WRITTEN, *READ} & set(names) - set(found):
        folder = names[name]  # `known` is empty where a kernel keeps no history, as under nbval
        if not isinstance(folder, str) or known.get(name, folder) != folder:
            continue  # another variable, or set by hand, or found before
        if Path(folder).is_absolute() or folder.startswith(".."):
            continue
        places = [Path(), Path(".."), REPOSITORY] if name in READ else []
        there = [place / folder for place in places if (place / folder).is_dir()]
        found[name] = str((there or [home / folder])[0])
    names.update(found)
    if isinstance(names.get("results"), str) and not Path(names["results"]).is_dir():
        raise SettingError(f"no stored results in {names['results']!r}: let results name the repository's data/results")
    return {n: found[n] for n in given if n not in (*WRITTEN, *READ) and found[n] != known[n]}


def checked(given: Mapping[str, Any], known: Mapping[str, Any], notebook: str) -> dict[str, Any]:
    """The given parameters, if each is known to the notebook and has its default's type.

    A list may be given as text, and a path is made absolute: it is given as seen from here.

    Args:
        known: the notebook's parameters with their defaults.
        notebook: its name, for messages.

    Raises:
        SettingError: an unknown name, a value of another type, or a list that names a value twice.
    """
    found = dict(given)
    for name, value in given.items():
        if name not in known:
            raise SettingError(f"{notebook} has no parameter {name!r}{nearest(name, known)}; it has {', '.join(known)}")
        kind = type(known[name])
        if kind is list and isinstance(value, str):
            with contextlib.suppress(ValueError, SyntaxError):
                found[name] = value = ast.literal_eval(value)
        if type(value) is not kind and (type(value), kind) != (int, float):
            raise SettingError(f"{name}={value!r} is not like its default in {notebook}, {known[name]!r}")
        if kind is list and any(item in value[:i] for i, item in enumerate(value)):
            raise SettingError(f"{name}={value} names a value twice, which would count as two independent ones")
        if kind is str and (name in (*WRITTEN, *READ) or "/" in known[name]):
            found[name] = os.path.realpath(os.path.expanduser(value))
    return found


def _declared_and_given(cells: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The declared parameters with their defaults, and the names that papermill gave after them."""
    known: dict[str, Any] = {}
    given: list[str] = []
    for source in cells:
        try:
            statements = ast.parse(source).body
        except SyntaxError:  # a cell that failed
            continue
        if statements and all(isinstance(s, ast.AnnAssign) for s in statements):
            known, given = {s.target.id: ast.literal_eval(s.value) for s in statements}, []  # type: ignore[attr-defined]
        elif source.startswith("# Parameters\n"):
            given = [s.targets[0].id for s in statements]  # type: ignore[attr-defined]
    return known, given
