"""Stragglers: some clients get slower from round to round, until they miss the server's deadline.

An availability of one's own says who takes part in a round, who never answers, and after how many simulated seconds the
others do. Nothing is measured: what it says is a function of the seed, the round, the client, and what the client had
to receive, compute and send. What comes after the deadline is not used; `rounds.csv` counts it in `clients/late`, and
`time/total` is the simulated time to draw accuracies over (`scarlet-pl compare`).

    cd examples && scarlet-pl fit --config availability_stragglers.yaml
"""

from dataclasses import dataclass

from scarlet_pl.availability import Availability, Work
from scarlet_pl.errors import require


@dataclass(frozen=True)
class Stragglers(Availability):
    """Everybody takes part; every so many-th client is a straggler, in each round slower than in the one before.

    Args:
        every: clients to a straggler.
        slowdown: factor by which a straggler's time grows in each round.
        speed: steps of learning in a second.
        bandwidth: bytes in a second, in either direction.
        deadline: seconds from a round's start; null if the server waits for all.
    """

    every: int = 3
    slowdown: float = 1.2
    speed: float = 100.0
    bandwidth: float = 1e5
    deadline: float | None = 1.0

    timed = True

    def __post_init__(self) -> None:
        for name in ("every", "slowdown"):
            value = getattr(self, name)
            require(value >= 1, f"federation.availability.{name}", value, "a number >= 1")
        for name in ("speed", "bandwidth"):
            value = getattr(self, name)
            require(value > 0, f"federation.availability.{name}", value, "a number > 0")

    def cohort(self, seed: int, round: int, clients: int) -> tuple[int, ...]:
        return tuple(range(clients))

    def seconds(self, seed: int, round: int, client: int, work: Work) -> float:
        takes = (work.down + work.up) / self.bandwidth + work.steps / self.speed
        return takes if client % self.every else takes * self.slowdown**round
