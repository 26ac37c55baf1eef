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


NETWORKS = {"sampled": "accuracy", "threshold": "accuracy_threshold", "expected": "accuracy_expected"}
"""The column of each network's accuracy: sampled masks, the mask θ > ½ that is shipped, and weights θ ⊙ w."""


def accuracies(runs: "pandas.DataFrame", digits: int = 1) -> dict[str, str]:
    """For each of `NETWORKS` its accuracy in percent as text, as `plus_minus` of the rows, which are seeds."""
    return {network: plus_minus(100 * runs[column], digits) for network, column in NETWORKS.items()}


def scored(
    guess: Mapping[str, float | str | None],
    measured: "Mapping[str, float] | Mapping[str, float | str] | pandas.Series",
    digits: int = 2,
) -> "pandas.DataFrame":
    """One row per quantity of `measured`: `guessed`, `measured`, and how far the guess is `off by`, if all are numbers.

    Where nothing was guessed, as by a program that runs the notebook, the table has what was measured alone.
    """
    import pandas

    found = {str(name): value for name, value in measured.items()}
    guessed = {name: guess[name] for name in found}
    words = any(isinstance(value, str) for value in (*found.values(), *guessed.values()))
    table = pandas.DataFrame({"guessed": guessed, "measured": found}, dtype=object if words else float)
    if table["guessed"].isna().all():
        table = table[["measured"]]
    elif not words:
        table = table.assign(**{"off by": (table["guessed"] - table["measured"]).abs()})
    return table.map(lambda value: value if isinstance(value, str) or value is None else round(value, digits))


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
