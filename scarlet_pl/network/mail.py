"""Requests to nodes and their answers, as an engine carries them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Correspondent:
    """A node that is there.

    Attributes:
        id: the engine's; new when a node without a key starts again.
        name: what it is registered under, "" where it is not.
        since: when it last came up, as the engine says. It changes with a restart.
    """

    id: int
    name: str = ""
    since: str = ""


@dataclass(frozen=True)
class Undelivered:
    """In place of an answer: the node is gone, failed, or was too slow for the engine.

    Attributes:
        why: one line.
    """

    why: str


class Mail(ABC):
    """What carries requests to nodes and answers back."""

    @abstractmethod
    def nodes(self) -> list[Correspondent]:
        """The nodes that are there now."""

    @abstractmethod
    def send(self, node: int, request: bytes) -> int | None:
        """The message's number; None if the node is gone."""

    @abstractmethod
    def receive(self, messages: Collection[int]) -> dict[int, bytes | Undelivered]:
        """Those that have come so far, by the message's number. It does not wait."""

    @abstractmethod
    def close(self) -> None:
        """End what it has open."""
