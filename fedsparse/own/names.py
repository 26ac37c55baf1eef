"""What a user brings: a module, a partition, a regularizer or an algorithm, named as `package.module:name`.

A setting holds the name, so that a run can be resumed and is known by it; in Python the object itself may be given.
"""

import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from fedsparse.errors import FedsparseError, SettingError, one_line

PARTS = ("model", "partition", "regularizer", "algorithm")
"""Settings that may name an object of the user's own."""


def is_own(value: Any) -> bool:
    """Whether a setting's value names an object of the user's own, or is one."""
    return ":" in value if isinstance(value, str) else callable(value)


def check_name(setting: str, name: str) -> None:
    """Raises `SettingError` unless a text is written as `package.module:name`."""
    module, _, attribute = name.partition(":")
    if module.endswith(".py") or not all(part.isidentifier() for part in module.split(".")):
        raise SettingError(f"{setting}={name}: {module} is no name of a module; it must be package.module:name")
    if not attribute.isidentifier():
        raise SettingError(f"{setting}={name}: {attribute!r} is no name in a module; it must be package.module:name")


def name_of(setting: str, value: Any) -> str:
    """The name of a function or class at the top of its module; a name is one already.

    Raises:
        SettingError: it has none, as a lambda or a function inside another has not; or it is in a script, whose name
            for itself, `__main__`, is that of every other script too.
    """
    if isinstance(value, str):
        return value
    name, module = getattr(value, "__qualname__", ""), getattr(value, "__module__", "")
    if module == "__main__":
        raise SettingError(f"{setting}: {name} is in the script that runs; put it into a module, where a run finds it")
    if not module or not name.isidentifier():
        what = name or f"this {type(value).__name__}"
        way = "define it at the top of a module" if name else "give its name, as package.module:name"
        raise SettingError(f"{setting}: {what} cannot be found by name; {way}")
    return f"{module}:{name}"


def resolve(setting: str, name: str) -> Any:
    """The object behind `package.module:name`.

    Raises:
        SettingError: there is no such module, or it has nothing of that name, or fails when it is imported.
    """
    check_name(setting, name)
    module, _, attribute = name.partition(":")
    try:
        found = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever the user's module raises
        raise SettingError(
            f"{setting}={name}: cannot import {module!r} ({type(error).__name__}: {one_line(error)})"
        ) from None
    if not hasattr(found, attribute):
        raise SettingError(f"{setting}={name}: {module} has no {attribute!r}; it must be package.module:name")
    return getattr(found, attribute)


def call(setting: str, name: str, *arguments: Any) -> Any:
    """What the object behind a name returns; whatever it raises becomes one line.

    Raises:
        SettingError: as `resolve`, or what the user's function raised.
    """
    function = resolve(setting, name)
    with in_one_line(f"{setting}={name}"):
        return function(*arguments)


def named_if_it_fails(experiment: Any) -> AbstractContextManager[None]:
    """`in_one_line`, with the user's own parts of an experiment; where it has none, errors are left as they are."""
    own = [f"{name}={value}" for name in PARTS if is_own(value := getattr(experiment, name))]
    return in_one_line(" or ".join(own)) if own else nullcontext()


@contextmanager
def in_one_line(what: str) -> Iterator[None]:
    """What the user's own code raises in it becomes one line that names it.

    Raises:
        SettingError: something was raised that is no error of this package.
    """
    try:
        yield
    except FedsparseError:
        raise
    except (Exception, SystemExit) as error:
        raise SettingError(f"{what} failed: {type(error).__name__}: {one_line(error)}") from error
