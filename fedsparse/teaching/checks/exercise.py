"""How an exercise is checked: the reader's function, on inputs whose answers are known."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Cases = Iterator[tuple[tuple, Any, str]]
"""Of an exercise, one after another: arguments, expected, and the hint if that is not what the answer returns."""


def exercise(cases: Callable[[], Cases]) -> Callable[[Callable[..., Any]], bool]:
    """Make a function that yields cases into a check: given an answer, it prints PASS or the hint of the first miss."""

    def check(answer: Callable[..., Any]) -> bool:
        for arguments, expected, hint in cases():
            try:
                returned = answer(*copy.deepcopy(arguments))  # an answer may change them in place
                if returned is ...:
                    print(f"Not yet: the function is still to be written. {hint}")
                    return False
                got = np.asarray(returned, dtype=float)
            except Exception as error:  # whatever the reader's code raises is shown to the reader
                print(f"Not yet: {type(error).__name__}: {error}. {hint}")
                return False
            right = got.shape == np.shape(expected) and np.allclose(got, expected, atol=1e-6, equal_nan=True)
            if returned is None or not right:  # None would be NaN
                print(f"Not yet. {hint}")
                return False
        print("PASS")
        return True

    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(check, name, getattr(cases, name))
    return check
