"""A table in words, for the text that stands in for a figure."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas


def in_words(table: "pandas.DataFrame | pandas.Series", decimals: int = 3) -> str:
    """One clause per row, for an alt text: "λ = 0: accuracy 0.987, uplink 0.35; λ = 3: accuracy 0.985, uplink 0.153".

    Args:
        table: its index names the rows, by numbers or by words; its columns name the values. A series has one value.
        decimals: of the values, at most.
    """
    frame = table.to_frame("") if table.ndim == 1 else table
    name = f"{frame.index.name} = " if frame.index.name else ""
    rows = []
    for label, row in frame.iterrows():
        values = ", ".join(f"{column} {_value(value, decimals)}".strip() for column, value in row.items())
        rows.append(f"{name}{_value(label, 6)}: {values}")
    return "; ".join(rows)


def _value(value: Any, decimals: int) -> str:
    """Text as it is; a number without trailing zeros, and "none" for NaN."""
    if isinstance(value, str):
        return value
    if value != value:
        return "none"
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
