"""A SuperLink of our own, in a folder of its own, stopped when we leave.

`flwr run` by itself starts a SuperLink that outlives it, and exits with 0 even if the run failed.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from fedsparse.errors import RunError

SWITCHES = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
}
"""Set before a program of Flower starts: nothing is sent anywhere, nothing is installed, and Ray's workers get the
usual priority; with Ray's default they make no progress on a busy machine."""
CONNECTION = "own"
"""Name of our SuperLink in config.toml."""
STARTUP, SHUTDOWN = 60.0, 20.0
"""Seconds that a SuperLink may take to start, and to stop."""


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(home: Path) -> dict[str, str]:
    """This process's environment, with the switches, FLWR_HOME, and the programs beside this interpreter."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | SWITCHES | {"FLWR_HOME": str(home), "PATH": path}


class SuperLink:
    """A context manager: a SuperLink on a free port of loopback, whose FLWR_HOME is a temporary folder.

    Args:
        *options: further options of `flower-superlink`, as `--simulation`.

    Raises:
        RunError: on entering, if it does not start; the message has its last line.
    """

    def __init__(self, *options: str) -> None:
        self.options = options

    def __enter__(self) -> "SuperLink":
        if not shutil.which("flower-superlink", path=environment(Path())["PATH"]):
            raise RunError("flower-superlink is not installed: pip install 'fedsparse[flower]'")
        self.home = Path(tempfile.mkdtemp(prefix="fedsparse-flower-"))
        port = free_port()
        (self.home / "config.toml").write_text(
            f'[superlink]\ndefault = "{CONNECTION}"\n\n'
            f'[superlink.{CONNECTION}]\naddress = "127.0.0.1:{port}"\ninsecure = true\n',
            encoding="utf-8",
        )
        command = ["flower-superlink", "--insecure", "--host", "127.0.0.1", "--port", str(port), *self.options]
        with open(self.home / "superlink.log", "wb") as log:
            self.process = subprocess.Popen(command, env=environment(self.home), stdout=log, stderr=log)
        try:
            self._wait_until_healthy(f"http://127.0.0.1:{port}/health")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        stop_all(self.home)  # a simulation outlives its SuperLink, and would never end
        try:
            self.process.wait(SHUTDOWN)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def run(self, app: Path, settings: Mapping[str, Any], options: Sequence[str] = (), timeout: float = 600) -> str:
        """`flwr run` to its end; returns what the app printed.

        Raises:
            RunError: the run failed, or was stopped after `timeout` seconds; the message has the last line that
                mentions an error.
        """
        config = [part for name, value in settings.items() for part in ("--run-config", f"{name}={json.dumps(value)}")]
        log, after = self.home / "run.log", ""
        with open(log, "wb") as file:
            try:
                command = ["flwr", "run", str(app), CONNECTION, "--stream", *options, *config]
                subprocess.run(command, env=environment(self.home), stdout=file, stderr=file, timeout=timeout)
            except subprocess.TimeoutExpired:
                after = f" after {timeout:g} s"
        run = self._latest_run()
        if after and run and not run["status"].startswith("finished"):
            self._flwr("stop", str(run["run-id"]), CONNECTION)
        output = log.read_text(encoding="utf-8", errors="replace")
        status = run["status"] if run else "not started"
        if status != "finished:completed":
            lines = [line for line in output.splitlines() if "Error" in line] or output.splitlines() or ["no output"]
            raise RunError(f"the run is {status}{after}: {lines[-1].strip()}")
        return output

    def _latest_run(self) -> dict[str, Any] | None:
        output = self._flwr("list", CONNECTION, "--format", "json")
        try:
            return next(iter(json.loads(output[output.index("{") :])["runs"]), None)
        except (ValueError, KeyError):
            raise RunError(f"flwr list gives no status: {output.strip()[-200:]}") from None

    def _flwr(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                ["flwr", *arguments], env=environment(self.home), capture_output=True, encoding="utf-8",
                errors="replace", timeout=STARTUP,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise RunError(f"flwr {arguments[0]} gave no answer within {STARTUP:g} s") from None
        return done.stdout or done.stderr

    def _wait_until_healthy(self, address: str) -> None:
        deadline = time.monotonic() + STARTUP
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), urlopen(address, timeout=1):
                return
            time.sleep(0.2)
        output = (self.home / "superlink.log").read_text(encoding="utf-8", errors="replace")
        lines = output.strip().splitlines() or ["no output"]
        raise RunError(f"flower-superlink did not start: {lines[-1]}")


def stop_all(home: Path) -> None:
    """Ask every process that was started with this FLWR_HOME to end, whoever its parent is; then kill the rest."""
    deadline = time.monotonic() + SHUTDOWN
    while (alive := _processes_of(home)) and time.monotonic() < deadline + 5:
        number = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        for process in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        time.sleep(0.5)


def _processes_of(home: Path) -> list[int]:
    """Ids of the processes that were started with this FLWR_HOME; none where there is no /proc, as on macOS."""
    mark, found = f"FLWR_HOME={home}".encode(), []
    for process in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else []):
        with contextlib.suppress(OSError):  # gone, or another user's
            if mark in Path(f"/proc/{process}/environ").read_bytes().split(b"\0"):
                found.append(int(process))
    return found
