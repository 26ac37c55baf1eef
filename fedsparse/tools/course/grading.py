"""Points for a folder of submissions.

A submission is never run as a notebook. Only the answers to the exercises are taken from its cells, mostly functions,
with what they need. They run in a process of their own (`worker`, `guard`), which writes down what they return for the
inputs of the checks and for hidden inputs. That is judged here, by the package's checks and the notebooks' solutions.
"""

import ast
import contextlib
import itertools
import json
import os
import signal
import subprocess
import symtable
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas
from IPython.core.inputtransformer2 import TransformerManager

from fedsparse.errors import RunError
from fedsparse.run_folder import write_whole
from fedsparse.teaching import checks
from fedsparse.tools.course.exercises import Exercise, exercises
from fedsparse.tools.course.worker import hidden_inputs, replayed
from fedsparse.tools.notebooks.files import read

HIDDEN = Path("course", "hidden_inputs.py")
"""The file of hidden inputs, from the folder of the repository."""
START = 300.0
"""Seconds that a worker may take to begin: it imports PyTorch."""


def grade(
    root: Path, submissions: Path, to: Path, seconds: float = 60, memory: float = 2, seed: int = 1, jobs: int = 1
) -> pandas.DataFrame:
    """Grade a folder with one notebook, or one folder of notebooks, per student; writes and returns the table.

    Args:
        to: the table as CSV: a row per student with points per exercise, `total`, `of`, `remarks`. Of two answers to an
            exercise the better one counts.
        seconds: what the exercises of a notebook may take together; a function that hangs costs its own exercise only.
        memory: gigabytes that a submission may allocate.
        seed: of the hidden inputs.
        jobs: submissions that are run at a time.

    Raises:
        RunError: there is no folder with notebooks, or this system cannot limit a process.
    """
    if os.name != "posix":
        raise RunError(
            "submissions are run with limits that only Linux and macOS have: grade in the container, or there"
        )
    course = {notebook.stem: exercises(read(notebook), notebook.stem) for notebook in _notebooks(root / "notebooks")}
    private = [str(p.resolve()) for p in (submissions, to, root / "notebooks", root / "docs", root / "course")]
    hidden = (root / HIDDEN).resolve()
    job = {"seconds": seconds, "memory": memory, "seed": seed, "private": private, "hidden": str(hidden)}

    def run(file: Path) -> tuple[Sequence[Exercise], dict[str, dict[str, Any]], str]:
        try:
            node = read(file)
            asked = course[_notebook_of(node, file, course)]
        except RunError as error:
            return [], {}, str(error).replace(str(file), file.name)
        return asked, _run(asked, {e.name: needed(node, e.answer) for e in asked}, job), ""

    students = _by_student(submissions)
    with ThreadPoolExecutor(jobs) as pool:  # of processes: a thread only waits for its own
        runs = dict(zip(files := [f for some in students.values() for f in some], pool.map(run, files), strict=True))
    rows = []
    for student, own in students.items():
        row: dict[str, Any] = {"student": student, "files": " ".join(file.name for file in own)}
        remarks: list[str] = []
        for asked, answers, unread in (runs[file] for file in own):
            remarks += [unread] * bool(unread)
            for exercise in asked:
                wrong = _wrong(exercise, answers[exercise.name], hidden, seed)
                row[exercise.name] = max(row.get(exercise.name, 0), 0 if wrong else exercise.points)
                remarks += [f"{exercise.name}: {wrong}"] * bool(wrong)
        rows.append(row | {"remarks": "; ".join(remarks)})
    points = {e.name: e.points for every in course.values() for e in every if any(e.name in row for row in rows)}
    table = pandas.DataFrame(rows, columns=["student", "files", *points, "total", "of", "remarks"])
    table[list(points)] = table[list(points)].fillna(0).astype(int)
    table["total"], table["of"] = table[list(points)].sum(axis=1).astype(int), sum(points.values())
    to.parent.mkdir(parents=True, exist_ok=True)
    write_whole(to, table.to_csv(index=False, lineterminator="\n").encode())
    return table


def needed(node: nbformat.NotebookNode, answer: str) -> list[str]:
    """The statements of a notebook that define a name and all that this uses; none if nothing defines it.

    Only imports, functions, classes and assignments count, the last one of each name, in the notebook's order.
    """
    found: dict[str, tuple[int, ast.stmt]] = {}
    everywhere: list[tuple[int, ast.stmt]] = []
    places = itertools.count()
    for cell in node.cells:
        if cell.cell_type != "code":
            continue
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            for statement in ast.parse(TransformerManager().transform_cell(cell.source)).body:
                place = next(places)
                for name in _names(statement):
                    if name == "*":
                        everywhere.append((place, statement))
                    found[name] = (place, statement)
    if answer not in found:
        return []
    wanted, seen = [answer], {answer}
    for name in wanted:  # grows on the way
        used = _used(symtable.symtable(ast.unparse(found[name][1]), "submission", "exec")) & set(found)
        wanted += sorted(used - seen)
        seen |= used
    chosen = {id(statement): (place, statement) for place, statement in (*(found[n] for n in wanted), *everywhere)}
    return [ast.unparse(statement) for _, statement in sorted(chosen.values(), key=lambda pair: pair[0])]


def _names(statement: ast.stmt) -> list[str]:
    """The names that a statement defines."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).split(".")[0] for alias in statement.names]
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    return []


def _used(table: symtable.SymbolTable) -> set[str]:
    """The global names that code uses, its inner functions included."""
    symbols = {s.get_name() for s in table.get_symbols() if s.is_global() or (table.get_type() == "module")}
    return symbols.union(*map(_used, table.get_children()))


def _notebooks(folder: Path) -> list[Path]:
    return sorted(f for f in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in f.parts)


def _by_student(submissions: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in _notebooks(submissions):
        found.setdefault(file.relative_to(submissions).parts[0].removesuffix(".ipynb"), []).append(file)
    if not found:
        raise RunError(f"no notebooks in {submissions}: one per student, or one folder of notebooks per student")
    return found


def _notebook_of(node: nbformat.NotebookNode, file: Path, course: dict[str, list[Exercise]]) -> str:
    """The notebook of the course that a submission is: that with most of its exercises in it."""
    code = "\n".join(cell.source for cell in node.cells if cell.cell_type == "code")
    count = {n: sum(f"checks.{e.check}(" in code or f"def {e.answer}(" in code for e in es) for n, es in course.items()}
    best = max(count, key=lambda name: (count[name], file.name.startswith(name)))
    if not count[best]:
        raise RunError(f"{file} has no exercise of this course")
    return best


def _wrong(exercise: Exercise, run: dict[str, Any], hidden: Path, seed: int) -> str:
    """What is wrong with the answers to an exercise; empty if nothing is."""
    if "failed" in run:
        return str(run["failed"])
    try:
        found = checks.verdict(getattr(checks, exercise.check), replayed(exercise.answer, run["answers"]))
        if not found.passed:
            return found.line
        answer = replayed(exercise.answer, run["hidden"])
    except Exception as error:  # a submission may have written what no worker writes
        return f"its answers cannot be read ({type(error).__name__})"
    solved: dict[str, Any] = {"np": np, "pd": pandas}
    exec(exercise.solution, solved)
    for number, given in enumerate(hidden_inputs(str(hidden), exercise.check, seed), 1):
        expected = np.asarray(solved[exercise.answer](*given), float)
        try:
            got = np.asarray(answer(), float)
        except Exception as error:
            return f"hidden input {number}: {type(error).__name__}: {error}"
        if got.shape != expected.shape or not np.allclose(got, expected, atol=1e-6, equal_nan=True):
            return f"hidden input {number}: wrong"
    return ""


def _run(asked: Sequence[Exercise], statements: dict[str, list[str]], job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a worker wrote down of each exercise. One that hangs or ends the process is left out of the next try."""
    done: dict[str, dict[str, Any]] = {
        e.name: {"failed": f"there is no {e.answer}, or its cell cannot be read as Python"}
        for e in asked
        if not statements[e.name]
    }
    while waiting := [e for e in asked if e.name not in done]:
        given = [
            {"name": e.name, "answer": e.answer, "check": e.check, "statements": statements[e.name]} for e in waiting
        ]
        lines, reason = _one_process(job | {"exercises": given})
        for exercise, line in zip(waiting, lines, strict=False):
            done[exercise.name] = line if line.get("name") == exercise.name else {"failed": "its answers are damaged"}
        if len(lines) < len(waiting):
            done[waiting[len(lines)].name] = {"failed": reason}
    return done


def _one_process(job: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The lines that a worker wrote after its first, and why there are no more."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "job.json").write_text(json.dumps(job), encoding="utf-8")
        alone = {"HOME": folder, "TMPDIR": folder, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        call = [sys.executable, "-P", "-m", "fedsparse.tools.course.worker"]
        with open(Path(folder, "answers"), "wb") as out, open(Path(folder, "errors"), "wb") as errors:
            process = subprocess.Popen(
                call, cwd=folder, env=kept | alone, stdin=subprocess.DEVNULL, stdout=out, stderr=errors,
                start_new_session=True,
            )  # fmt: skip
            reason = _wait(process, Path(folder, "answers"), job["seconds"])
        lines = Path(folder, "answers").read_bytes().split(b"\n")[:-1]
        if not lines:
            said = Path(folder, "errors").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise RunError(f"no submission can be run here: {said[-1] if said else reason}")
    found = []
    for line in lines[1:]:
        try:
            found.append(dict(json.loads(line)))
        except (ValueError, TypeError, RecursionError):
            found.append({})
    return found, reason


def _wait(process: subprocess.Popen, answers: Path, seconds: float) -> str:
    """Wait for a worker, `seconds` from when it is ready; nothing of it is left. Returns how it ended."""
    began, ready = time.monotonic(), 0.0
    try:
        while process.poll() is None:
            if not ready and answers.stat().st_size:
                ready = time.monotonic()
            if time.monotonic() > (ready + seconds if ready else began + START):
                return f"no answer within {seconds:g} seconds"
            time.sleep(0.05)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return f"the process ended with code {process.returncode}"
