"""The interface of an availability, and the default one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from scarlet_pl import rng
from scarlet_pl.errors import require
from scarlet_pl.functional.shares import whole


@dataclass(frozen=True)
class Work:
    """What a client had to do before its answer was there: bytes received, steps of learning, bytes sent."""

    down: int
    steps: int
    up: int


class Availability(ABC):
    """Who takes part in a round, who of them never answers, and when the others' answers are there.

    All of it is a function of the seed, the round, the client and its work; nothing is measured. So it is the same in
    every process, and after a resume.
    """

    timed = False
    """Whether `seconds` says how long an answer takes: rounds then have a simulated duration."""
    deadline: float | None = None
    """Seconds from a round's start, what comes later is not used; None where the server waits for all."""

    @abstractmethod
    def cohort(self, seed: int, round: int, clients: int) -> tuple[int, ...]:
        """The clients of a round out of so many, ascending; a round without any is skipped."""

    def silent(self, seed: int, round: int, cohort: tuple[int, ...]) -> frozenset[int]:
        """Those of the cohort that hear from the server and never answer."""
        return frozenset()

    def seconds(self, seed: int, round: int, client: int, work: Work) -> float:
        """Simulated seconds from a round's start to a client's answer."""
        return 0.0


@dataclass(frozen=True)
class Uniform(Availability):
    """Every client is as likely as any other to take part, and to drop out. Takes no time.

    Args:
        participation: share p of the clients in a round's cohort, in (0, 1]: ⌊p · clients⌋, at least one.
        dropout_rate: probability with which each of the cohort hears from the server and never answers.
    """

    participation: float = 1.0
    dropout_rate: float = 0.0

    def __post_init__(self) -> None:
        share, rate = self.participation, self.dropout_rate
        require(0 < share <= 1, "federation.availability.participation", share, "a number in (0, 1]")
        require(0 <= rate <= 1, "federation.availability.dropout_rate", rate, "a number in [0, 1]")

    def cohort(self, seed: int, round: int, clients: int) -> tuple[int, ...]:
        size = max(1, whole(self.participation, clients))
        draws = rng.generator(seed, "cohort", round)
        return tuple(torch.randperm(clients, generator=draws)[:size].sort().values.tolist())

    def silent(self, seed: int, round: int, cohort: tuple[int, ...]) -> frozenset[int]:
        absent = torch.rand(len(cohort), generator=rng.generator(seed, "absent", round)) < self.dropout_rate
        return frozenset(client for client, gone in zip(cohort, absent.tolist(), strict=True) if gone)
