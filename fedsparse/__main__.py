"""The command line: `python -m fedsparse lam=1` trains; `python -m fedsparse NAME ...` is everything else.

A command is a function from its arguments to an exit code, in the module named below, imported when it is called.
"""

import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "doctor": "fedsparse.tools.doctor",
    "notebook": "fedsparse.tools.notebooks.command",
    "course": "fedsparse.tools.course.command",
    "study": "fedsparse.analysis.studies",
    "reproduce": "fedsparse.analysis.reproduction.command",
    "explorer": "fedsparse.analysis.explorer.command",
    "flower": "fedsparse.flower.command",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 1 an outcome that is not as it should be, 2 a mistake in the call,
    130 interrupted."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments and arguments[0] in COMMANDS:
        return importlib.import_module(COMMANDS[arguments[0]]).main(arguments[1:])
    return importlib.import_module("fedsparse.tools.train").main(arguments)


if __name__ == "__main__":
    sys.exit(main())
