"""The command line: `python -m fedsparse lam=1` trains; `python -m fedsparse NAME ...` is everything else.

A command is a module with `main(argv) -> int`, imported when it is called. Its help is its docstring, followed by what
its function `details` returns, if it has one. It raises its errors; here, each becomes one line and an exit code.
"""

import importlib
import inspect
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

from fedsparse.errors import FedsparseError, SettingError
from fedsparse.experiment import nearest
from fedsparse.tools.overrides import FORM

COMMANDS = {
    "doctor": ("fedsparse.tools.doctor", "checks this machine: packages, devices, data sets"),
    "notebook": ("fedsparse.tools.notebooks.command", "runs notebooks with other parameters, or refreshes them"),
    "study": ("fedsparse.analysis.command", "repeats a comparison of data/results/"),
    "reproduce": ("fedsparse.analysis.reproduction.command", "repeats the experiments of the two papers"),
    "course": ("fedsparse.tools.course.command", "makes what a class gets: copies, a site, a bundle"),
    "explorer": ("fedsparse.analysis.explorer.command", "writes the λ explorer as one HTML page"),
    "flower": ("fedsparse.flower.command", "runs a federation under Flower, and compares it with one process"),
}
TRAIN = "fedsparse.tools.train"
RESUMING = ("notebook", "study", "reproduce")
"""Commands that train, as a call without a command does: stopped, they go on from what is there."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 1 an outcome that is not as it should be, 2 a mistake in the call
    or the data, 130 interrupted."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever the command has started is stopped with it
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may know no Greek letters
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
        return code
    except FedsparseError as error:
        return _mistake(str(error))
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "fedsparse":
            raise
        return _mistake(f"{package} is not installed; python -m fedsparse doctor says what needs it")
    except BrokenPipeError:  # the reader has seen enough, as `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        resumes = not arguments or arguments[0] not in COMMANDS or arguments[0] in RESUMING
        more = "; every finished round is kept, and the same command goes on from there" if resumes else ""
        print(f"\nfedsparse: stopped{more}", file=sys.stderr)
        return 130


def _dispatch(arguments: Sequence[str]) -> int:
    command = arguments[0] if arguments and "=" not in arguments[0] and not arguments[0].startswith("-") else ""
    if command and command not in COMMANDS:
        hint = nearest(command, COMMANDS) or f"; {FORM}, as in lam=1"
        raise SettingError(f"no command {command!r}{hint}")
    module = importlib.import_module(COMMANDS[command][0] if command else TRAIN)
    rest = arguments[1:] if command else arguments
    if {"-h", "--help"} & set(rest):
        print(_help(module))
        return 0
    return module.main(rest)


def _help(module: ModuleType) -> str:
    parts = [inspect.cleandoc(module.__doc__ or "")]
    if module.__name__ == TRAIN:
        lines = [f"    python -m fedsparse {name:<12}{what}" for name, (_, what) in COMMANDS.items()]
        parts.append("\n".join(["Commands, each with a --help of its own:", *lines]))
    if hasattr(module, "details"):
        parts.append(module.details())
    return "\n\n".join(parts)


def _mistake(line: str) -> int:
    print(f"fedsparse: {line}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
