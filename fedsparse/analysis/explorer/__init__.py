"""The λ explorer: a stored sweep (`sweep`), its view at one λ (`view`), as a notebook widget and as an HTML page."""

from fedsparse.analysis.explorer.sweep import Point, Sweep, load, train
from fedsparse.analysis.explorer.view import Frame, collapsed, frame, row

__all__ = ["Frame", "Point", "Sweep", "collapsed", "frame", "load", "row", "show", "train"]


def show(sweep: Sweep, lam: float) -> None:
    """Show the explorer in a notebook, starting at `lam`, or at the first λ if the sweep does not have `lam`."""
    from fedsparse.analysis.explorer import widget  # ipywidgets is for notebooks alone

    widget.show(sweep, lam)
