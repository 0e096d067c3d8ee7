"""The server's side: mail over the grid that Flower gives a ServerApp."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

from flwr.app import Error, Message
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid
from flwr.superlink.grid import http_grid

from scarlet_pl.errors import WireError
from scarlet_pl.flower.objects import pull_soon
from scarlet_pl.flower.records import MESSAGE_TYPE, read_answer, request_record
from scarlet_pl.network.mail import Correspondent, Mail, Undelivered

_NAMES = {code: name for name, code in vars(ErrorCode).items() if isinstance(code, int)}


_WAIT = 2.0  # seconds for answers that have come, to be fetched
_KEPT = 60.0  # seconds for which an answer lies here that nobody has asked for again


class GridMail(Mail):
    """A message's number is Flower's id of it, a SHA-256, as a number.

    Answers are fetched in threads: Flower waits for the rest of an answer, up to 180 s, where its node was killed while
    it sent it. Flower hands an answer out once, so what was fetched lies here until it is asked for.
    """

    def __init__(self, grid: Grid) -> None:
        setattr(http_grid, "pull_objects", pull_soon)  # noqa: B010 (the grid has no setting for it, nor says that it has it)
        self._grid = grid
        self._fetching: list[_Fetch] = []
        self._came: dict[int, tuple[float, bytes | Undelivered]] = {}

    def nodes(self) -> list[Correspondent]:
        return [Correspondent(node.node_id, node.name, node.last_activated_at) for node in self._grid.get_nodes()]

    def send(self, node: int, request: bytes) -> int | None:
        message = Message(request_record(request), node, MESSAGE_TYPE)
        sent = next(iter(self._grid.push_messages([message])), None)
        return int(sent, 16) if sent else None

    def receive(self, messages: Collection[int]) -> dict[int, bytes | Undelivered]:
        wanted = set(messages)
        free = wanted.difference(self._came, *(fetch.messages for fetch in self._fetching))
        if free:
            self._fetching.append(_Fetch(self._grid, free))
            self._fetching[-1].join(_WAIT)
        self._take()
        return {number: self._came.pop(number)[1] for number in wanted & self._came.keys()}

    def _take(self) -> None:
        """What has been fetched; and no more what nobody wants."""
        now = time.monotonic()
        self._came = {number: each for number, each in self._came.items() if now - each[0] < _KEPT}
        done = [fetch for fetch in self._fetching if not fetch.is_alive()]
        self._fetching = [fetch for fetch in self._fetching if fetch not in done]
        for reply in (reply for fetch in done for reply in fetch.replies()):
            self._came[int(reply.metadata.reply_to_message_id, 16)] = now, _answer(reply)

    def close(self) -> None:
        """Nothing: the grid is Flower's."""


class _Fetch(threading.Thread):
    """Looks once for the answers to messages."""

    def __init__(self, grid: Grid, messages: Collection[int]) -> None:
        super().__init__(daemon=True)
        self._grid, self.messages = grid, frozenset(messages)
        self._replies: list[Message] = []
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._replies = list(self._grid.pull_messages([f"{number:064x}" for number in self.messages]))
        except BaseException as error:  # Flower has some that are no Exception
            self._error = error

    def replies(self) -> list[Message]:
        """What was found; raises what went wrong."""
        if self._error is not None:
            raise self._error
        return self._replies


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
