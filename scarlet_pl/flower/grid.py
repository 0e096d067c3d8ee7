"""The server's side: mail over the grid that Flower gives a ServerApp."""

from __future__ import annotations

from collections.abc import Collection

from flwr.app import Error, Message
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid

from scarlet_pl.errors import WireError
from scarlet_pl.flower.records import MESSAGE_TYPE, read_answer, request_record
from scarlet_pl.network.mail import Correspondent, Mail, Undelivered

_NAMES = {code: name for name, code in vars(ErrorCode).items() if isinstance(code, int)}


class GridMail(Mail):
    """A message's number is Flower's id of it, a SHA-256, as a number."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    def nodes(self) -> list[Correspondent]:
        return [Correspondent(node.node_id, node.name, node.last_activated_at) for node in self._grid.get_nodes()]

    def send(self, node: int, request: bytes) -> int | None:
        message = Message(request_record(request), node, MESSAGE_TYPE)
        sent = next(iter(self._grid.push_messages([message])), None)
        return int(sent, 16) if sent else None

    def receive(self, messages: Collection[int]) -> dict[int, bytes | Undelivered]:
        if not messages:
            return {}
        replies = self._grid.pull_messages([f"{number:064x}" for number in messages])
        return {int(reply.metadata.reply_to_message_id, 16): _answer(reply) for reply in replies}

    def close(self) -> None:
        """Nothing: the grid is Flower's."""


def _answer(reply: Message) -> bytes | Undelivered:
    if reply.has_error():
        return Undelivered(_line(reply.error))
    try:
        return read_answer(reply.content)
    except WireError as error:
        return Undelivered(str(error))


def _line(error: Error) -> str:
    """The name of the code, and what Flower says beside it."""
    name = _NAMES.get(error.code, f"error {error.code}")
    reason = " ".join((error.reason or "").split())[:300]
    return f"{name}: {reason}" if reason else name
