"""Checks for the notebooks' exercises: each prints PASS, or one line on the first miss. Any right answer passes.

A check calls the reader's function on inputs whose outcome it knows; it says with which input, what came back, and what
was wanted, and never how to get there. `checks.verdict(check, answer)` gives the same to a program. Predictions are no
exercises: `checks.prediction` waits until one is written.
"""

from fedsparse.teaching.checks.exercise import Verdict as Verdict
from fedsparse.teaching.checks.exercise import verdict as verdict
from fedsparse.teaching.checks.notebooks_00_to_02 import *  # noqa: F403
from fedsparse.teaching.checks.notebooks_03_to_05 import *  # noqa: F403
from fedsparse.teaching.checks.notebooks_06_to_08 import *  # noqa: F403
from fedsparse.teaching.checks.notebooks_09_to_11 import *  # noqa: F403
from fedsparse.teaching.checks.predictions import prediction as prediction
