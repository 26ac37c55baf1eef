"""(i) What does a node cost the SuperLink while it only waits? A signed call of the fleet API, over TLS, one process.

Seconds are those of the SuperLink's own work, read from /proc: Linux. Needs the extra `flower`, openssl, ssh-keygen.
"""

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import table

POLL, HEARTBEAT = 3.0, 30.0
"""Seconds between two questions of a SuperNode for messages, and between two signs of life (flwr 1.41)."""
CALLS = 9
"""Calls of a node that answers one message, beyond those, as counted in nginx's log of the drill."""
CORE = 0.5
"""Share of its one core that a SuperLink may be busy with nodes that only wait."""


def main(calls: int = 200) -> str:
    """The table."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "flower_app" / "deployment"))
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key
    from drill import Deployment, Started
    from flwr.proto.fleet_pb2 import ActivateNodeRequest, PullMessagesRequest
    from flwr.proto.node_pb2 import Node
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes
    from flwr.supernode.fleet_http_client import FleetHttpClient
    from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

    with tempfile.TemporaryDirectory() as folder, Started(Path(folder)) as started:
        here = Deployment(Path(folder), started, proxied=False)
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
        superlink = started.processes["superlink"].pid
        for _ in range(20):
            client.PullMessages(PullMessagesRequest(node=node))
        before = _seconds(superlink)
        for _ in range(calls):
            client.PullMessages(PullMessagesRequest(node=node))
        each = (_seconds(superlink) - before) / calls
    waiting = each * (1 / POLL + 1 / HEARTBEAT)
    row = {
        "one call, ms": f"{1e3 * each:.1f}",
        "calls a second": f"{1 / each:.0f}",
        f"nodes that only wait, at {CORE:.0%} of its core": f"{CORE / waiting:.0f}",
        "10,000 replies, minutes of its core": f"{10_000 * CALLS * each / 60:.1f}",
    }
    return table("(i) A SuperLink of flwr 1.41, with TLS, node keys and its database in a file", [row])


def _seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    print(main())
