"""What a method is: plan, downlink, client task, uplink, aggregate, commit.

The federation calls these in that order, once a round. Until `commit` nothing of a round may change a method's
state, so a round that fails before it has not happened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.client import ClientResult, ClientTask
from scarlet_pl.errors import require
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.wire import Direction, Envelope, Message


@dataclass(frozen=True)
class Population:
    """Whom and what a method deals with."""

    seed: int
    clients: int
    public_size: int
    classes: int


@dataclass(frozen=True)
class RoundPlan:
    """Who takes part and what is asked of them.

    Attributes:
        cohort: clients in ascending order.
        draw: (n,) public samples of the round, ascending.
        request: (r,) those of the draw that the clients predict; the others are cache hits.
    """

    round: int
    cohort: tuple[int, ...]
    draw: Tensor
    request: Tensor

    @property
    def hits(self) -> int:
        """Drawn samples whose labels need not be sent."""
        return len(self.draw) - len(self.request)


@dataclass(frozen=True)
class Upload:
    """One client's checked soft labels, (r, N) in the order of the request."""

    client: int
    labels: Tensor


@dataclass(frozen=True)
class Outcome:
    """What came of a round's uploads.

    Attributes:
        clients: whose uploads are in it, ascending.
        targets: what the server distils: the draw and its labels, fresh and cached.
        uploads: (K, r, N) in the order of `clients`.
        mean: (r, N), before sharpening.
        fresh: (r, N), after.
        ages: (n,) int, how many rounds ago each of the draw's labels was made.
    """

    clients: tuple[int, ...]
    targets: SoftLabels
    uploads: Tensor
    mean: Tensor
    fresh: Tensor
    ages: Tensor


class Method(ABC):
    """A federated method; a user's own is a subclass, or other parts in `Distillation`.

    Args:
        participation: share of the clients in a round's cohort, in (0, 1]; at least one client.
    """

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

    def cohort(self, round: int) -> tuple[int, ...]:
        """The clients of a round, a function of (seed, round)."""
        clients = self.population.clients
        size = max(1, round_half_up(self.participation * clients))
        draws = rng.generator(self.population.seed, "cohort", round)
        return tuple(torch.randperm(clients, generator=draws)[:size].sort().values.tolist())

    def envelope(self, kind: Direction, plan: RoundPlan, client: int) -> Envelope:
        """What frames the message between the server and `client` in this round."""
        return Envelope(kind, self.name, plan.round, client)

    @abstractmethod
    def plan(self, round: int) -> RoundPlan:
        """The round's plan, from (seed, round) and the state of the last commit."""

    @abstractmethod
    def downlink(self, plan: RoundPlan, client: int) -> Message:
        """Server: what this client is sent."""

    @abstractmethod
    def receive(self, plan: RoundPlan, client: int, payload: bytes) -> ClientTask:
        """Client: what to do, from the bytes that came."""

    @abstractmethod
    def uplink(self, plan: RoundPlan, result: ClientResult) -> Message:
        """Client: what is sent back."""

    @abstractmethod
    def collect(self, plan: RoundPlan, client: int, payload: bytes) -> Upload:
        """Server: the checked content of an uplink; raises `WireError`."""

    @abstractmethod
    def aggregate(self, plan: RoundPlan, uploads: list[Upload]) -> Outcome:
        """Server: what comes of the uploads, in client order. Changes nothing."""

    @abstractmethod
    def commit(self, plan: RoundPlan, outcome: Outcome) -> None:
        """Both sides: take over the round. The only place where a method's state changes."""

    @abstractmethod
    def without_cache(self, round: int) -> dict[tuple[Direction, str], int]:
        """Bytes of one client in a round were there no cache: by direction, "bytes" as coded and "paper"."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`, after `setup`."""


def round_half_up(value: float) -> int:
    """0.5 → 1, 2.5 → 3: a cohort size must not depend on Python's rounding to even."""
    return int(value + 0.5)
