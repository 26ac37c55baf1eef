"""The λ explorer: a kept sweep (`sweep`), what it shows at one λ (`view`), as a widget, and as a page of HTML."""

from fedsparse.analysis.explorer.sweep import Point, Sweep, load, train
from fedsparse.analysis.explorer.view import Frame, frame, row, starved, table

__all__ = ["Frame", "Point", "Sweep", "frame", "load", "row", "show", "starved", "table", "train"]


def show(sweep: Sweep, lam: float) -> None:
    """Put the explorer on a notebook's page, beginning at `lam`, or at the sweep's first if it has no such λ."""
    from fedsparse.analysis.explorer import widget  # ipywidgets is for notebooks alone

    widget.show(sweep, lam)
