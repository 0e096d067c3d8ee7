"""Questions to many clients, each until all have answered or it is too late."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from scarlet_pl.errors import ClientError, WireError
from scarlet_pl.network.config import NetworkConfig
from scarlet_pl.network.directory import Directory
from scarlet_pl.network.frames import Fields, unpack
from scarlet_pl.network.mail import Correspondent, Undelivered

_POLL, _SLOWEST_POLL, _SHARE = 0.02, 0.5, 0.05
"""Seconds between two looks for answers: a share of the time since the last one, from the least to the most."""
_SAY_AFTER = 30.0
_MOST_BYTES = 64 << 20

Heard = tuple[int, Fields, bytes]
"""A client, what was said of it, and the bytes that came with that."""


@dataclass
class Counts:
    """What the network did beside what the method sends: no part of a method's bytes."""

    messages: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    asked_again: int = 0
    undelivered: int = 0


@dataclass(frozen=True)
class Question:
    """What clients are asked.

    Args:
        request: what some clients of one node are asked.
        size: bytes of a client's part, so that a request is not too large.
        needed: answers for which it waits longer than the deadline.
        silent: clients whose answer is none, only that they have heard.
    """

    request: Callable[[Sequence[int]], bytes]
    size: Callable[[int], int] = lambda client: 0
    needed: int = 0
    silent: Collection[int] = ()


@dataclass(frozen=True)
class _Letter:
    node: Correspondent
    clients: tuple[int, ...]
    turn: int
    """The number of the question that it is of."""
    sent: int
    """How many were sent before it."""


class Conversation:
    """Asks clients through the nodes that have them, one question after the other.

    A node is sent one request at a time. So one that is slower than a round works on what it was asked, and then on
    what is asked now, and not on a queue of rounds that are over. A node that is gone, has started again or is silent
    for too long is asked again: it knows a request that it has answered before.

    Args:
        directory: which node has which client.
        config: how long it waits.

    Attributes:
        counts: what was sent and received.
    """

    def __init__(self, directory: Directory, config: NetworkConfig) -> None:
        self.directory, self.config, self.counts = directory, config, Counts()
        self._turn, self._waiting, self._asked = 0, set[int](), set[int]()
        self._letters: dict[int, _Letter] = {}
        """Those that are not answered, in the order in which they were sent; of earlier questions, too."""
        self._tries: dict[Correspondent, int] = {}
        """Of each node, since its last answer."""
        self._not_before: dict[Correspondent, float] = {}
        """When a node that owes an answer, or has failed, may be asked again."""

    def ask(self, question: Question, clients: Sequence[int]) -> Iterator[Heard]:
        """What is heard of each client, in any order; of whom nothing is heard before the deadline, nothing."""
        self._begin(clients)
        answered, began = 0, time.monotonic()
        said = news = began
        while self._waiting:
            self.directory.look(self._waiting)
            self._send(question)
            heard = self._hear()
            answered += sum(client not in question.silent for client, _, _ in heard)
            yield from heard
            now = time.monotonic()
            if heard:
                news = said = now
            late = self.config.deadline is not None and now - began > self.config.deadline
            if late and answered >= min(question.needed, len(set(clients).difference(question.silent))):
                return
            if now - said > _SAY_AFTER:
                said = now
                warnings.warn(f"waiting for {some(self._waiting)}: {self._where()}", stacklevel=2)
            if self._waiting and not heard:
                time.sleep(min(max(_SHARE * (now - news), _POLL), _SLOWEST_POLL))

    def _begin(self, clients: Sequence[int]) -> None:
        """Of earlier questions nothing matters but which nodes still owe an answer, as far as they are there."""
        self._turn, self._waiting, self._asked = self._turn + 1, set(clients), set()
        there = set(self.directory.homes.values())
        self._letters = {number: letter for number, letter in self._letters.items() if letter.node in there}
        self._tries = {node: tries for node, tries in self._tries.items() if node in there}
        self._not_before = {node: when for node, when in self._not_before.items() if node in there}

    def _send(self, question: Question) -> None:
        """Ask those whose node owes no answer."""
        now, free = time.monotonic(), dict[Correspondent, list[int]]()
        for client in sorted(self._waiting):
            node = self.directory.homes.get(client)
            if node is not None and now >= self._not_before.get(node, 0.0):
                free.setdefault(node, []).append(client)
        for node, clients in free.items():
            self._post(question, node, _as_many_as_fit(question, clients), now)

    def _post(self, question: Question, node: Correspondent, clients: tuple[int, ...], now: float) -> None:
        request = question.request(clients)
        number = self.directory.mail.send(node.id, request)
        self.counts.asked_again += len(self._asked.intersection(clients))
        self._asked.update(clients)
        tries = self._tries[node] = self._tries.get(node, 0) + 1
        if number is None:
            self._back_off(node, clients)
            return
        self._letters[number] = _Letter(node, clients, self._turn, self.counts.messages)
        self.counts.messages += 1
        self.counts.sent_bytes += len(request)
        self._not_before[node] = now + self.config.patience * 2 ** min(tries - 1, 6)

    def _hear(self) -> list[Heard]:
        found: list[Heard] = []
        for number, answer in self.directory.mail.receive(list(self._letters)).items():
            letter = self._letters.pop(number, None)
            if letter is None:  # a later one's answer came before it
                continue
            self.counts.received_bytes += 0 if isinstance(answer, Undelivered) else len(answer)
            try:
                heard = _read(answer, letter.clients)
            except WireError as error:
                self._fail(letter, str(error))
                continue
            self._is_there(letter)
            if letter.turn == self._turn:
                found += [each for each in heard if each[0] in self._waiting]
                self._waiting.difference_update(letter.clients)
        return found

    def _is_there(self, answered: _Letter) -> None:
        """A node answers one request after the other: what was sent to it before this one got lost."""
        node, letters = answered.node, self._letters.items()
        self._letters = {number: each for number, each in letters if each.node != node or each.sent > answered.sent}
        self._tries.pop(node, None)
        if not any(each.node == node for each in self._letters.values()):
            self._not_before.pop(node, None)

    def _fail(self, letter: _Letter, why: str) -> None:
        self.counts.undelivered += 1
        if letter.turn == self._turn and not self._waiting.isdisjoint(letter.clients):
            warnings.warn(f"no answer for {some(letter.clients)}, who are asked again: {why}", stacklevel=2)
        self._back_off(letter.node, letter.clients)

    def _back_off(self, node: Correspondent, clients: Sequence[int]) -> None:
        """Its clients are asked again when the node has joined again, and not at once for ever."""
        if all(self.directory.homes.get(client) in (node, None) for client in clients):
            self.directory.lose(node)
        delay = 0.1 * 2 ** min(self._tries.get(node, 0), 10)
        self._not_before[node] = time.monotonic() + min(delay, self.config.patience)

    def _where(self) -> str:
        homeless = [client for client in sorted(self._waiting) if client not in self.directory.homes]
        return f"no node has {some(homeless)}" if homeless else "asked, no answer yet"


def _as_many_as_fit(question: Question, clients: Sequence[int]) -> tuple[int, ...]:
    """The first of a node's clients, in a request that is not too large; at least one."""
    together, total = list[int](), 0
    for client in clients:
        total += question.size(client)
        if together and total > _MOST_BYTES:
            break
        together.append(client)
    return tuple(together)


def missing(client: int, deadline: float | None) -> ClientError:
    """What became of a client of which nothing was heard."""
    return ClientError(f"client {client} did not answer within {deadline} s")


def _read(answer: bytes | Undelivered, clients: Sequence[int]) -> list[Heard]:
    """What an answer says of each client; raises `WireError` where there is none, or it is not to be used."""
    if isinstance(answer, Undelivered):
        raise WireError(answer.why)
    header, blobs = unpack(answer)
    if header.has("refused"):
        raise WireError(header.text("refused"))
    parts = header.parts("answers")
    if len(blobs) not in (0, len(parts)):
        raise WireError(f"{len(blobs)} payloads for {len(parts)} answers")
    said = [part.number("client", 0, max(clients)) for part in parts]
    if sorted(said) != sorted(clients):
        raise WireError("an answer for other clients than were asked")
    return list(zip(said, parts, blobs or [b""] * len(parts), strict=True))


def some(clients: Collection[int]) -> str:
    """Clients by their numbers; of many the first."""
    first = sorted(clients)[:5]
    more = f" and {len(clients) - 5} more" if len(clients) > 5 else ""
    return f"client{'s' if len(clients) > 1 else ''} {', '.join(map(str, first))}{more}"
