"""Requests to nodes and their answers, as an engine carries them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Correspondent:
    """A node that is there.

    Attributes:
        id: the engine's number for it; a new one when a node without a key starts again.
        name: what it is registered under; "" where it is not.
        since: when it last came up, in the engine's words: another one after a restart.
    """

    id: int
    name: str = ""
    since: str = ""


@dataclass(frozen=True)
class Undelivered:
    """In place of an answer: the node is gone, has failed, or was too slow for the engine.

    Attributes:
        why: in one line.
    """

    why: str


class Mail(ABC):
    """An engine that carries bytes to nodes and back. Messages may get lost, and may come twice."""

    @abstractmethod
    def nodes(self) -> list[Correspondent]:
        """The nodes that are there now."""

    @abstractmethod
    def send(self, node: int, request: bytes) -> int | None:
        """Send a request; the message's number, or None if the node is gone."""

    @abstractmethod
    def receive(self, messages: Collection[int]) -> dict[int, bytes | Undelivered]:
        """The answers to these messages that have come since the last call. Does not wait."""

    def close(self) -> None:  # noqa: B027 (optional)
        """No message is sent any more."""
