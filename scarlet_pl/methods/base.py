"""What the server's half of a method is: observe, plan, downlink, collect, aggregate, commit.

The federation calls these in that order, once a round. Until `commit` nothing of a round may change a method's
state, so a round that fails before it has not happened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from scarlet_pl.client import ClientTask, State
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.client_side import ClientSide
from scarlet_pl.methods.parts.aggregators import Consensus, Votes
from scarlet_pl.methods.population import Population
from scarlet_pl.server import ServerWork
from scarlet_pl.wire import Message
from scarlet_pl.wire.ledger import Traffic

NOTHING: Tensor = torch.zeros(0, dtype=torch.int64)


class ServerView(Protocol):
    """What a method may see of the server's model."""

    def predict_public(self, indices: Tensor) -> Tensor:
        """Soft labels (n, N) of public samples without augmentation, in evaluation mode."""

    def weights(self) -> State:
        """A copy of the network's parameters and buffers."""


@dataclass(frozen=True)
class RoundPlan:
    """Who takes part and what is asked of them.

    Attributes:
        cohort: clients in ascending order.
        draw: (n,) public samples of the round, ascending; none where a method uses none.
        request: (r,) those of the draw that the clients predict.
    """

    round: int
    cohort: tuple[int, ...]
    draw: Tensor = NOTHING
    request: Tensor = NOTHING

    @property
    def reused(self) -> int:
        """Drawn samples that nobody predicts, since their labels are there."""
        return len(self.draw) - len(self.request)

    def compared(self, traffic: Traffic) -> Mapping[str, int]:
        """What the same clients would have sent, and been sent, by other means than the method's, by column of
        rounds.csv; nothing where there is nothing to compare with.

        Args:
            traffic: of the round.
        """
        return {}


@dataclass(frozen=True)
class Upload:
    """One client's checked upload: soft labels of what it was asked for, ascending, or weights.

    Attributes:
        message: its parts as they came, and what the official code would count for them; None where nothing came.
    """

    client: int
    message: Message | None = None
    labels: SoftLabels | None = None
    weights: State | None = None
    samples: int = 0


@dataclass(frozen=True)
class LabelRound:
    """How a round's soft labels came about.

    Attributes:
        votes: the clients' labels of the request, in the order of `Outcome.clients`.
        consensus: what the aggregator made of them.
        drawn: all samples of the draw that have a label, fresh or cached: (n,) ascending, and (n, N).
        ages: (n,) int, how many rounds ago each of these was made.
    """

    votes: Votes
    consensus: Consensus
    drawn: SoftLabels
    ages: Tensor


@dataclass(frozen=True)
class Outcome:
    """What came of a round's uploads.

    Attributes:
        clients: whose uploads are in it, ascending.
        targets: what the server distils, as many samples as in a draw; None where it distils nothing.
        weights: what the server's network becomes before that; None where it stays.
        labels: how the soft labels came about, for those who look; None where there are none.
    """

    clients: tuple[int, ...]
    targets: SoftLabels | None = None
    weights: State | None = None
    labels: LabelRound | None = None


class Method(ABC):
    """The server's half of a federated method; a user's own is a subclass, or other parts in `Distillation`."""

    one_model = False
    """Whether clients and server must have the same network."""
    has_server = True
    """Whether there is a server's model to be tested."""
    has_clients = True
    """Whether there are clients' models to be tested."""
    clients_distill = True
    """Whether clients are ever given soft labels to learn from."""
    clients_tested_with: Literal["own", "server"] = "own"
    """Which weights `client/accuracy` is measured with: each client's own, or the server's where all share a model."""

    parts: tuple[str, ...] = ()
    """What its messages' parts count as, by their names up to the slash, beside `wire.PARTS`: columns of rounds.csv."""

    teaches = False
    """Whether uploads are asked as teachers before they are aggregated; all of them are then in memory at once."""

    notes: Mapping[str, str | None] = {}
    """What a reader of summary.json must know of a run's numbers."""

    @property
    def name(self) -> str:
        """What its messages are marked with."""
        return type(self).__name__

    def setup(self, population: Population) -> None:
        """Called once before the first round; raises `ConfigError` where method and data do not fit."""
        self.population = population

    @property
    def server_work(self) -> ServerWork:
        """What the server trains on; known after `setup`."""
        return ServerWork("nothing")

    @property
    def server_metrics(self) -> tuple[str, ...]:
        """What is measured of the server's model in a round; known after `setup`."""
        tested = ("server/accuracy", "server/loss") if self.has_server else ()
        return tested if self.server_work.pool == "nothing" else (*tested, "server/distill_loss")

    @property
    def exact_sizes(self) -> bool:
        """Whether the lengths of all messages are known without their contents."""
        return True

    def sizes_alone(self) -> Method:
        """The same method for clients that learn nothing and a server that does not either: its messages have the
        lengths that they would have, or more where `exact_sizes` is false."""
        return self

    @abstractmethod
    def clients(self) -> ClientSide:
        """A new clients' half, of clients that have taken part in no round; known after `setup`."""

    def observe(self, server: ServerView, round: int) -> None:  # noqa: B027 (optional)
        """Look at the server's model at the start of a round, when it has learnt from the last. Called again for the
        same round it does the same."""

    def forget(self, client: int) -> None:  # noqa: B027 (optional)
        """The client's memory turned out not to be what it was thought, and is cleared: take nothing for granted."""

    @abstractmethod
    def plan(self, round: int, server: ServerView, cohort: tuple[int, ...]) -> RoundPlan:
        """The round's plan, from (seed, round), the server's model and the state of the last commit.

        Args:
            cohort: clients in ascending order; none where the method has none.
        """

    @abstractmethod
    def downlink(self, plan: RoundPlan, client: int) -> Message | None:
        """What this client is sent; None for nothing at all."""

    @abstractmethod
    def collect(self, plan: RoundPlan, client: int, payload: bytes) -> Upload:
        """The checked content of an uplink; raises `WireError`."""

    def teachers(self, plan: RoundPlan, uploads: Sequence[Upload]) -> list[ClientTask]:
        """Models to ask for soft labels, each by the number of the client whose upload it is; one that is no client's
        by a number of its own, from the number of clients on. Changes nothing."""
        return []

    @abstractmethod
    def aggregate(self, plan: RoundPlan, uploads: Iterable[Upload], lessons: Sequence[Tensor] = ()) -> Outcome:
        """What comes of the uploads, in client order. Changes nothing.

        Args:
            uploads: as they come in: who does not keep them needs memory for one.
            lessons: the teachers' soft labels, in the order of the teachers.
        """

    def commit(self, plan: RoundPlan, outcome: Outcome) -> None:  # noqa: B027 (optional)
        """Take over the round. The only place where a method's state changes, beside `observe` and `forget`."""

    def skip(self, plan: RoundPlan) -> None:  # noqa: B027 (optional)
        """Nobody of the cohort answered; models and caches stay as they are."""

    def metrics(self) -> dict[str, float | None]:
        """Numbers of its own for rounds.csv, after `commit` or `skip`; the same names in every round."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only, the same for the same content."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027 (optional)
        """The inverse of `state_dict`, after `setup`."""
