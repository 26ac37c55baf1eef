"""Notebooks as files: run with other parameters, in grids, refreshed when what they rest on has changed.

`python -m fedsparse notebook 05_fedpm_vs_regularized rounds=10`. papermill takes a misspelt parameter and runs the
default, without a word; here it is refused.
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
