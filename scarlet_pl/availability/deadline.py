"""Clients that take time, and a server that waits for so long."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scarlet_pl import rng
from scarlet_pl.availability.base import Uniform, Work
from scarlet_pl.errors import require
from scarlet_pl.functional.distributions import Kind, quantile

_MOST_SPREAD: dict[Kind, float] = {"constant": 0.0, "uniform": 0.577, "exponential": 0.0, "lognormal": 100.0}


@dataclass(frozen=True)
class Distribution:
    """A positive number that is drawn.

    Args:
        mean: its mean, > 0.
        kind: "constant", "uniform", "exponential" or "lognormal".
        spread: standard deviation over mean, of "uniform" (at most 0.577) and "lognormal" (at most 100).
    """

    mean: float = 1.0
    kind: Kind = "constant"
    spread: float = 0.0

    def check(self, field: str) -> None:
        """Raise `ConfigError` if there is no such distribution.

        Args:
            field: the setting that it stands in.
        """
        require(self.kind in _MOST_SPREAD, f"{field}.kind", self.kind, ", ".join(_MOST_SPREAD))
        require(0 < self.mean < math.inf, f"{field}.mean", self.mean, "a number > 0")
        most = _MOST_SPREAD[self.kind]
        allowed = f"a number in [0, {most:g}] for {self.kind!r}" if most else f"0 for {self.kind!r}"
        require(0 <= self.spread <= most, f"{field}.spread", self.spread, allowed)

    def draw(self, seed: int, purpose: rng.Purpose, round: int = 0, client: int = 0) -> float:
        """The number of this purpose, round and client."""
        return quantile(self.kind, self.mean, self.spread, rng.uniform(seed, purpose, round, client))


@dataclass(frozen=True)
class Deadline(Uniform):
    """Clients answer after a simulated time, and the server does not wait for longer than a deadline.

    A client's time is latency + bytes down / download + steps / speed + bytes up / upload. Latency is drawn anew for
    each client and round, speed and bandwidths once for each client. A round lasts until all answers are there, or
    until the deadline if one is missing. Without a deadline the server knows at once who dropped out, and does not wait
    for them.

    Args:
        participation: share of the clients in a round's cohort, in (0, 1]; at least one client.
        dropout_rate: probability with which each of the cohort never answers.
        deadline: seconds; null if the server waits for all who have not dropped out.
        latency: seconds.
        speed: steps of learning in a second, of local training and of distillation alike.
        download, upload: bytes in a second.
    """

    deadline: float | None = None
    latency: Distribution = Distribution(0.1)
    speed: Distribution = Distribution(100.0)
    download: Distribution = Distribution(1e6)
    upload: Distribution = Distribution(1e6)

    timed = True

    def __post_init__(self) -> None:
        super().__post_init__()
        limit = self.deadline
        require(limit is None or limit > 0, "federation.availability.deadline", limit, "seconds > 0, or null")
        for name in ("latency", "speed", "download", "upload"):
            getattr(self, name).check(f"federation.availability.{name}")

    def seconds(self, seed: int, round: int, client: int, work: Work) -> float:
        return (
            self.latency.draw(seed, "latency", round, client)
            + work.down / self.download.draw(seed, "download", client=client)
            + work.steps / self.speed.draw(seed, "speed", client=client)
            + work.up / self.upload.draw(seed, "upload", client=client)
        )
