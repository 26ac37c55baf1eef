"""Checks for the notebooks' exercises: each prints PASS, or a hint. Any correct implementation passes.

A check calls the reader's function on inputs whose answers it knows, and never shows an answer.
"""

from fedsparse.teaching.checks.notebooks_00_to_05 import *  # noqa: F403
from fedsparse.teaching.checks.notebooks_06_to_11 import *  # noqa: F403
