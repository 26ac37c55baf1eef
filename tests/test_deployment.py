"""The deployment: the proxy passes on a node's calls only, the units and the guide name what exists, processes stop."""

import http.server
import inspect
import os
import re
import shutil
import ssl
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fedsparse import RunError

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "flower_app" / "deployment"
UNITS = {"superlink.service": "flower-superlink", "supernode@.service": "flower-supernode"}

pytest.importorskip("flwr", reason="Flower is not installed: pip install 'fedsparse[flower]'")


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [program for program in programs if not shutil.which(program)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture
def drill(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import drill

    return drill


@pytest.fixture
def processes(drill, tmp_path):
    with drill.Processes(tmp_path) as processes:
        yield processes


def fleet_calls() -> set[str]:
    """Every call that a SuperNode of the installed Flower can make."""
    from flwr.supernode import fleet_http_client

    return set(re.findall(r"/v1/fleet/([a-z-]+)", inspect.getsource(fleet_http_client)))


def test_the_proxy_passes_on_every_call_of_a_node_but_registering():
    (allowed,) = re.findall(r"\^/v1/fleet/\(([^)]+)\)\$", (FOLDER / "nginx.conf").read_text(encoding="utf-8"))
    assert set(allowed.split("|")) == fleet_calls() - {"register-node"}


class Echo(http.server.BaseHTTPRequestHandler):
    """Stands where the SuperLink stands: sends back what it gets, and notes which path it was asked for."""

    def do_POST(self):
        received = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(received)))
        self.end_headers()
        self.wfile.write(received)
        self.server.asked.append(self.path)

    do_GET = do_POST

    def log_message(self, *_):
        """Nothing."""


@needs("nginx", "openssl")
def test_the_proxy_lets_a_nodes_calls_through_and_nothing_else(drill, processes, tmp_path):
    drill.credentials(tmp_path)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.asked = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = drill.free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(
        drill.nginx_config(tmp_path, f"127.0.0.1:{port}", f"127.0.0.1:{server.server_port}"), encoding="utf-8"
    )
    processes.start("nginx", *drill.nginx_command(config))
    drill.until(lambda: drill.listens(port), 20, "nginx listens")
    try:
        calls = [f"/v1/fleet/{call}" for call in sorted(fleet_calls() - {"register-node"})]
        large = b"x" * 3_000_000
        assert [drill.ask(tmp_path, path, port, large) for path in calls] == [(200, large)] * len(calls)
        assert server.asked == calls
        refused = [*(f"/v1/control/{call}" for call in drill.CONTROL), *drill.DETOURS, "/v1/fleet/get-run/x", "/"]
        assert {path: drill.ask(tmp_path, path, port)[0] for path in refused} == dict.fromkeys(refused, 404)
        assert drill.ask(tmp_path, calls[0], port, method="GET")[0] == 403
        assert server.asked == calls, "nothing else came through"
    finally:
        server.shutdown()


@pytest.mark.slow
@needs("openssl", "ssh-keygen")
def test_the_superlink_refuses_nodes_without_a_proxy_too(drill, processes, tmp_path, capsys):
    here = drill.Deployment(tmp_path, processes, proxied=False)
    registered, unregistered = here.key("registered"), here.key("unregistered")
    here.register("operator", registered)
    here.node("node", *here.credential(registered))
    drill.until(lambda: here.online() == 1, 60, "the node is online")
    drill.try_nodes(here, registered, unregistered)
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in said] == ["ok  refused"] * 5
    assert len({line.rpartition(": ")[2] for line in said}) > 1, "with words of its own"
    assert here.online() == 1


@pytest.mark.parametrize(
    ("says", "code", "words"),
    [
        ("Exit Code: 305\\nnew words\\nof Flower\\n\\nmore", 1, None),
        ("Exit Code: 305", 1, None),
        ("Exit Code: 305", 0, "ended with code 0"),
        ("Exit Code: 3050", 1, "ended with code 1"),
        ("error: unrecognized arguments", 2, "ended with code 2: error: unrecognized"),
    ],
)
def test_a_refusal_is_known_by_its_code_not_by_its_words(drill, processes, says, code, words):
    processes.start("node", "sh", "-c", f"printf '{says}'; exit {code}")
    if words:
        with pytest.raises(RunError, match=words):
            drill.refused(processes, "node")
    else:
        assert drill.refused(processes, "node") in ("new words of Flower", "")


@needs("openssl")
def test_credentials_are_a_chain_and_keys_are_private(drill, tmp_path):
    drill.credentials(tmp_path)
    call = ["openssl", "x509", "-in", tmp_path / "server.crt", "-noout", "-text"]
    text = subprocess.run(call, capture_output=True, encoding="utf-8").stdout
    assert "DNS:localhost, IP Address:127.0.0.1" in text
    for key in ("ca.key", "server.key"):
        assert stat.S_IMODE((tmp_path / key).stat().st_mode) == 0o600
    authority = (tmp_path / "ca.crt").read_bytes()
    with pytest.raises(RunError, match=r"holds a ca\.key already"):
        drill.credentials(tmp_path)
    assert (tmp_path / "ca.crt").read_bytes() == authority


@needs("systemd-analyze")
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_takes_the_units(unit, tmp_path):
    program = tmp_path / UNITS[unit]
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    text = (FOLDER / "systemd" / unit).read_text(encoding="utf-8").replace("/opt/fedsparse/bin", str(tmp_path))
    (tmp_path / unit).write_text(text, encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", tmp_path / unit], capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_the_units_start_flower_with_options_that_it_knows(unit):
    """And restart it, as a user of its own who can write nowhere else, on loopback, with every switch."""
    text = (FOLDER / "systemd" / unit).read_text(encoding="utf-8")
    options = re.findall(r"--[a-z-]+", text.split("ExecStart=")[1].split("\nRestart=")[0])
    help = subprocess.run(
        [Path(sys.executable).parent / UNITS[unit], "--help"], capture_output=True, encoding="utf-8",
        env=os.environ | {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"},
    ).stdout  # fmt: skip
    # Flower lists this one without help.
    assert set(options) - set(re.findall(r"--[a-z-]+", help)) <= {"--disable-runtime-dependency-installation"}
    assert "--insecure" not in options
    for line in ("Restart=always", "User=fedsparse", "ProtectSystem=strict", "NoNewPrivileges=yes", "UMask=0077"):
        assert f"\n{line}\n" in text
    assert "EnvironmentFile=/etc/fedsparse/environment\n" in text
    assert ("IPAddressDeny=any" in text) == (unit == "supernode@.service")
    assert ("--host 127.0.0.1" in text) == (unit == "superlink.service")


def test_the_units_environment_has_every_switch():
    from fedsparse.flower.superlink import SWITCHES

    lines = (FOLDER / "systemd" / "environment").read_text(encoding="utf-8").splitlines()
    there = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    wanted = {name: value for name, value in SWITCHES.items() if name.startswith("FLWR_")}
    assert len(wanted) >= 3
    assert wanted.items() <= there.items()


def test_what_was_started_is_stopped_whatever_happens(drill, tmp_path):
    processes = drill.Processes(tmp_path)

    def fail():
        with processes:
            processes.start("ends", "sleep", 60)
            processes.start("ended", "true").wait()
            raise RunError("something else")

    with pytest.raises(RunError, match="something else"):
        fail()
    assert {name: process.poll() for name, process in processes.running.items()} == {"ends": -15, "ended": 0}


@pytest.mark.parametrize("document", ["deployment.md", "scale.md"])
def test_links_of_the_guides_resolve(document):
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (ROOT / "docs" / target).exists(), target
    for path in re.findall(r"`((?:flower_app|benchmarks|fedsparse)/[\w./@-]+)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.skipif(not os.environ.get("FEDSPARSE_DRILL"), reason="the whole drill takes minutes: FEDSPARSE_DRILL=1")
def test_the_drill():
    done = subprocess.run([sys.executable, FOLDER / "drill.py"], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
