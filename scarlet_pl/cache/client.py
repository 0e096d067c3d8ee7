"""The clients' half of the cache: what each client was sent to keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from scarlet_pl.cache.labels import LabelStore
from scarlet_pl.cache.policy import Signal
from scarlet_pl.cache.tables import Tables
from scarlet_pl.errors import DesyncError
from scarlet_pl.functional.rows import nonzero, pick


class ClientCaches:
    """The caches of any number of clients: for each and each public sample a soft label, or none.

    Labels that several clients hold lie in one place; what a client holds is a row of places.

    Args:
        size: P, public samples.
        classes: N.
        dated: whether clients know in which rounds their entries were stored; they need it only where they derive
            signals instead of being sent them.
    """

    def __init__(self, size: int, classes: int, dated: bool = False) -> None:
        self._store, self._slots, self._dated = LabelStore(size, classes), Tables(size), dated

    def labels(self, client: int, indices: Tensor) -> Tensor:
        """(n, N) cached labels.

        Raises:
            DesyncError: one of the indices is not cached.
        """
        slots = self._places(client, indices)
        if len(slots) and int(slots.min()) < 0:
            raise DesyncError(f"public sample {int(indices[slots < 0][0])} is not in the cache that should hold it")
        return self._store.rows.index_select(0, slots)

    def rounds(self, client: int, indices: Tensor) -> Tensor:
        """(n,) int32, the rounds in which the entries were stored, -1 for none; all 0 where clients do not know."""
        slots = self._places(client, indices)
        there = nonzero(slots >= 0)
        rounds = torch.full(indices.shape, -1, dtype=torch.int32)
        return rounds.index_copy_(0, there, self._store.rounds.index_select(0, slots.index_select(0, there)))

    def apply(self, client: int, indices: Tensor, signals: Tensor, labels: Tensor, rounds: Tensor) -> None:
        """Do what the signals say: keep the NEW of `labels`, (n, N) for n `indices`; delete what is no HIT.

        Args:
            rounds: (n,) when each label was made.

        Raises:
            DesyncError: a HIT on a sample that is not cached; nothing is changed.
        """
        hit, slots = signals == Signal.HIT, self._places(client, indices)
        if bool((hit & (slots < 0)).any()):
            raise DesyncError("a HIT is signalled for a public sample that is not cached")
        change, new = nonzero(~hit), nonzero(signals == Signal.NEW)
        kept, made = pick(indices, new), pick(rounds, new).to(torch.int32)
        row = self._slots.make(client)
        self._store.release(slots.index_select(0, change))
        row.index_fill_(0, pick(indices, change), -1)
        row.scatter_(0, kept, self._store.acquire(kept, pick(labels, new), made if self._dated else made * 0))

    def content(self, client: int) -> dict[str, Tensor] | None:
        """What a client holds, wherever it lies: indices (m,) ascending, labels (m, N), rounds (m,); None for
        nothing."""
        row = self._slots.get(client)
        indices = nonzero(row >= 0) if row is not None else torch.zeros(0, dtype=torch.int64)
        if not len(indices):
            return None
        return {
            "indices": indices,
            "labels": self.labels(client, indices),
            "rounds": self.rounds(client, indices),
        }

    def replace(self, client: int, content: Mapping[str, Tensor] | None) -> None:
        """The inverse of `content`."""
        row = self._slots.get(client)
        if row is not None:
            self._store.release(row[row >= 0])
            row.fill_(-1)
        if content is not None:
            new = torch.full(content["indices"].shape, int(Signal.NEW), dtype=torch.uint8)
            self.apply(client, content["indices"], new, content["labels"], content["rounds"])

    def state_dict(self) -> dict[str, Any]:
        """Labels once each, and where each client's lie."""
        return {"store": self._store.state_dict(), "slots": self._slots.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._store.load_state_dict(state["store"])
        self._slots.load_state_dict(state["slots"])

    def _places(self, client: int, indices: Tensor) -> Tensor:
        """(n,) int32, where in the store the labels lie, -1 for none."""
        row = self._slots.get(client)
        return torch.full(indices.shape, -1, dtype=torch.int32) if row is None else row.index_select(0, indices)
