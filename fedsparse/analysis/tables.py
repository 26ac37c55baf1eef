"""Small tables for a notebook's page: a mean with its interval, and a prediction beside what was measured."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fedsparse.analysis.sweeps import interval

if TYPE_CHECKING:
    import pandas


def plus_minus(values: "Sequence[float] | pandas.Series", digits: int = 1, sign: str = "") -> str:
    """Mean of independent values ± half-width of its 95 % interval (Student's t), as text; one value has none.

    Args:
        sign: "+" for a mean with its sign, as of a difference.
    """
    mean, half = interval(values)
    return f"{mean:{sign}.{digits}f}" + ("" if math.isnan(half) else f" ± {half:.{digits}f}")


def scored(
    guess: Mapping[str, float | None], measured: "Mapping[str, float] | pandas.Series", digits: int = 2
) -> "pandas.DataFrame":
    """One row per quantity of `measured`: `guessed`, `measured`, and how far the guess is `off by`.

    Where nothing was guessed, as by a program that runs the notebook, the table has what was measured alone.
    """
    import pandas

    found = {str(name): value for name, value in measured.items()}
    table = pandas.DataFrame({"guessed": {name: guess[name] for name in found}, "measured": found}, dtype=float)
    if table["guessed"].isna().all():
        return table[["measured"]].round(digits)
    return table.assign(**{"off by": (table["guessed"] - table["measured"]).abs()}).round(digits)
