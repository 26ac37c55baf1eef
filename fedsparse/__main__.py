"""The command line: `python -m fedsparse lam=1` trains; `python -m fedsparse NAME ...` is everything else.

A command is a module with `main(argv) -> int`, imported when it is called. Its help is its docstring, followed by what
its function `details` returns, if it has one. It raises its errors; here, each becomes one line and an exit code.
"""

import ast
import importlib
import inspect
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import ModuleType

from fedsparse import __version__
from fedsparse.errors import FedsparseError, SettingError
from fedsparse.setting import nearest
from fedsparse.tools import screen
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
    """Run a command; returns its exit code: 0 done, 1 an outcome that is not as it should be, 2 a mistake in the call,
    the data or the machine, 130 interrupted."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not sys.flags.safe_path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as under `python -m`: model=mine:net is found in the folder of the call
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever the command has started is stopped with it
    screen.prepare()
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
        return _mistake(f"{package} is not installed: {_installation(package)}")
    except BrokenPipeError:  # the reader has seen enough, as `| head`
        screen.give_up_on_output()
        return 0
    except OSError as error:
        screen.give_up_on_output()
        return _mistake(f"{f'{error.filename}: ' * bool(error.filename)}{error.strerror or error}")
    except MemoryError:
        return _mistake("the memory does not suffice; what was finished before is kept")
    except KeyboardInterrupt:
        return _stopped(arguments)


def _dispatch(arguments: Sequence[str]) -> int:
    if "--version" in arguments:
        print(f"fedsparse {__version__}")
        return 0
    command = arguments[0] if arguments and "=" not in arguments[0] and not arguments[0].startswith("-") else ""
    if command and command not in COMMANDS:
        hint = nearest(command, COMMANDS) or f"; {FORM}, as in lam=1"
        raise SettingError(f"no command {command!r}{hint}")
    with _ending_at_once(arguments):
        module = importlib.import_module(COMMANDS[command][0] if command else TRAIN)
    rest = arguments[1:] if command else arguments
    if {"-h", "--help"} & set(rest):
        print(_help(module))
        return 0
    return module.main(rest)


@contextmanager
def _ending_at_once(arguments: Sequence[str]) -> Iterator[None]:
    """Ctrl-C ends the process here: while modules load there is nothing to lose, and they may take it for an error."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(_stopped(arguments)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _help(module: ModuleType) -> str:
    # `python -OO` leaves no docstring in the module, but the file still has it.
    summary = module.__doc__ or ast.get_docstring(ast.parse(inspect.getsource(module))) or ""
    parts = [inspect.cleandoc(summary)]
    if module.__name__ == TRAIN:
        lines = [f"    python -m fedsparse {name:<12}{what}" for name, (_, what) in COMMANDS.items()]
        parts.append("\n".join(["Commands, each with a --help of its own:", *lines]))
    if hasattr(module, "details"):
        parts.append(module.details())
    return "\n\n".join(parts)


def _installation(package: str) -> str:
    from fedsparse.tools.doctor import OPTIONAL

    extra = next((extra for extra, packages in OPTIONAL.items() if package in packages), "")
    return f"pip install 'fedsparse[{extra}]'" if extra else "python -m fedsparse doctor says what else is missing"


def _mistake(line: str) -> int:
    with suppress(OSError):
        print(f"fedsparse: {line}", file=sys.stderr)
    return 2


def _stopped(arguments: Sequence[str]) -> int:
    resumes = not arguments or arguments[0] not in COMMANDS or arguments[0] in RESUMING
    more = "; every finished round is kept, and the same command goes on from there" if resumes else ""
    print(f"\nfedsparse: stopped{more}", file=sys.stderr, flush=True)
    return 130


if __name__ == "__main__":
    screen.require_utf8()
    sys.exit(main())
