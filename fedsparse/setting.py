"""One setting: its default, what is allowed, its line of help, and the check of a value."""

import difflib
import math
import numbers
import os
from collections.abc import Iterable, Mapping
from dataclasses import Field, field
from typing import Any

from fedsparse.errors import SettingError
from fedsparse.own.names import check_name, is_own, name_of

LONGEST_NAME = 100
"""Bytes of a name that becomes part of a folder's name."""
ALIASES = {"gpu": "cuda"}
"""What other programs call it."""


def setting(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    low: float = -math.inf,
    high: float = math.inf,
    is_name: bool = False,
    own: bool = False,
    only: Mapping[str, tuple[str, ...]] | None = None,
    only_if_lam: bool = False,
):
    """A field of `Experiment`.

    Args:
        is_name: of a text, that it becomes part of a file's name, so that it may not be a path.
        own: beside the choices it may name a function or class of the user's own, `package.module:name`.
        only: the setting is read only where these other settings have one of these values.
        only_if_lam: the setting is read only where λ may be above 0.
    """
    metadata = {
        "help": help, "choices": choices, "low": low, "high": high, "is_name": is_name, "own": own,
        "only": only or {}, "only_if_lam": only_if_lam,
    }  # fmt: skip
    return field(default=default, metadata=metadata)


def nearest(name: str, known: Iterable[str]) -> str:
    """`"; did you mean 'lam'?"`, or nothing when no known name is near."""
    known = list(known)
    close = [a for a in (ALIASES.get(name),) if a in known] or difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def allowed(setting: Field) -> str:
    """The allowed values, in words, for messages and tables."""
    meta = setting.metadata
    if meta["choices"]:
        return ", ".join(meta["choices"]) + ", or package.module:name" * meta["own"]
    low, high = meta["low"], meta["high"]
    if math.isinf(low):
        return "a name" if meta["is_name"] else "any text"
    return f"at least {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"


def help_of(setting: Field) -> str:
    """The line of help, with the algorithms that read the setting if not all do."""
    meta = setting.metadata
    readers = ", ".join(meta["only"].get("algorithm", ()))
    return meta["help"] + (f" (algorithm={readers})" if readers else "")


def checked(setting: Field, value: Any) -> Any:
    """`value` in the setting's own type: paths and NumPy's numbers become text and Python's numbers.

    Raises:
        SettingError: it is of another type, or not allowed; the message says what would be right.
    """
    name, meta = setting.name, setting.metadata
    wrong = f"{name}={value!r}"
    if setting.type is str:
        if meta["own"] and callable(value):
            return name_of(name, value)
        text = os.fspath(value) if isinstance(value, os.PathLike) else value
        if text == setting.default:
            return text
        if not isinstance(text, str) or not text.strip() or "\0" in text:
            raise SettingError(f"{wrong} is not a text; allowed: {allowed(setting)}")
        if meta["own"] and is_own(text):
            check_name(name, text)  # before it becomes a part of a folder's name
        if meta["choices"] and text not in meta["choices"] and not (meta["own"] and is_own(text)):
            raise SettingError(f"{wrong} is not one of {allowed(setting)}{nearest(text, meta['choices'])}")
        if meta["is_name"] and not _is_name(text):
            raise SettingError(
                f"{wrong} is not a name: printable, at most {LONGEST_NAME} bytes, neither / nor \\ in it"
            )
        return str(text)
    kind = "a whole number" if setting.type is int else "a finite number"
    finite = isinstance(value, numbers.Integral) or (isinstance(value, numbers.Real) and math.isfinite(value))
    if isinstance(value, bool) or not finite or (setting.type is int and value != int(value)):
        raise SettingError(f"{wrong} is not {kind}; allowed: {allowed(setting)}")
    if not meta["low"] <= value <= meta["high"]:
        raise SettingError(f"{wrong} is out of range; allowed: {allowed(setting)}")
    return int(value) if setting.type is int else float(value)


def _is_name(text: str) -> bool:
    fits = text.isprintable() and len(text.encode()) <= LONGEST_NAME
    return fits and not set(text) & set("/\\") and text not in (".", "..")
