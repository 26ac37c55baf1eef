"""The process that runs one submission: it calls a student's functions with the inputs of the checks, and writes down
what they return. It judges nothing: the answers are compared elsewhere, where no code of a student has run.

Reads `job.json` in the working folder, and prints one line of JSON when it is ready and one per exercise.
"""

import importlib.util
import json
import math
import numbers
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedsparse.teaching import checks
from fedsparse.tools.course import guard


def encoded(value: Any) -> Any:
    """A returned value in JSON: None, text, numbers and lists as they are, anything else under the name of its kind.

    Raises:
        TypeError: a value of another kind.
    """
    if value is ...:
        return {"unwritten": True}
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, dict):
        return {"dict": [[encoded(name), encoded(item)] for name, item in value.items()]}
    if isinstance(value, list | tuple):
        items = [encoded(item) for item in value]
        return items if isinstance(value, list) else {"tuple": items}
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu().numpy()
    if hasattr(value, "to_numpy"):  # a table or a column of pandas
        value = value.to_numpy()
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return {"array": value.tolist()} if value.shape else encoded(value.item())
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"{type(value).__name__} is not a number, an array or a list of numbers")


def recorded(function: Callable[..., Any], answers: list[Any]) -> Callable[..., Any]:
    """The function, which adds what it returns or raises to `answers` whenever it is called."""

    def answer(*given: Any) -> Any:
        try:
            returned = function(*given)
            answers.append({"returned": encoded(returned)})
        except Exception as error:
            answers.append({"raised": [type(error).__name__, str(error)[:200]]})
            raise
        return returned

    return answer


def ask(check: str, answer: Any, answers: list[Any]) -> None:
    """Let a check call an answer and add what it gives to `answers`; an answer that is no function is added itself."""
    if callable(answer):
        checks.verdict(getattr(checks, check), recorded(answer, answers))
    else:
        answers.append({"value": encoded(answer)})


def decoded(value: Any) -> Any:
    """The value that was encoded."""
    import numpy

    if isinstance(value, list):
        return [decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "unwritten":
        return ...
    if kind == "array":
        return numpy.array(content)
    return tuple(map(decoded, content)) if kind == "tuple" else {decoded(name): decoded(item) for name, item in content}


def replayed(name: str, answers: list[Any]) -> Any:
    """A function that returns or raises, call by call, what was recorded; or the value that was no function."""
    if answers and "value" in answers[0]:
        return decoded(answers[0]["value"])
    calls = iter(answers)

    def answer(*given: Any) -> Any:
        found = next(calls, {"raised": ["RuntimeError", "the submission gave no answer"]})
        if "raised" in found:
            kind, message = found["raised"]
            raise type(str(kind), (Exception,), {})(str(message))
        return decoded(found["returned"])

    answer.__name__ = name
    return answer


def hidden_inputs(file: str, check: str, seed: int) -> list[tuple]:
    """The inputs that a file of hidden inputs makes for a check; none without the file, or a function of this name."""
    if not Path(file).exists():
        return []
    import numpy

    spec = importlib.util.spec_from_file_location("hidden_inputs", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    make = getattr(module, check, None)
    return [] if make is None else list(make(numpy.random.default_rng([seed, *check.encode()])))


def main() -> None:
    """Do the job."""
    job = json.loads(Path("job.json").read_text(encoding="utf-8"))
    for name in ("pandas", "scipy.optimize", "scipy.special", "scipy.stats"):
        importlib.import_module(name)  # students' answers may use them: they are loaded before the guard stands
    import torch

    torch.set_num_threads(1)
    hidden = {e["check"]: hidden_inputs(job["hidden"], e["check"], job["seed"]) for e in job["exercises"]}
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # prints of a submission go nowhere
    guard.enclose()
    guard.limit(math.ceil(job["seconds"]) + 60, job["memory"])
    guard.fence(tuple(job["private"]))
    print(json.dumps({"ready": True}), file=out, flush=True)
    for exercise in job["exercises"]:
        answers: list[Any] = []
        further: list[Any] = []
        found = {"name": exercise["name"], "answers": answers, "hidden": further}
        try:
            namespace: dict[str, Any] = {"__name__": "__main__"}
            for statement in exercise["statements"]:
                exec(compile(statement, "submission", "exec"), namespace)
            answer = namespace[exercise["answer"]]
            ask(exercise["check"], answer, answers)
            for given in hidden[exercise["check"]]:
                try:
                    recorded(answer, further)(*given)
                except Exception:
                    break  # it is recorded
        except BaseException as error:  # whatever a submission raises; SystemExit too
            found["failed"] = f"{type(error).__name__}: {str(error)[:200]}"
        finally:
            print(json.dumps(found, default=str), file=out, flush=True)


if __name__ == "__main__":
    main()
