"""Notebooks as files: executed with other parameters, in grids, and refreshed when the code that they use has changed.

papermill only warns of a misspelt parameter and runs the default; here it is refused.
"""

from fedsparse.tools.notebooks.execution import execute
from fedsparse.tools.notebooks.files import NOTEBOOKS, checked, parameters_of, read, results_of, tagged, terminal_output
from fedsparse.tools.notebooks.refreshing import refresh
from fedsparse.tools.notebooks.stamps import changed, stamp

__all__ = [
    "NOTEBOOKS",
    "changed",
    "checked",
    "execute",
    "parameters_of",
    "read",
    "refresh",
    "results_of",
    "stamp",
    "tagged",
    "terminal_output",
]
