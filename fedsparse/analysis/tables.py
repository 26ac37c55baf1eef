"""Small tables for a notebook's page: a mean with its interval, a prediction beside what was measured, bands."""

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


def in_bands(results: Mapping[str, tuple[float, float, float]]) -> str:
    """One line per result: its band, and whether it lies inside; only a result outside is shown.

    The text is thus the same on every processor, though what is trained does not return to the digit.

    Args:
        results: by name, the value, and the least and the largest that are expected with a notebook's own parameters.
    """
    width = max(map(len, results))
    return "\n".join(
        f"{name:{width}}  {low:,g} to {high:,g}: " + ("inside" if low <= value <= high else f"OUTSIDE, {value:,g}")
        for name, (value, low, high) in results.items()
    )
