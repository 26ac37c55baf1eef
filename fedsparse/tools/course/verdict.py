"""Whether an answer passes a check: the one place that knows how the checks of the exercises speak."""

import contextlib
import io
from collections.abc import Callable
from typing import Any

from fedsparse.teaching import checks


def verdict(check: str, answer: Callable[..., Any]) -> str:
    """What a check of `fedsparse.teaching.checks`, by its name, says about an answer; empty if it passes."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        getattr(checks, check)(answer)
    text = " ".join(said.getvalue().split())
    return "" if text == "PASS" else text or "the check said nothing"


def passes(check: str, answer: Callable[..., Any]) -> bool:
    """Whether an answer passes a check."""
    return not verdict(check, answer)
