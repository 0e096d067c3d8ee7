"""One request to each of many clients, until each has answered or it is too late."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

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


@dataclass
class _Letter:
    node: Correspondent
    clients: tuple[int, ...]
    until: float
    """When a node that has not answered is asked again."""


@dataclass
class Conversation:
    """Asks clients through the nodes that have them. A node that is gone, has started again or is silent is asked
    again: it knows a request that it has answered before.

    Args:
        request: what some clients of one node are asked.
        size: bytes of a client's part, so that a request is not too large.
        needed: answers for which it waits longer than the deadline.
        silent: clients whose answer is none, only that they have heard.
    """

    directory: Directory
    config: NetworkConfig
    counts: Counts
    request: Callable[[Sequence[int]], bytes]
    size: Callable[[int], int] = lambda client: 0
    needed: int = 0
    silent: Collection[int] = ()
    _waiting: set[int] = field(default_factory=set)
    _letters: dict[int, _Letter] = field(default_factory=dict)
    _tries: dict[int, int] = field(default_factory=dict)
    _not_before: dict[int, float] = field(default_factory=dict)

    def ask(self, clients: Sequence[int]) -> Iterator[Heard]:
        """What is heard of each client, in any order; of whom nothing is heard before the deadline, nothing."""
        self._waiting, answered, began, news = set(clients), 0, time.monotonic(), time.monotonic()
        said = news
        while self._waiting:
            self.directory.look(self._waiting)
            self._send()
            heard = self._hear()
            answered += sum(client not in self.silent for client, _, _ in heard)
            yield from heard
            now = time.monotonic()
            if heard:
                news = said = now
            late = self.config.deadline is not None and now - began > self.config.deadline
            if late and answered >= min(self.needed, len(set(clients).difference(self.silent))):
                return
            if now - said > _SAY_AFTER:
                said = now
                warnings.warn(f"waiting for {some(self._waiting)}: {self._where()}", stacklevel=2)
            if self._waiting and not heard:
                time.sleep(min(max(_SHARE * (now - news), _POLL), _SLOWEST_POLL))

    def _send(self) -> None:
        """Ask those who have a home and are not being asked there."""
        now, homes = time.monotonic(), self.directory.homes
        asked = {
            client
            for letter in self._letters.values()
            if now < letter.until
            for client in letter.clients
            if homes.get(client) == letter.node
        }
        free: dict[Correspondent, list[int]] = {}
        for client in sorted(self._waiting - asked):
            if client in homes and now >= self._not_before.get(client, 0.0):
                free.setdefault(homes[client], []).append(client)
        for node, clients in free.items():
            for together in self._split(clients):
                self._post(node, together, now)

    def _post(self, node: Correspondent, clients: tuple[int, ...], now: float) -> None:
        request = self.request(clients)
        number = self.directory.mail.send(node.id, request)
        again = [client for client in clients if client in self._tries]
        self.counts.asked_again += len(again)
        tries = 1 + max((self._tries.get(client, 0) for client in clients), default=0)
        self._tries |= dict.fromkeys(clients, tries)
        if number is None:
            self._back_off(node, clients)
            return
        self.counts.messages += 1
        self.counts.sent_bytes += len(request)
        self._letters[number] = _Letter(node, clients, now + self.config.patience * 2 ** min(tries - 1, 6))

    def _hear(self) -> list[Heard]:
        found: list[Heard] = []
        for number, answer in self.directory.mail.receive(list(self._letters)).items():
            letter = self._letters.pop(number)
            if isinstance(answer, Undelivered):
                self._fail(letter, answer.why)
                continue
            self.counts.received_bytes += len(answer)
            try:
                heard = _read(answer, letter.clients)
            except WireError as error:
                self._fail(letter, str(error))
                continue
            found += [each for each in heard if each[0] in self._waiting]
            self._waiting.difference_update(client for client, _, _ in heard)
        return found

    def _fail(self, letter: _Letter, why: str) -> None:
        self.counts.undelivered += 1
        if any(client in self._waiting for client in letter.clients):
            warnings.warn(f"no answer for {some(letter.clients)}, who are asked again: {why}", stacklevel=2)
        self._back_off(letter.node, letter.clients)

    def _back_off(self, node: Correspondent, clients: Sequence[int]) -> None:
        """Its clients are asked again when the node has joined again, and not at once for ever."""
        if all(self.directory.homes.get(client) in (node, None) for client in clients):
            self.directory.lose(node)
        for client in clients:
            delay = min(0.1 * 2 ** self._tries.get(client, 0), self.config.patience)
            self._not_before[client] = time.monotonic() + delay

    def _split(self, clients: list[int]) -> Iterator[tuple[int, ...]]:
        """Clients of one node, in requests that are not too large."""
        together, total = list[int](), 0
        for client in clients:
            if together and total + self.size(client) > _MOST_BYTES:
                yield tuple(together)
                together, total = [], 0
            together.append(client)
            total += self.size(client)
        yield tuple(together)

    def _where(self) -> str:
        homeless = [client for client in sorted(self._waiting) if client not in self.directory.homes]
        return f"no node has {some(homeless)}" if homeless else "asked, no answer yet"


def missing(client: int, deadline: float | None) -> ClientError:
    """What became of a client of which nothing was heard."""
    return ClientError(f"client {client} did not answer within {deadline} s")


def _read(answer: bytes, clients: Sequence[int]) -> list[Heard]:
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
