"""`python flower_app/deployment/drill.py`: a federation with TLS, node keys and a proxy, on this machine, from nothing.

It makes the credentials, starts a SuperLink, nginx and three SuperNodes on loopback, trains, compares every byte with
the engine in one process, and then tries each door that has to be shut. One line a check. What it started it stops,
whatever happens; what it wrote lies in a temporary folder and goes with it. Without nginx, what needs it is left out.
"""

import http.client
import json
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from started import Started, listens, tool, until

from fedsparse import Experiment, FedsparseError, RunError, run
from fedsparse.federation import Run
from fedsparse.flower.superlink import free_port

HERE = Path(__file__).parent
FEDERATION = Experiment(model="mlp", width=0.1, clients=3, rounds=2, local_epochs=1, codec="shared", clip=0.001)
NODES = range(FEDERATION.clients)
PROTOBUF = "application/protobuf"
CONTROL = ("list-runs", "start-run", "stop-run", "register-node", "list-nodes", "stream-logs")
DETOURS = (
    "/v1/fleet/../control/list-runs",
    "/v1/fleet/%2e%2e/control/list-runs",
    "/v1/fleet/pull-messages/../../control/list-runs",
    "/v1/fleet/..%2fcontrol/list-runs",
    "//v1/control/list-runs",
    "/v1/Control/list-runs",
    "/v1/fleet/register-node",
    "/v1/fleet/",
    "/v1/runtime/acquire-task",
    "/openapi.json",
    "/docs",
    "/health",
)


class Deployment:
    """What docs/deployment.md sets up by hand: credentials, a SuperLink, and nginx in front of it."""

    def __init__(self, folder: Path, started: Started, proxied: bool) -> None:
        self.folder, self.started = folder, started
        self.superlink = free_port()
        self.door = free_port() if proxied else self.superlink
        credentials(folder)
        started.start(
            "superlink",
            *("flower-superlink", "--host", "127.0.0.1", "--port", self.superlink),
            *("--database", folder / "state.db", "--enable-supernode-auth"),
            *("--ssl-ca-certfile", folder / "ca.crt", "--ssl-certfile", folder / "server.crt"),
            *("--ssl-keyfile", folder / "server.key", "--disable-runtime-dependency-installation"),
        )
        until(lambda: listens(self.superlink), 60, "the SuperLink listens")
        if proxied:
            config = folder / "nginx.conf"
            config.write_text(nginx_config(folder, f"127.0.0.1:{self.door}", f"127.0.0.1:{self.superlink}"))
            started.start("nginx", *nginx_command(config))
            until(lambda: listens(self.door), 20, "nginx listens")

    def key(self, name: str) -> Path:
        """A new key of a node; its public half lies beside it."""
        path = self.folder / name
        tool("ssh-keygen", "-q", "-t", "ecdsa", "-b", "384", "-N", "", "-C", name, "-f", path)
        return path

    def flwr(self, who: str, port: int, *arguments: object) -> subprocess.CompletedProcess:
        """A `flwr` command from a home of its own, which knows an address and ca.crt and nothing else."""
        home = self.started.home(who)
        connection = f'[superlink.here]\naddress = "127.0.0.1:{port}"\nroot-certificates = "{self.folder / "ca.crt"}"\n'
        (home / "config.toml").write_text(connection)
        return self.started.call(who, "flwr", *arguments)

    def register(self, who: str, key: Path) -> None:
        """Tell the SuperLink of a node's public key; raises `RunError` unless it is taken."""
        said = self.flwr(who, self.superlink, "supernode", "register", f"{key}.pub", "here", "--format", "json")
        if not json.loads(said.stdout or "{}").get("success"):
            raise RunError(f"the SuperLink did not take {key.name}.pub: {one_line(said.stdout + said.stderr)}")

    def node(self, name: str, *options: object, partition: int = 0) -> subprocess.Popen:
        """Start a SuperNode."""
        return self.started.start(
            name,
            *("flower-supernode", "--superlink", f"127.0.0.1:{self.door}", "--port", free_port(), *options),
            *("--max-retries", 2, "--node-config", f"partition-id={partition}"),
        )

    def credential(self, key: Path, ca: Path | None = None) -> tuple[object, ...]:
        """Options of a node that has this key and trusts this authority."""
        return ("--root-certificates", ca or self.folder / "ca.crt", "--auth-supernode-private-key", key)

    def federation(self, who: str, experiment: Experiment) -> Run:
        """Start a run, wait for its end, and read what it left; raises `RunError` unless all masks were used."""
        settings = [part for k, v in experiment.settings.items() for part in ("--run-config", f"{k}={json.dumps(v)}")]
        said = self.flwr(who, self.superlink, "run", HERE.parent, "here", "--stream", *settings)
        listed = json.loads(self.flwr(who, self.superlink, "list", "here", "--format", "json").stdout or "{}")
        status = listed["runs"][0]["status"] if listed.get("runs") else "not started"
        if status != "finished:completed":  # `flwr run` itself exits with 0 whatever became of the run
            raise RunError(f"the run is {status}: {one_line(said.stdout + said.stderr)[-400:]}")
        done = run(experiment)  # it is there, whole: this reads it
        if set(done.history.frame["cohort"]) != {experiment.clients}:
            raise RunError(f"masks were lost: {list(done.history.frame['cohort'])} of {experiment.clients} were used")
        return done

    def refused(self, name: str, expected: str) -> str:
        """What a SuperNode that must not come in says, once it has given up; raises `RunError` if it came in."""
        process = self.started.processes[name]
        until(lambda: process.poll() is not None, 60, f"{name} gives up: it should be refused, and is not")
        said = self.started.log(name)
        if process.returncode == 0 or not (found := re.search(expected, said)):
            raise RunError(f"{name} ended otherwise than refused: {one_line(said)[-400:]}")
        return found[0]


def credentials(folder: Path) -> None:
    """An authority, and a server certificate for loopback."""
    tool("openssl", "version")
    tool(HERE / "credentials.sh", folder, "DNS:localhost,IP:127.0.0.1")


def nginx_config(folder: Path, listen: str, superlink: str) -> str:
    """nginx.conf with its names filled in, everything in one folder."""
    text = (HERE / "nginx.conf").read_text()
    names = {"KEYS": folder, "LOGS": folder, "STATE": folder, "LISTEN": listen, "SUPERLINK": superlink}
    for name, value in names.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def ask(folder: Path, path: str, port: int, body: bytes = b"", method: str = "POST") -> tuple[int, bytes]:
    """Status and body of a call of this very path, sent as it is written, by somebody who has nothing but ca.crt."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
    connection.putrequest(method, path)
    for name, value in {"Content-Type": PROTOBUF, "Accept": PROTOBUF, "Content-Length": len(body)}.items():
        connection.putheader(name, str(value))
    connection.endheaders(body)
    answer = connection.getresponse()
    said = answer.status, answer.read()
    connection.close()
    return said


def one_line(text: str) -> str:
    """Without the frames that Flower draws around what it says."""
    return " ".join(re.sub("[─│╭╮╰╯]", " ", text).split())


def nginx_command(config: Path) -> tuple[object, ...]:
    """nginx with this configuration, its own files beside it, in the foreground."""
    options = f"daemon off; pid {config.parent / 'nginx.pid'};"
    return "nginx", "-e", config.parent / "nginx-error.log", "-c", config, "-g", options


def theta(done: Run) -> tuple:
    """The votes of a run's last round, from its checkpoint."""
    state = torch.load(done.folder / "checkpoint", weights_only=True)["state"]
    return state["ones"].tolist(), state["total"]


def check(what: str, saw: object = "") -> None:
    """One line of the drill."""
    print(f"ok  {what}" + (f": {saw}" if saw != "" else ""), flush=True)


def drill(folder: Path, started: Started) -> None:
    """Raises `RunError` at the first thing that is not as it should be."""
    proxied = shutil.which("nginx") is not None
    if not proxied:
        print("--  nginx is not installed: nodes go to the SuperLink itself, and the proxy is not tried", flush=True)
    here = Deployment(folder, started, proxied)
    keys = [here.key(f"node{k}") for k in NODES]
    for k, key in enumerate(keys):
        here.register("operator", key)
        here.node(f"node{k}", *here.credential(key), partition=k)
    check(f"{len(keys)} node keys registered, {len(keys)} SuperNodes started" + " through nginx" * proxied)

    engine = run(FEDERATION.replace(out=str(folder / "engine")))
    flower = here.federation("operator", FEDERATION.replace(out=str(folder / "flower")))
    files = [(r.folder / "network.fsp").read_bytes() for r in (engine, flower)]
    if theta(engine) != theta(flower) or files[0] != files[1]:
        raise RunError("θ or network.fsp is not that of the engine in one process")
    check(
        f"{FEDERATION.rounds} rounds, every mask used; θ and network.fsp are the engine's", f"{len(files[0]):,} bytes"
    )

    (folder / "other").mkdir()
    credentials(folder / "other")
    stranger = here.key("stranger")
    activate = r"Failed to activate SuperNode"
    doors = {
        "a key that nobody registered": (activate, *here.credential(stranger)),
        "a key whose node is online already": (activate, *here.credential(keys[0])),
        "no key": (r"404 Not Found|SuperNode registration is disabled.*", "--root-certificates", folder / "ca.crt"),
        "plaintext": (r"400 Bad Request|Server disconnected without sending a response", "--insecure"),
        "a wrong authority": (
            r"CERTIFICATE_VERIFY_FAILED", *here.credential(keys[0], folder / "other" / "ca.crt"),
        ),
    }  # fmt: skip
    for what, (_, *options) in doors.items():
        here.node(what, *options)
    for what, (expected, *_) in doors.items():
        check(f"refused: {what}", here.refused(what, expected))

    if proxied:
        paths = [f"/v1/control/{call}" for call in CONTROL] + list(DETOURS)
        statuses = {path: ask(folder, path, here.door)[0] for path in paths}
        if wrong := {path: status for path, status in statuses.items() if status not in (400, 403, 404)}:
            raise RunError(f"the proxy lets through what it should not: {wrong}")
        check(
            f"refused by the proxy: {len(paths)} paths to the control and runtime APIs", sorted(set(statuses.values()))
        )
        said = here.flwr("node0-home", here.door, "list", "here")
        if said.returncode == 0 or "404 Not Found" not in said.stderr:
            raise RunError(f"`flwr list` through the proxy: {one_line(said.stdout + said.stderr)}")
        check("refused by the proxy: flwr list, with a node's address and ca.crt", "404 Not Found")

    print("--  and without a proxy, with nothing but the SuperLink's address and ca.crt:", flush=True)
    if ask(folder, "/v1/runtime/acquire-task", here.superlink)[0] != 200:
        raise RunError("the runtime API asks who is there: docs/deployment.md says that it does not")
    check("open: the SuperLink's runtime API asks nobody who he is", 200)
    here.register("stranger", stranger)
    check("open: the control API takes a stranger's key")
    taken = here.federation("stranger", FEDERATION.replace(rounds=1, out=str(folder / "stolen")))
    check("open: and a stranger's run, whose code all three nodes ran", f"{taken.network_bytes:,} bytes of network")


def main() -> int:
    """The drill, in a folder that does not stay: 0, or 1 and a line that says what is not as it should be."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped then, too
    with tempfile.TemporaryDirectory(prefix="fedsparse-", ignore_cleanup_errors=True) as folder:
        try:
            with Started(Path(folder)) as started:
                drill(Path(folder), started)
        except FedsparseError as error:
            print(f"NO  {error}", flush=True)
            return 1
        except KeyboardInterrupt:
            print("stopped", flush=True)
            return 130
    print("everything that should be shut is shut, and what was started is stopped", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
