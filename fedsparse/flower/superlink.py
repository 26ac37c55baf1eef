"""Flower's processes, started and stopped by us: a SuperLink of our own, in a folder of its own, gone when we leave.

Left to itself `flwr run` starts a SuperLink that outlives it, and exits with 0 also when the run failed.
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
from urllib.error import URLError
from urllib.request import urlopen

from fedsparse.errors import RunError

SWITCHES = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
}
"""Nothing is sent anywhere, nothing is installed, and Ray's workers wait no longer for a core than anybody else: by its
default, on a busy machine, they come to nothing. Set before anything of Flower starts."""
NAME = "own"
"""Of the connection in our own config.toml."""
STARTUP, SHUTDOWN = 60.0, 20.0
"""Seconds to wait for a SuperLink to come, and to go."""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(home: Path) -> dict[str, str]:
    """This process's environment, with the switches, Flower's folder, and the programs beside this interpreter."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | SWITCHES | {"FLWR_HOME": str(home), "PATH": path}


class SuperLink:
    """A SuperLink on loopback, on a free port, with a FLWR_HOME in a temporary folder; a context manager.

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
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.environment = environment(self.home)
        self.log = self.home / "superlink.log"
        connection = (
            f'[superlink]\ndefault = "{NAME}"\n\n[superlink.{NAME}]\naddress = "{self.address}"\ninsecure = true\n'
        )
        (self.home / "config.toml").write_text(connection)
        command = ["flower-superlink", "--insecure", "--host", "127.0.0.1", "--port", str(self.port), *self.options]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        stop_all(self.home)  # a simulation outlives its SuperLink, and would go on for ever
        self.process.wait(SHUTDOWN)
        shutil.rmtree(self.home, ignore_errors=True)

    def run(self, app: Path, settings: Mapping[str, Any], options: Sequence[str] = (), timeout: float = 600) -> str:
        """`flwr run` to its end; returns what the app printed.

        Raises:
            RunError: it did not finish well, or not within `timeout` seconds, and was stopped; the message has the last
                line that speaks of an error.
        """
        config = [part for name, value in settings.items() for part in ("--run-config", f"{name}={json.dumps(value)}")]
        command = ["flwr", "run", str(app), NAME, "--stream", *options, *config]
        said = self.home / "run.log"
        try:
            with open(said, "wb") as file:
                subprocess.run(command, env=self.environment, stdout=file, stderr=file, timeout=timeout)
            late = False
        except subprocess.TimeoutExpired:
            late = True
            self._stop()
        output = said.read_text(errors="replace")
        runs = self._runs()
        if not runs or runs[0]["status"] != "finished:completed":
            status = runs[0]["status"] if runs else "not started"
            lines = [line for line in output.splitlines() if "Error" in line] or output.splitlines() or ["no output"]
            after = f" after {timeout:g} s" if late else ""
            raise RunError(f"the run is {status}{after}: {lines[-1].strip()}")
        return output

    def _runs(self) -> list[dict[str, Any]]:
        """Every run that the SuperLink knows of, the latest first."""
        command = ["flwr", "list", NAME, "--format", "json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        try:
            return json.loads(done.stdout[done.stdout.index("{") :])["runs"]
        except (ValueError, KeyError):
            raise RunError(f"flwr list says no status: {(done.stdout + done.stderr).strip()[-200:]}") from None

    def _stop(self) -> None:
        for run in self._runs():
            if not run["status"].startswith("finished"):
                command = ["flwr", "stop", str(run["run-id"]), NAME]
                subprocess.run(command, env=self.environment, capture_output=True, timeout=60)

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + STARTUP
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with urlopen(f"http://{self.address}/health", timeout=1):
                    return
            except (URLError, OSError):
                time.sleep(0.2)
        last = self.log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise RunError(f"flower-superlink did not start: {last[-1]}")


def stop_all(home: Path) -> None:
    """Ask every process that was started with this FLWR_HOME to end, whoever its parent is; then end it."""
    until = time.monotonic() + SHUTDOWN
    while (alive := _processes_of(home)) and time.monotonic() < until:
        for pid in alive:
            _send(pid, signal.SIGTERM)
        time.sleep(0.5)
    for pid in alive:
        _send(pid, signal.SIGKILL)


def _processes_of(home: Path) -> list[int]:
    """Ids of the processes that were started with this FLWR_HOME, on Linux: elsewhere nobody may read it."""
    mark, found = f"FLWR_HOME={home}".encode(), []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # gone, or another user's
            if mark in file.read_bytes().split(b"\0"):
                found.append(int(file.parent.name))
    return found


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
