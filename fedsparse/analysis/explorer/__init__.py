"""The λ explorer: a sweep (`sweep`, `multirun`), its view at one λ (`view`, `widget`), and a page of all (`page`)."""

from fedsparse.analysis.explorer.multirun import load_runs
from fedsparse.analysis.explorer.sweep import Point, Sweep, load, train
from fedsparse.analysis.explorer.view import Frame, collapsed, frame, knees, row
from fedsparse.analysis.explorer.widget import show

__all__ = ["Frame", "Point", "Sweep", "collapsed", "frame", "knees", "load", "load_runs", "row", "show", "train"]
