"""What is printed reaches every screen: where it has no Greek letters it gets their names, and files are UTF-8."""

import codecs
import io
import locale
import os
import sys

ASCII = {
    "λ": "lambda", "θ": "theta", "σ": "sigma", "α": "alpha", "±": "+-", "×": "x", "·": "*", "⊙": "*", "‖": "||",
    "√": "sqrt", "½": "1/2", "²": "2", "−": "-", "–": "-", "…": "...", "→": "->", "≤": "<=", "≥": ">=",
}  # fmt: skip
"""What stands for a sign on a screen that does not have it; a question mark for all others."""


def require_utf8() -> None:
    """Start this very command again in Python's UTF-8 mode where the locale has another encoding, as LC_ALL=C has.

    Paths and arguments then mean the same to this process and to all that it starts. Windows has UTF-8 paths anyway.
    """
    tried = os.environ.get("PYTHONUTF8") == "1"  # options of the interpreter may forbid it
    if os.name == "posix" and sys.getfilesystemencoding() != "utf-8" and not tried:
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def prepare() -> None:
    """Let the output streams write every text: what a terminal's encoding lacks is transliterated."""
    codecs.register_error("fedsparse", _transliterated)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # In UTF-8 mode Python takes every terminal for one with UTF-8; the locale knows.
            of_locale = os.name == "posix" and stream.isatty() and "PYTHONIOENCODING" not in os.environ
            stream.reconfigure(encoding=locale.getencoding() if of_locale else None, errors="fedsparse")


def give_up_on_output() -> None:
    """Where standard output takes nothing more, send the rest nowhere: Python would try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _transliterated(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    text = "".join(ASCII.get(sign, "?") for sign in signs)
    return text.encode("ascii"), error.end
