"""The λ explorer: a stored sweep (`sweep`), its view at one λ (`view`), as a notebook widget and as an HTML page."""

from fedsparse.analysis.explorer.sweep import Point, Sweep, load, train
from fedsparse.analysis.explorer.view import Frame, collapsed, frame, row
from fedsparse.analysis.explorer.widget import show

__all__ = ["Frame", "Point", "Sweep", "collapsed", "frame", "load", "row", "show", "train"]
