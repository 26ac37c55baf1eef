"""Values in a few words, for the one line of a check."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas

MOST = 16
"""Items of a list, or entries of an array, that are shown, and four times as many of a table; of more, the shape is."""
LONGEST = 200
"""Characters of a value that are shown."""


def shown(value: Any) -> str:
    """A value on one line, such as [1, 0.5, …], cut where it is long."""
    text = " ".join(_text(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def kind_of(value: Any) -> str:
    """What a value is: 'a number', 'True or False', 'an array of shape (2, 3)', 'a dict'."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    if isinstance(value, bool | np.bool_) or (isinstance(value, np.ndarray) and value.dtype == bool):
        return "True or False"
    if isinstance(value, int | float | np.number | np.ndarray):
        return "a number"
    name = {"str": "text", "function": "a function"}.get(type(value).__name__)
    return name or f"a {type(value).__name__}"


def _text(value: Any) -> str:
    if hasattr(value, "detach"):  # a tensor of PyTorch
        value = value.detach().cpu().numpy()
    if isinstance(value, pandas.DataFrame):
        columns = ", ".join(f"{name} {_text(value[name])}" for name in value)
        if value.size <= 4 * MOST:
            return f"a table: {columns}"
        return f"a table of {len(value)} rows, {', '.join(map(str, value))}"
    if isinstance(value, np.ndarray | pandas.Series):
        value = np.asarray(value)
        return _text(value.tolist()) if value.size <= MOST else f"an array of shape {value.shape}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, list | tuple | set | frozenset):
        brackets = {list: "[]", tuple: "()"}.get(type(value), "{}")
        return brackets[0] + _items(value) + brackets[1]
    return getattr(value, "__name__", None) or repr(value)


def _items(values: Iterable[Any]) -> str:
    texts = [_text(value) for value in values]
    return ", ".join(texts[:MOST] + ["…"] * (len(texts) > MOST))
