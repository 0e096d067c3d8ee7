"""A node's app, for Flower's own SuperNodes: it hands each request to the process that answers at a socket.

Flower starts it anew for each message, so it imports next to nothing.
"""

from __future__ import annotations

from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from scarlet_pl.errors import ConfigError
from scarlet_pl.flower.records import MESSAGE_TYPE, answer_record, read_request
from scarlet_pl.flower.socket import ask

app = ClientApp()


@app.query(MESSAGE_TYPE.partition(".")[2])
def query(message: Message, context: Context) -> Message:
    """The answer to a request."""
    path = context.node_config.get("socket")
    if not isinstance(path, str):
        raise ConfigError("node-config socket", path, "the path of the socket at which this node's process answers")
    return Message(answer_record(ask(Path(path), read_request(message.content))), reply_to=message)
