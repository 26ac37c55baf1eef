"""Processes that a script starts, each with its own FLWR_HOME and log; all of them are stopped at its end."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from fedsparse import RunError
from fedsparse.flower.superlink import environment, stop_all


class Processes:
    """Processes by name, in a folder that holds `home-<name>/` and `<name>.log`; a context manager that stops them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(self.running):
            self.stop(name)

    def home(self, name: str) -> Path:
        """The `FLWR_HOME` of this process."""
        home = self.folder / f"home-{name}"
        home.mkdir(exist_ok=True)
        return home

    def log(self, name: str) -> str:
        """What the process has printed so far."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def start(self, name: str, *command: object) -> subprocess.Popen:
        """Start a program in a session of its own: Ctrl-C does not reach it, and we stop it in our order."""
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                list(map(str, command)), cwd=self.folder, env=environment(self.home(name)), stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.running[name] = process
        return process

    def call(self, name: str, *command: object, timeout: float = 600) -> subprocess.CompletedProcess:
        """Run a program to its end; raises `RunError` if that takes more than `timeout` seconds."""
        try:
            return subprocess.run(
                list(map(str, command)), cwd=self.folder, env=environment(self.home(name)), capture_output=True,
                encoding="utf-8", errors="replace", timeout=timeout,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise RunError(f"{' '.join(map(str, command[:2]))} did not end within {timeout:g} s") from None

    def stop(self, name: str) -> None:
        """Stop a program and all that it started, which Flower puts into sessions of their own."""
        process = self.running[name]
        process.terminate()
        stop_all(self.home(name))
        process.wait(20)


def listens(port: int) -> bool:
    """Whether a program listens on this port of loopback."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until `true()` holds; raises `RunError` if it does not in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise RunError(f"{what}: not within {seconds:g} s")
        time.sleep(0.3)


def tool(*command: object) -> None:
    """Run a program of the system; raises `RunError` with its output if it fails, or if it is missing."""
    name = str(command[0])
    if not shutil.which(name):
        raise RunError(f"{name} is not installed: the drill needs openssl and ssh-keygen (OpenSSH)")
    done = subprocess.run(list(map(str, command)), capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise RunError(f"{name}: {' '.join((done.stderr or done.stdout).split())[-300:]}")
