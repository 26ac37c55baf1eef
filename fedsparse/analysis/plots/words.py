"""A table in words, for the text that stands in for a figure."""

from typing import TYPE_CHECKING, Any

from fedsparse.analysis.plots.style import LABELS

if TYPE_CHECKING:
    import pandas


def in_words(table: "pandas.DataFrame | pandas.Series", decimals: int = 3) -> str:
    """One clause per row, for an alt text: "λ = 0: density 0.497, KL 0.011; λ = 3: density 0.09, KL 0.008".

    Args:
        table: its index names the rows, by numbers or by words; its columns name the values, measures such
            as `bpp_uplink` by their labels. A series has one value per row.
        decimals: of the values, at most.
    """
    frame: Any = table.to_frame("") if table.ndim == 1 else table  # type: ignore[operator]
    rows = []
    for label, row in frame.iterrows():
        where = label if isinstance(label, str) else f"{frame.index.name or 'row'} = {_value(label, 6)}"
        names = [LABELS.get(column, column) if "_" in column else column for column in row.index]
        values = ", ".join(f"{name} {_value(value, decimals)}".strip() for name, value in zip(names, row, strict=True))
        rows.append(f"{where}: {values}")
    return "; ".join(rows)


def _value(value: Any, decimals: int) -> str:
    """Text as it is; a number without trailing zeros, and "none" for NaN."""
    if isinstance(value, str):
        return value
    if value != value:
        return "none"
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
