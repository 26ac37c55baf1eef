"""Predictions wait for the reader: a guess begins as None, and the notebook goes on when a value is written."""

from collections.abc import Mapping
from typing import Any

from fedsparse.errors import FedsparseError


class PredictionMissing(FedsparseError):
    """A notebook waits for a prediction. Shown as one line, without a traceback."""

    def _render_traceback_(self) -> list[str]:  # IPython's own name for this
        return [str(self)]


def prediction(guess: Any) -> None:
    """Stop the notebook until a prediction is written, if somebody is there to write it.

    Papermill, nbval and nbconvert run a notebook for nobody, and tell the kernel that it cannot ask: then the notebook
    goes on without a prediction.

    Args:
        guess: a value, or a dict of values, or of such dicts; None where nothing is predicted yet.

    Raises:
        PredictionMissing: there is a None, and a reader in front of the notebook.
    """
    missing = _missing("", guess)
    if not missing:
        return
    if _somebody_is_there():
        names = f" for {', '.join(missing)}" if isinstance(guess, Mapping) else ""
        raise PredictionMissing(
            f"This waits for your prediction: write a value in place of None{names}, and run the cell again. "
            "To go on without one, write float('nan')."
        )
    print("(no guess was entered)")


def _missing(name: str, guess: Any) -> list[str]:
    if isinstance(guess, Mapping):
        return [found for key, value in guess.items() for found in _missing(f"{name}, {key}" if name else key, value)]
    return [f"'{name}'"] if guess is None else []


def _somebody_is_there() -> bool:
    """Whether the kernel's front end can be asked, as a person's can; False outside of a notebook."""
    from IPython.core.getipython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False))  # no public name; what input() itself looks at
