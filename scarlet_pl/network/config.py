"""How the server waits for clients that are elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from scarlet_pl.errors import require


@dataclass(frozen=True)
class NetworkConfig:
    """How long a round waits for whom.

    Args:
        deadline: seconds that a round waits for answers; whose did not come then has failed in this round, which
            `federation.on_error` decides on. It waits for all when null.
        min_clients: answers for which a round waits longer than its deadline.
        patience: seconds after which a silent node is asked again; doubled with each time.
    """

    deadline: float | None = None
    min_clients: int = 1
    patience: float = 60.0

    def __post_init__(self) -> None:
        ok = self.deadline is None or self.deadline > 0
        require(ok, "federation.network.deadline", self.deadline, "a number of seconds > 0, or null")
        require(self.min_clients >= 0, "federation.network.min_clients", self.min_clients, "an integer >= 0")
        require(self.patience > 0, "federation.network.patience", self.patience, "a number of seconds > 0")
