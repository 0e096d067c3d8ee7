"""What a method is: observe, plan, downlink, client task, uplink, aggregate, commit.

The federation calls these in that order, once a round. Until `commit` nothing of a round may change a method's
state, so a round that fails before it has not happened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.client import ClientResult, ClientTask, State
from scarlet_pl.errors import require
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.server import ServerWork
from scarlet_pl.wire import Direction, Envelope, Message

_NOTHING = torch.zeros(0, dtype=torch.int64)


@dataclass(frozen=True)
class Population:
    """Whom and what a method deals with. `private_labels`, of all clients, are for the centralised bound only."""

    seed: int
    clients: int
    public_size: int
    classes: int
    private_labels: Tensor = _NOTHING


class ServerView(Protocol):
    """What a method may see of the server's model."""

    def predict_public(self, indices: Tensor) -> Tensor:
        """Soft labels (n, N) of public samples, on images without augmentation, in evaluation mode."""

    def weights(self) -> State:
        """A copy of the network's parameters and buffers."""


@dataclass(frozen=True)
class RoundPlan:
    """Who takes part and what is asked of them.

    Attributes:
        cohort: clients in ascending order.
        draw: (n,) public samples of the round, ascending; none where a method uses none.
        request: (r,) those of the draw that the clients predict; the others are cache hits.
        without_cache: for a method with a cache, by direction and "bytes" or "paper": bytes of one client's whole
            downlink were there no cache, and bytes by which its uplink would then be longer.
    """

    round: int
    cohort: tuple[int, ...]
    draw: Tensor = _NOTHING
    request: Tensor = _NOTHING
    without_cache: Mapping[tuple[Direction, str], int] = field(default_factory=dict)

    @property
    def hits(self) -> int:
        """Drawn samples whose labels need not be sent."""
        return len(self.draw) - len(self.request)


@dataclass(frozen=True)
class Upload:
    """One client's checked upload: soft labels (r, N) in the order of the request, or weights."""

    client: int
    labels: Tensor | None = None
    weights: State | None = None
    samples: int = 0


@dataclass(frozen=True)
class LabelRound:
    """How a round's soft labels came about.

    Attributes:
        uploads: (K, r, N) in the order of the clients.
        mean: (r, N), before sharpening.
        fresh: (r, N), after.
        ages: (n,) int, how many rounds ago each of the draw's labels was made.
    """

    uploads: Tensor
    mean: Tensor
    fresh: Tensor
    ages: Tensor


@dataclass(frozen=True)
class Outcome:
    """What came of a round's uploads.

    Attributes:
        clients: whose uploads are in it, ascending.
        targets: what the server distils, fresh and cached; None where it does not.
        weights: what the server's network becomes before that; None where it stays.
        labels: how the soft labels came about, for those who look; None where there are none.
    """

    clients: tuple[int, ...]
    targets: SoftLabels | None = None
    weights: State | None = None
    labels: LabelRound | None = None


class Method(ABC):
    """A federated method; a user's own is a subclass, or other parts in `Distillation`.

    Args:
        participation: share of the clients in a round's cohort, in (0, 1]; at least one client.
    """

    one_model = False
    """Whether clients and server must have the same network."""
    has_server = True
    """Whether there is a server's model to be tested."""
    has_clients = True
    """Whether there are clients' models to be tested."""
    clients_tested_with: Literal["own", "server"] = "own"
    """Which weights `client/accuracy` is measured with: each client's own, or the server's where all share a model."""

    def __init__(self, participation: float = 1.0) -> None:
        require(0 < participation <= 1, "method.participation", participation, "a number in (0, 1]")
        self.participation = participation

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
    def without_cache(self) -> Literal["exact", "estimated"] | None:
        """How well a plan's `without_cache` is known; None for a method without a cache."""
        return None

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

    def cohort(self, round: int) -> tuple[int, ...]:
        """The clients of a round, a function of (seed, round): ⌊participation · clients⌋ of them, at least one."""
        clients = self.population.clients
        share = Fraction(str(self.participation))  # exact: 0.29 · 100 is less than 29 in floats
        size = max(1, int(share * clients))
        draws = rng.generator(self.population.seed, "cohort", round)
        return tuple(torch.randperm(clients, generator=draws)[:size].sort().values.tolist())

    def envelope(self, kind: Direction, plan: RoundPlan, client: int) -> Envelope:
        """What frames the message between the server and `client` in this round."""
        return Envelope(kind, self.name, plan.round, client)

    def observe(self, server: ServerView, round: int) -> None:  # noqa: B027 (optional)
        """Server: look at its own model at the start of a round, when it has learnt from the last. Called again for
        the same round it does the same."""

    def forget(self, client: int) -> None:  # noqa: B027 (optional)
        """Server: the client's state turned out not to be what it was thought; take nothing for granted."""

    @abstractmethod
    def plan(self, round: int) -> RoundPlan:
        """The round's plan, from (seed, round) and the state of the last commit."""

    @abstractmethod
    def downlink(self, plan: RoundPlan, client: int) -> Message | None:
        """Server: what this client is sent; None for nothing at all."""

    @abstractmethod
    def receive(self, plan: RoundPlan, client: int, payload: bytes) -> ClientTask:
        """Client: what to do, from the bytes that came (none if nothing was sent)."""

    @abstractmethod
    def uplink(self, plan: RoundPlan, result: ClientResult) -> Message | None:
        """Client: what is sent back; None for nothing at all."""

    @abstractmethod
    def collect(self, plan: RoundPlan, client: int, payload: bytes) -> Upload:
        """Server: the checked content of an uplink; raises `WireError`."""

    @abstractmethod
    def aggregate(self, plan: RoundPlan, uploads: list[Upload]) -> Outcome:
        """Server: what comes of the uploads, in client order. Changes nothing."""

    def commit(self, plan: RoundPlan, outcome: Outcome) -> None:  # noqa: B027 (optional)
        """Both sides: take over the round. The only place where a method's state changes, beside `observe`."""

    def skip(self, plan: RoundPlan) -> None:  # noqa: B027 (optional)
        """Both sides: nobody of the cohort answered; models and caches stay as they are."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027 (optional)
        """The inverse of `state_dict`, after `setup`."""
