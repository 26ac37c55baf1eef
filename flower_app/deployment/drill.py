"""`python flower_app/deployment/drill.py`: a federation with TLS, node keys and a proxy, on this machine, from nothing.

It makes the credentials, starts a SuperLink, nginx and three SuperNodes on loopback, trains, compares every byte with
the run in one process, and then tries every access that has to be refused. It prints one line per check. In the end it
stops what it started, whatever happens, and removes its temporary folder. Without nginx, the proxy is not tried.
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
from processes import Processes, listens, tool, until

from fedsparse import Experiment, FedsparseError, RunError, run
from fedsparse.flower.run_config import FlowerSettings, to_run_config
from fedsparse.flower.superlink import free_port
from fedsparse.runs import Run

HERE = Path(__file__).parent
FEDERATION = Experiment(model="mlp", width=0.1, clients=3, rounds=2, local_epochs=1, codec="shared", clip=0.001)
NODES = range(FEDERATION.clients)
PROTOBUF = "application/protobuf"
NO_CONNECTION = 305
"""Flower's code for a SuperNode that the SuperLink, or what stands before it, does not let in; its words vary."""
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
    """The set-up of docs/deployment.md: credentials, a SuperLink, and nginx in front of it."""

    def __init__(self, folder: Path, processes: Processes, proxied: bool) -> None:
        self.folder, self.processes = folder, processes
        self.superlink = free_port()
        self.port = free_port() if proxied else self.superlink
        credentials(folder)
        processes.start(
            "superlink",
            *("flower-superlink", "--host", "127.0.0.1", "--port", self.superlink),
            *("--database", folder / "state.db", "--enable-supernode-auth"),
            *("--ssl-ca-certfile", folder / "ca.crt", "--ssl-certfile", folder / "server.crt"),
            *("--ssl-keyfile", folder / "server.key", "--disable-runtime-dependency-installation"),
        )
        until(lambda: listens(self.superlink), 60, "the SuperLink listens")
        if proxied:
            config = folder / "nginx.conf"
            config.write_text(
                nginx_config(folder, f"127.0.0.1:{self.port}", f"127.0.0.1:{self.superlink}"), encoding="utf-8"
            )
            processes.start("nginx", *nginx_command(config))
            until(lambda: listens(self.port), 20, "nginx listens")

    def key(self, name: str) -> Path:
        """A new key of a node; its public half lies beside it."""
        path = self.folder / name
        tool("ssh-keygen", "-q", "-t", "ecdsa", "-b", "384", "-N", "", "-C", name, "-f", path)
        return path

    def flwr(self, who: str, port: int, *arguments: object) -> subprocess.CompletedProcess:
        """Run `flwr` with an FLWR_HOME of its own, which holds an address and ca.crt and nothing else."""
        home = self.processes.home(who)
        connection = f'[superlink.here]\naddress = "127.0.0.1:{port}"\nroot-certificates = "{self.folder / "ca.crt"}"\n'
        (home / "config.toml").write_text(connection, encoding="utf-8")
        return self.processes.call(who, "flwr", *arguments)

    def register(self, who: str, key: Path) -> None:
        """Register a node's public key at the SuperLink; raises `RunError` if it is refused."""
        said = self.flwr(who, self.superlink, "supernode", "register", f"{key}.pub", "here", "--format", "json")
        if not json.loads(said.stdout or "{}").get("success"):
            raise RunError(f"the SuperLink refused {key.name}.pub: {one_line(said.stdout + said.stderr)}")

    def node(self, name: str, *options: object, partition: int = 0) -> subprocess.Popen:
        """Start a SuperNode."""
        return self.processes.start(
            name,
            *("flower-supernode", "--superlink", f"127.0.0.1:{self.port}", "--port", free_port(), *options),
            *("--max-retries", 2, "--node-config", f"partition-id={partition}"),
        )

    def credential(self, key: Path, ca: Path | None = None) -> tuple[object, ...]:
        """Options of a node that has this key and trusts this authority."""
        return ("--root-certificates", ca or self.folder / "ca.crt", "--auth-supernode-private-key", key)

    def federation(self, who: str, experiment: Experiment) -> Run:
        """Start a run, wait for its end, and read its results; raises `RunError` unless all masks were used."""
        config = to_run_config(experiment, FlowerSettings(node_wait=300, reply_timeout=300))  # the machine may be busy
        settings = [part for k, v in config.items() for part in ("--run-config", f"{k}={json.dumps(v)}")]
        said = self.flwr(who, self.superlink, "run", HERE.parent, "here", "--stream", *settings)
        listed = json.loads(self.flwr(who, self.superlink, "list", "here", "--format", "json").stdout or "{}")
        status = listed["runs"][0]["status"] if listed.get("runs") else "not started"
        if status != "finished:completed":  # `flwr run` itself exits with 0 whatever became of the run
            raise RunError(f"the run is {status}: {one_line(said.stdout + said.stderr)[-400:]}")
        done = run(experiment)  # reads the finished run
        if set(done.history.frame["cohort"]) != {experiment.clients}:
            raise RunError(f"masks were lost: {list(done.history.frame['cohort'])} of {experiment.clients} were used")
        return done

    def online(self) -> int:
        """How many SuperNodes the SuperLink counts as online."""
        said = self.flwr("operator", self.superlink, "supernode", "list", "here", "--format", "json")
        return [node["status"] for node in json.loads(said.stdout or "{}").get("nodes", [])].count("online")


def refused(processes: Processes, name: str) -> str:
    """The error of a SuperNode that must be refused, once it has given up; raises `RunError` if it was not."""
    process = processes.running[name]
    until(lambda: process.poll() is not None, 60, f"{name} is refused")
    said = processes.log(name)
    error = re.search(rf"Exit Code: {NO_CONNECTION}\b(.*?)(\n\n|$)", said, re.DOTALL)
    if process.returncode == 0 or not error:
        raise RunError(f"{name} was not refused, but ended with code {process.returncode}: {one_line(said)[-400:]}")
    return one_line(error[1])


def credentials(folder: Path) -> None:
    """An authority, and a server certificate for loopback."""
    tool("openssl", "version")
    tool(HERE / "credentials.sh", folder, "DNS:localhost,IP:127.0.0.1")


def nginx_config(folder: Path, listen: str, superlink: str) -> str:
    """nginx.conf with its placeholders filled in; all files are in one folder."""
    text = (HERE / "nginx.conf").read_text(encoding="utf-8")
    names = {"KEYS": folder, "LOGS": folder, "STATE": folder, "LISTEN": listen, "SUPERLINK": superlink}
    for name, value in names.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def ask(folder: Path, path: str, port: int, body: bytes = b"", method: str = "POST") -> tuple[int, bytes]:
    """Status and body of a call by somebody who has only ca.crt; the path is sent exactly as written."""
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
    """Flower's output in one line, without the frames that it draws."""
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


def try_nodes(here: Deployment, online: Path, unregistered: Path) -> None:
    """Start every node that must be refused, given the key of one that is online and a key that nobody registered."""
    other = here.folder / "other"
    other.mkdir()
    credentials(other)
    attempts = {
        "a key that nobody registered": here.credential(unregistered),
        "a key whose node is online already": here.credential(online),
        "no key": ("--root-certificates", here.folder / "ca.crt"),
        "plaintext": ("--insecure",),
        "a wrong authority": here.credential(online, other / "ca.crt"),
    }
    for what, options in attempts.items():
        here.node(what, *options)
    for what in attempts:
        check(f"refused: {what}", refused(here.processes, what))


def drill(folder: Path, processes: Processes) -> None:
    """Raises `RunError` at the first check that fails."""
    proxied = shutil.which("nginx") is not None
    if not proxied:
        print("--  nginx is not installed: nodes connect to the SuperLink directly, and no proxy is tried", flush=True)
    here = Deployment(folder, processes, proxied)
    keys = [here.key(f"node{k}") for k in NODES]
    for k, key in enumerate(keys):
        here.register("operator", key)
        here.node(f"node{k}", *here.credential(key), partition=k)
    check(f"{len(keys)} node keys registered, {len(keys)} SuperNodes started" + " through nginx" * proxied)

    in_process = run(FEDERATION.replace(out=str(folder / "in_process")))
    flower = here.federation("operator", FEDERATION.replace(out=str(folder / "flower")))
    files = [(r.folder / "network.fsp").read_bytes() for r in (in_process, flower)]
    if theta(in_process) != theta(flower) or files[0] != files[1]:
        raise RunError("θ or network.fsp is not that of the run in one process")
    equal = "θ and network.fsp are those of the run in one process"
    check(f"{FEDERATION.rounds} rounds, every mask used; {equal}", f"{len(files[0]):,} bytes")

    try_nodes(here, keys[0], here.key("unregistered"))
    if (online := here.online()) != len(keys):
        raise RunError(f"{online} SuperNodes are online, not the {len(keys)} that may be")
    check("online are those that were registered", online)

    if proxied:
        paths = [f"/v1/control/{call}" for call in CONTROL] + list(DETOURS)
        statuses = {path: ask(folder, path, here.port)[0] for path in paths}
        if wrong := {path: status for path, status in statuses.items() if status not in (400, 403, 404)}:
            raise RunError(f"the proxy passes on paths that it should refuse: {wrong}")
        check(
            f"refused by the proxy: {len(paths)} paths to the control and runtime APIs", sorted(set(statuses.values()))
        )
        said = here.flwr("node0-home", here.port, "list", "here")
        if said.returncode == 0:
            raise RunError(f"`flwr list` through the proxy: {one_line(said.stdout + said.stderr)}")
        check("refused by the proxy: flwr list, with a node's address and ca.crt", f"exit code {said.returncode}")

    print("--  and without a proxy, with nothing but the SuperLink's address and ca.crt:", flush=True)
    if ask(folder, "/v1/runtime/acquire-task", here.superlink)[0] != 200:
        raise RunError("the runtime API refuses the call: docs/deployment.md says that it does not")
    check("open: the SuperLink's runtime API asks for no credentials", 200)
    here.register("outsider", folder / "unregistered")
    check("open: the control API registers an outsider's key")
    taken = here.federation("outsider", FEDERATION.replace(rounds=1, out=str(folder / "outsider")))
    check("open: and it starts an outsider's run, whose code all three nodes ran", f"{taken.network_bytes:,} bytes")


def main() -> int:
    """The drill, in a temporary folder: returns 0, or 1 after a line that says which check failed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped then, too
    with tempfile.TemporaryDirectory(prefix="fedsparse-", ignore_cleanup_errors=True) as folder:
        try:
            with Processes(Path(folder)) as processes:
                drill(Path(folder), processes)
        except FedsparseError as error:
            print(f"NO  {error}", flush=True)
            return 1
        except KeyboardInterrupt:
            print("stopped", flush=True)
            return 130
    print("every access that should be refused was refused; every process is stopped", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
