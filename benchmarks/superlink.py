"""(l) What does a waiting node cost the SuperLink? One signed call of the fleet API, over TLS, at one process.

Seconds are the SuperLink's own processor time, read from /proc on Linux. Needs the extra `flower`, openssl, ssh-keygen.
"""

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import table

POLL, HEARTBEAT = 3.0, 30.0
"""Seconds between two polls for messages of a SuperNode, and between two of its heartbeats (flwr 1.41)."""
CALLS = 9
"""Further calls of a node that answers one message, as counted in nginx's log of the drill."""
CORE = 0.5
"""Share of its one core that a SuperLink may spend on waiting nodes."""


def main(calls: int = 200) -> str:
    """The table."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "flower_app" / "deployment"))
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key
    from drill import Deployment, Processes
    from flwr.proto.fleet_pb2 import ActivateNodeRequest, PullMessagesRequest
    from flwr.proto.node_pb2 import Node
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes
    from flwr.supernode.fleet_http_client import FleetHttpClient
    from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        here = Deployment(Path(folder), processes, proxied=False)
        key = here.key("node")
        here.register("operator", key)
        secret = load_ssh_private_key(key.read_bytes(), None)
        public = secret.public_key()
        client = FleetHttpClient.from_server_address(
            f"127.0.0.1:{here.superlink}", False, (here.folder / "ca.crt").read_bytes(),
            [NodeAuthHttpInterceptor(secret, public)],
        )  # fmt: skip
        request = ActivateNodeRequest(public_key=public_key_to_bytes(public), heartbeat_interval=HEARTBEAT)
        node = Node(node_id=client.ActivateNode(request).node_id)
        superlink = processes.running["superlink"].pid
        for _ in range(20):
            client.PullMessages(PullMessagesRequest(node=node))
        before = _seconds(superlink)
        for _ in range(calls):
            client.PullMessages(PullMessagesRequest(node=node))
        each = (_seconds(superlink) - before) / calls
    waiting = each * (1 / POLL + 1 / HEARTBEAT)
    row = {
        "one call, ms": f"{1e3 * each:.1f}",
        "calls per second": f"{1 / each:.0f}",
        f"waiting nodes, at {CORE:.0%} of its core": f"{CORE / waiting:.0f}",
        "10,000 replies, minutes of its core": f"{10_000 * CALLS * each / 60:.1f}",
    }
    return table("(l) A SuperLink of flwr 1.41, with TLS, node keys and its database in a file", [row])


def _seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    print(main())
