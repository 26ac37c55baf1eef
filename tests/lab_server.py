"""A JupyterLab for tests, on loopback. Whatever happens, the server and its kernels end with the tests."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Whatever ends the tests, also a signal that no fixture sees, closes the server's standard input, and so ends it.
SERVER = """
import os, signal, sys, threading
from jupyterlab.labapp import main

def follow():
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=follow, daemon=True).start()
main()
"""


@contextmanager
def jupyterlab(home: Path, token: str) -> Iterator[str]:
    """The address of a JupyterLab on loopback, with settings of its own in `home`; it serves `home/work`."""
    quiet = home / "jupyterlab_settings_dir" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTERLAB_SETTINGS_DIR",
              "JUPYTERLAB_WORKSPACES_DIR")  # fmt: skip
    environment = os.environ | {name: str(home / name.lower()) for name in places} | {"PYTHONPATH": str(ROOT)}
    options = [f"--ServerApp.port={port}", f"--IdentityProvider.token={token}", "--ServerApp.ip=127.0.0.1",
               "--ServerApp.port_retries=0", f"--ServerApp.root_dir={home / 'work'}", "--no-browser", "--allow-root",
               "--LabApp.extension_manager=readonly"]  # fmt: skip
    log = open(home / "log", "w", encoding="utf-8")  # noqa: SIM115
    # A session of its own, so that Ctrl-C is for the tests alone.
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, *options], env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log,
        start_new_session=True,
    )  # fmt: skip
    try:
        late = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=10).close()
                break
            except OSError:
                here = server.poll() is None and time.monotonic() < late
                assert here, f"no JupyterLab: {(home / 'log').read_text()[-2000:]}"
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(server)
        log.close()


def end(server: subprocess.Popen) -> None:
    """End a server and every process below it: kernels open sessions of their own, and would outlive it."""
    below = descendants(server.pid)
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(5)
    for pid in below:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def descendants(pid: int) -> list[int]:
    """Children of a process, and theirs."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split()
    parents = dict(zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True))
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]
