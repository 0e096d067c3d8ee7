"""What the clients' half of a method is: receive, uplink, accept or reject.

It is given payloads and its own clients' results, never a plan or the server's state, so it could run on another
machine. What a client keeps from round to round beside its weights is its memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scarlet_pl.client import ClientResult, ClientTask
from scarlet_pl.client.selectors import ClientSelector
from scarlet_pl.methods.population import NO_LABELS, Population
from scarlet_pl.wire import Message


class ClientSide(ABC):
    """The clients' half of a method, of any number of clients.

    Args:
        name: what the method's messages are marked with.
        population: as the server's half knows it.
    """

    keeps_weights = True
    """Whether a client's weights are needed after a round: to go on from them, or to be tested."""

    selector: ClientSelector | None = None
    """Which of the public samples that a client is asked for it labels; all if None."""

    def __init__(self, name: str, population: Population) -> None:
        self.name, self.population = name, replace(population, private_labels=NO_LABELS)

    @abstractmethod
    def receive(self, round: int, client: int, payload: bytes) -> ClientTask:
        """What to do, from the bytes that came (none if nothing was sent). Changes nothing that is kept.

        Raises:
            WireError: they are no message to this client in this round.
            DesyncError: they refer to a memory that this client does not have.
        """

    @abstractmethod
    def uplink(self, round: int, result: ClientResult) -> Message | None:
        """What is sent back; None for nothing at all. Changes nothing that is kept."""

    def accept(self, round: int, client: int) -> None:  # noqa: B027 (optional)
        """The server has used what this client sent in this round: its memory takes the round over."""

    def reject(self, client: int) -> None:  # noqa: B027 (optional)
        """The server did not use it: all stays as it was before `receive`."""

    def memory(self, client: int) -> Any:
        """All that a client keeps, wherever it lies: tensors and plain values only; None for nothing."""
        return None

    def remember(self, client: int, memory: Any) -> None:  # noqa: B027 (optional)
        """The inverse of `memory`; None: as before the client's first round."""

    def state_dict(self) -> dict[str, Any]:
        """The memories of all clients, in the form that is saved fastest."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027 (optional)
        """The inverse of `state_dict`."""
