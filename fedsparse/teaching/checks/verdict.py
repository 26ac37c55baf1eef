"""How an exercise is checked: the reader's function, on inputs whose answers are known."""

from collections.abc import Callable
from typing import Any

import numpy as np


def verdict(answer: Callable[..., Any], cases: list[tuple[tuple, Any, str]]) -> bool:
    """Print PASS, or the hint of the first case that the answer gets wrong; a case: arguments, expected, hint."""
    for arguments, expected, hint in cases:
        try:
            returned = answer(*arguments)
            if returned is ...:
                print(f"Not yet: the function is still to be written. {hint}")
                return False
            got = np.asarray(returned, dtype=float)
        except Exception as error:  # whatever the reader's code raises is shown to the reader
            print(f"Not yet: {type(error).__name__}: {error}. {hint}")
            return False
        if got.shape != np.shape(expected) or not np.allclose(got, expected, atol=1e-6):
            print(f"Not yet. {hint}")
            return False
    print("PASS")
    return True
