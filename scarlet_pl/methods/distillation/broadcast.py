"""What the server sends of its last round."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl.cache import ServerCache, Signal


@dataclass(frozen=True)
class Broadcast:
    """What a round's downlink holds of the round before.

    Attributes:
        round: the round before.
        draw: (n,) its public samples that have a label.
        before: (n,) int32, the rounds in which their entries had been stored, -1 for none.
        signals: (n,) uint8, what became of them.
        labels: (n, N) as they are sent.
        groups: (C, n, N) as they are sent to some; None where all clients are sent `labels`.
        choice: (K, n) int64, which group's label each of the members is sent.
        members: (K,) int64, the clients whose labels are among the groups'.
    """

    round: int
    draw: Tensor
    before: Tensor
    signals: Tensor
    labels: Tensor
    groups: Tensor | None = None
    choice: Tensor | None = None
    members: Tensor | None = None

    @classmethod
    def nothing(cls, round: int, classes: int) -> Broadcast:
        """Of a round that left no labels."""
        none = torch.zeros(0, dtype=torch.int64)
        return cls(round, none, none.to(torch.int32), none.to(torch.uint8), torch.zeros(0, classes))

    @property
    def sent(self) -> Tensor:
        """(n,) bool: whose labels are sent; the others the receiver has."""
        return self.signals != Signal.HIT

    def labels_for(self, client: int) -> Tensor:
        """(n, N) what this client is sent: its groups' labels if it was among the last round's, else `labels`."""
        if self.groups is None or self.choice is None or self.members is None:
            return self.labels
        row = (self.members == client).nonzero()
        if not len(row):
            return self.labels
        return self.groups[self.choice[int(row)], torch.arange(len(self.draw))]

    def known_to(self, client: int, cache: ServerCache, draw: Tensor) -> bool:
        """Whether what the client was last sent agrees with the server's cache on this and on the next draw, so that
        it can derive both by itself."""
        new = draw[~torch.isin(draw, self.draw)]
        return torch.equal(cache.held(client, self.draw), self.before) and torch.equal(
            cache.held(client, new), cache.stored[new]
        )
