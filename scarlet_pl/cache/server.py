"""The server's half of the cache: its labels, and what it knows of each client's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from scarlet_pl.cache.policy import CachePolicy, Signal
from scarlet_pl.cache.tables import Tables
from scarlet_pl.functional.rows import grow, nonzero, pick


class ServerCache:
    """For each public sample a soft label and the round in which it was stored, or none.

    The server knows for each client the round of the entry that this client was last sent, so that a client that
    comes back gets just what it lacks.

    Args:
        policy: which labels are reused, sent, kept and deleted.
        size: P, public samples.
        classes: N.
    """

    def __init__(self, policy: CachePolicy, size: int, classes: int) -> None:
        self.policy = policy
        self.stored = torch.full((size,), -1, dtype=torch.int32)
        """(P,) the rounds in which entries were stored, -1 for none."""
        self._labels = grow(torch.zeros(0, classes), size)
        self._held = Tables(size)

    def hits(self, draw: Tensor, round: int) -> Tensor:
        """(n,) bool: which of the drawn indices need not be requested in `round`."""
        return self.policy.hits(self.stored.index_select(0, draw), round)

    def labels(self, indices: Tensor) -> Tensor:
        """(n, N) cached labels of indices that are."""
        return self._labels.index_select(0, indices)

    def complete(self, indices: Tensor, hit: Tensor, fresh: Tensor) -> Tensor:
        """(n, N) labels: the cached ones where (n,) `hit`, elsewhere the rows of `fresh` in their order."""
        if len(fresh) == len(indices):
            return fresh.clone()
        return self.labels(indices).index_copy_(0, nonzero(~hit), fresh)

    def apply(self, indices: Tensor, signals: Tensor, labels: Tensor, round: int) -> None:
        """Do what the signals say: keep the NEW of `labels`, (n, N) for n `indices`; delete what is no HIT."""
        new = nonzero(signals == Signal.NEW)
        kept = pick(indices, new)
        self.stored.index_fill_(0, pick(indices, nonzero(signals != Signal.HIT)), -1)
        self.stored.index_fill_(0, kept, round)
        self._labels.index_copy_(0, kept, pick(labels, new))

    def held(self, client: int, indices: Tensor) -> Tensor:
        """(n,) the rounds of the entries that the client was last sent, -1 for none."""
        held = self._held.get(client)
        return torch.full(indices.shape, -1, dtype=torch.int32) if held is None else held.index_select(0, indices)

    def lacking(self, client: int, draw: Tensor, signals: Tensor) -> Tensor:
        """Of the HITs of a draw those that the client does not hold, or holds in an older version: (m,)."""
        hits = draw.index_select(0, nonzero(signals == Signal.HIT))
        return hits.index_select(0, nonzero(self.held(client, hits) != self.stored.index_select(0, hits)))

    def mark_sent(self, client: int, draw: Tensor) -> None:
        """The client has now what the server has of these indices."""
        self._held.make(client).scatter_(0, draw, self.stored.index_select(0, draw))

    def forget(self, client: int) -> None:
        """Nothing is known any more of what the client holds."""
        held = self._held.get(client)
        if held is not None:
            held.fill_(-1)

    def state_dict(self) -> dict[str, Any]:
        """Rounds, the labels (m, N) of the samples that have one, and what clients were sent."""
        labels = self.labels(nonzero(self.stored >= 0))
        return {"stored": self.stored.clone(), "labels": labels, "held": self._held.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.stored.copy_(state["stored"])
        self._labels.index_copy_(0, nonzero(self.stored >= 0), state["labels"])
        self._held.load_state_dict(state["held"])
