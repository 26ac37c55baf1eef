"""Flower's grid in one process: messages, contexts and apps are Flower's own, but no network lies between them.

For tests and notebooks: nothing is started, nothing is polled, and a `link` may lose or damage what it carries.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity  # `Message` needs it, and no public function sets it

from fedsparse.flower.client_app import app

Link = Callable[[ClientApp, Message, Context], Message | None]
"""Carries a message to an app and returns the app's reply; None if no reply arrives."""

FIRST_NODE = 1000


def direct(app: ClientApp, message: Message, context: Context) -> Message | None:
    """A link that loses nothing."""
    return app(message, context)


class InProcessGrid(Grid):
    """One node per node config, each with a state that lasts as long as the grid.

    Args:
        run_config: as made by `run_config.to_run_config`.
        node_configs: one per node; by default one node per client.
        link: how messages travel.
    """

    def __init__(
        self,
        run_config: Mapping[str, Any],
        node_configs: Iterable[Mapping[str, Any]] | None = None,
        link: Link = direct,
    ) -> None:
        configs = node_configs or [{"partition-id": k} for k in range(run_config["clients"])]
        self.contexts = {
            node: Context(1, node, dict(config), RecordDict(), dict(run_config))
            for node, config in enumerate(configs, FIRST_NODE)
        }
        self.link = link
        self.replies: dict[str, Message] = {}
        self.ids = itertools.count()
        TaskIdentity.run_id = TaskIdentity.node_id = TaskIdentity.task_id = 1

    def get_node_ids(self) -> list[int]:
        """All nodes."""
        return list(self.contexts)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Deliver each message at once and keep the reply; an app that raises gives an error reply, as in Flower."""
        pushed = []
        for message in messages:
            message.metadata.__dict__["_message_id"] = message_id = str(next(self.ids))
            pushed.append(message_id)
            try:
                reply = self.link(app, message, self.contexts[message.metadata.dst_node_id])
            except Exception as error:  # whatever an app may raise
                reply = Message(Error(0, repr(error)), reply_to=message)
            if reply is not None:
                self.replies[message_id] = reply
        return pushed

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """The replies that have arrived."""
        return [self.replies.pop(i) for i in message_ids if i in self.replies]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Deliver messages and return the replies; there is nothing to wait for."""
        return self.pull_messages(self.push_messages(messages))

    def create_message(self, *args: Any, **options: Any) -> Message:
        """Flower's own constructor."""
        return Message(*args, **options)

    def set_run(self, run: Any) -> None:
        """Does nothing: there is one run."""

    @property
    def run(self) -> Any:
        """None: the one run has no record."""
        return None
