"""What a server has to do with clients, wherever they are: packets out, replies in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scarlet_pl.client import ClientFailure
from scarlet_pl.errors import ClientError
from scarlet_pl.wire.fields import Buffer


@dataclass(frozen=True)
class Packet:
    """What goes to a client: the method's message, and beside it what costs the method no bytes.

    Attributes:
        payload: the message; empty where the method sends none.
        base: the last round whose upload of this client the server has used, -1 for none. The client goes on from
            there: what it kept of later rounds is void.
        reset: whether the client's memory is void as well, since it was not what the server thought; so in each of
            its packets until an upload of it is used again.
        silent: the client hears this and never answers (drop-out).
    """

    client: int
    payload: bytes
    base: int = -1
    reset: bool = False
    silent: bool = False


@dataclass(frozen=True)
class ClientReport:
    """What is measured at a client for those who look. No part of any method, and counted as no bytes.

    Attributes:
        samples: of its shard.
        distill_loss, train_loss: means over the round's steps; None for what was not done.
        steps: of all optimizers.
    """

    client: int
    samples: int = 0
    distill_loss: float | None = None
    train_loss: float | None = None
    steps: int = 0


@dataclass(frozen=True)
class Reply:
    """What a client sends back; the payload is empty where the method sends nothing."""

    client: int
    payload: bytes
    report: ClientReport


class Transport(ABC):
    """The way between a server and its clients."""

    statistics: Mapping[str, int] = {}
    """What it did beside what the method sends, for summary.json."""

    @abstractmethod
    def exchange(self, round: int, packets: Iterable[Packet]) -> Iterator[Reply | ClientFailure]:
        """Send each packet to its client, and yield a reply or a failure for each that is not silent, in any order.

        A failure with a `DesyncError` asks for the client's message again, whole, in another exchange of the round.

        Args:
            packets: taken one by one as there is work for them, so that few are in memory.
        """

    @abstractmethod
    def settle(self, round: int, accepted: Collection[int]) -> None:
        """The server has used the uploads of these clients in this round, and of no others. Who is far away may as
        well learn that from the base of the next packet."""

    @abstractmethod
    def evaluate(
        self, round: int, clients: Iterable[int], weights: Buffer | None = None
    ) -> dict[int, Mapping[str, float]]:
        """The learner's metrics of each client on its own test shard, "accuracy" among them, by client.

        Args:
            weights: encoded, which all are tested with; their own if None.
        """

    @abstractmethod
    def digests(self) -> dict[int, str]:
        """SHA-256 over the weights and the memory of each client that has either."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""

    def saved(self) -> None:  # noqa: B027 (optional)
        """The run has saved a checkpoint, and may go back to it until it has saved two more."""

    def keep_states_in(self, folder: Path) -> None:  # noqa: B027 (optional)
        """Before the first round: where the clients' states lie if they lie on this disk."""

    def close(self) -> None:  # noqa: B027 (optional)
        """End what runs for it, until it is needed again."""


def in_order(answers: Iterable[Reply | ClientFailure], clients: Iterable[int]) -> Iterator[Reply | ClientFailure]:
    """Answers in the order of `clients`, each as soon as all earlier ones are there. Who of them never answered
    failed; failures of others come last.

    Raises:
        ValueError: a reply that nobody waits for.
    """
    turn, waiting = deque(clients), dict[int, Reply | ClientFailure]()
    awaited = set(turn)
    for answer in answers:
        if isinstance(answer, Reply) and answer.client not in awaited:
            raise ValueError(f"client {answer.client} answered twice, or was not asked")
        awaited.discard(answer.client)
        waiting[answer.client] = answer
        del answer
        while turn and turn[0] in waiting:
            yield waiting.pop(turn.popleft())
    for client in turn:
        missing = ClientFailure(client, ClientError("no answer came"))
        yield waiting.pop(client, missing)
    yield from (waiting[client] for client in sorted(waiting))
