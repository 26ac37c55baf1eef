"""How an exercise is checked: the reader's answer, on inputs whose right outcome is known."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from fedsparse.errors import one_line
from fedsparse.teaching.checks.showing import kind_of, shown

UNWRITTEN = "Not yet: nothing is written here so far."


class Case(NamedTuple):
    """One call of the reader's function, and what has to come of it."""

    arguments: tuple
    expected: Any
    """Numbers, compared within rounding; or text, compared as it is and never shown."""
    hint: str
    """A sentence for an answer of the right type and shape that is not the right one."""
    measure: Callable[[Any], Any] | None = None
    """What of the answer is compared, where many answers are right; without it the answer itself."""
    shape: tuple[int, ...] | None = None
    """Of the answer, where only a measure of it is compared."""
    any_length: bool = False
    """How many items a list has is what is asked for: another length is no wrong shape, but a wrong answer."""


class Verdict(NamedTuple):
    """What a check has to say about an answer."""

    passed: bool
    line: str


Cases = Iterator[Case]
Check = Callable[[Any], None]


def exercise(cases: Callable[[], Cases]) -> Check:
    """Make a function that yields cases into a check: given an answer, it prints PASS, or one line on the first miss.

    The answer is a function, or a dict that is asked for its entries. A check returns None, so that a notebook's cell
    shows its line alone; `verdict` returns what it would print.
    """

    def check(answer: Callable[..., Any] | Mapping) -> None:
        print(verdict(check, answer).line)

    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(check, name, getattr(cases, name))
    check.cases = cases  # type: ignore[attr-defined]
    return check


def verdict(check: Check, answer: Callable[..., Any] | Mapping) -> Verdict:
    """Whether a check accepts an answer, and the line that it prints: for whoever collects and marks answers."""
    for case in check.cases():  # type: ignore[attr-defined]
        if fault := _fault(case, answer):
            return Verdict(False, fault)
    return Verdict(True, "PASS")


def _fault(case: Case, answer: Any) -> str:
    """One line on what is wrong with the answer to this case; empty if nothing is."""
    if answer is ... or answer is None:
        return UNWRITTEN
    if not callable(answer) and not isinstance(answer, Mapping):
        return f"Not yet: a function is wanted, and this is {kind_of(answer)}: {shown(answer)}."
    asked = ", ".join(map(shown, case.arguments))
    call = f"{getattr(answer, '__name__', 'your answer')}({asked})" if callable(answer) else f"the entry {asked}"
    try:
        # Each argument by itself: an answer may change one in place, and must not change another by it.
        given = [copy.deepcopy(argument) for argument in case.arguments]
        returned = answer(*given) if callable(answer) else answer[given[0]]
    except Exception as error:  # whatever the reader's code raises is shown to the reader
        return f"Not yet: {call} raised {type(error).__name__}: {one_line(error)}. Wanted: {_wanted(case)}."
    if returned is ... or (returned is None and not callable(answer)):
        return UNWRITTEN if callable(answer) else f"Not yet: {call} is still to be written."
    if returned is None:
        return f"Not yet: {call} gives None: is its return missing? Wanted: {_wanted(case)}."
    return _compared(case, call, returned)


def _compared(case: Case, call: str, returned: Any) -> str:
    if isinstance(case.expected, str):
        right = isinstance(returned, str) and returned == case.expected
        return "" if right else f"Not yet: {call} is {shown(returned)}. {case.hint}"
    raw = case.measure is not None and case.shape is None  # of text, say
    try:
        got = np.zeros(()) if raw else _numbers(returned)
    except Exception:  # NumPy raises many kinds
        return f"Not yet: {call} gives {kind_of(returned)}, {shown(returned)}. Wanted: {_wanted(case)}."
    shape = np.shape(case.expected) if case.measure is None else case.shape or ()
    if got.shape != shape and not (case.any_length and got.ndim == 1):
        return f"Not yet: {call} gives {kind_of(got)}, {shown(returned)}. Wanted: {_wanted(case)}."
    compared = got if case.measure is None else case.measure(returned if raw else got)
    if np.shape(compared) == np.shape(case.expected) and np.allclose(
        compared, case.expected, atol=1e-6, equal_nan=True
    ):
        return ""
    wanted = "" if case.measure else f", wanted {shown(case.expected)}"
    return f"Not yet: {call} gives {shown(returned)}{wanted}. {case.hint}"


def _wanted(case: Case) -> str:
    if isinstance(case.expected, str) or (case.measure and case.shape is None):
        return "text"
    if case.any_length:
        return "a list of numbers"
    if isinstance(case.expected, tuple):
        return f"{len(case.expected)} numbers"
    return kind_of(np.zeros(case.shape) if case.shape else np.asarray(case.expected))


def _numbers(value: Any) -> np.ndarray:
    """The answer as floats.

    Raises:
        TypeError: it is text, has no order, or is no number in some place.
        ValueError: it is a list of lists of different lengths.
    """
    value = np.asarray(value.detach() if hasattr(value, "detach") else value)
    if value.dtype.kind not in "biufO" or any(item is None or isinstance(item, str) for item in value.flat):
        raise TypeError(value.dtype)
    return value.astype(float)
