"""The cache as the server and as a client have it.

Both apply the same signals with the same code, so their caches agree on every index that the client has been told
about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from scarlet_pl.cache.policy import CachePolicy, Signal
from scarlet_pl.cache.store import LabelStore
from scarlet_pl.cache.tables import Tables
from scarlet_pl.errors import DesyncError
from scarlet_pl.functional.rows import pick, where


class SoftLabelCache:
    """One side's cache over the public set: for each index a label of the store, or none.

    Args:
        store: where the labels lie.
        slots: (P,) int32, where in the store the label of each index lies, -1 for none; an empty cache when None.
        stored: (P,) int32, the rounds in which entries were stored, -1 for none; not kept when None. The server keeps
            them; a client needs them only where it derives signals instead of being sent them.
    """

    def __init__(self, store: LabelStore, slots: Tensor | None = None, stored: Tensor | None = None) -> None:
        self._store = store
        self._slots = torch.full((store.size,), -1, dtype=torch.int32) if slots is None else slots
        self.stored = torch.zeros(0, dtype=torch.int32) if stored is None else stored

    def labels(self, indices: Tensor) -> Tensor:
        """(n, N) cached labels.

        Raises:
            DesyncError: one of the indices is not cached.
        """
        return self.complete(indices, torch.ones(len(indices), dtype=torch.bool), torch.zeros(0, self._store.classes))

    def complete(self, indices: Tensor, hit: Tensor, fresh: Tensor) -> Tensor:
        """(n, N) labels: the cached ones where (n,) `hit`, elsewhere the rows of `fresh` in their order.

        Raises:
            DesyncError: one of the hits is not cached.
        """
        if len(fresh) == len(indices):
            return fresh.clone()
        slots, other = self._slots.index_select(0, indices), where(~hit)
        slots.index_fill_(0, other, 0)
        if int(slots.min()) < 0:
            raise DesyncError(f"public sample {int(indices[slots < 0][0])} is not in the cache that should hold it")
        return self._store.rows.index_select(0, slots).index_copy_(0, other, fresh)

    def apply(self, indices: Tensor, signals: Tensor, labels: Tensor, rounds: Tensor) -> None:
        """Do what the signals say: keep the NEW of `labels`, (n, N) for n `indices`; delete what is no HIT.

        Args:
            rounds: (n,) when each label was made.
        """
        hit, slots = signals == Signal.HIT, self._slots.index_select(0, indices)
        if bool((hit & (slots < 0)).any()):
            raise DesyncError("a HIT is signalled for a public sample that is not cached")
        change, new = where(~hit), where(signals == Signal.NEW)
        changed, kept = indices.index_select(0, change), indices.index_select(0, new)
        self._store.release(slots.index_select(0, change))
        self._slots.index_fill_(0, changed, -1)
        self._slots.scatter_(0, kept, self._store.acquire(kept, pick(labels, new)))
        if len(self.stored):
            self.stored.index_fill_(0, changed, -1)
            self.stored.scatter_(0, kept, rounds.index_select(0, new).to(torch.int32))

    def state_dict(self) -> dict[str, Tensor]:
        """The slots in the store, which has a state of its own."""
        return {"slots": self._slots.clone(), "stored": self.stored.clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`, on the same state of the store."""
        self._slots.copy_(state["slots"])
        self.stored.copy_(state["stored"])


class ServerCache(SoftLabelCache):
    """The server's cache, and what it knows of each client's.

    `held[client]` (P,) is the round of the entry that this client was last told, so that a client that comes back
    gets just what it lacks.
    """

    def __init__(self, policy: CachePolicy, store: LabelStore) -> None:
        super().__init__(store, stored=torch.full((store.size,), -1, dtype=torch.int32))
        self.policy = policy
        self._held = Tables(store.size)

    def hits(self, draw: Tensor, round: int) -> Tensor:
        """(n,) bool: which of the drawn indices need not be requested in `round`."""
        return self.policy.hits(self.stored.index_select(0, draw), round)

    def lacking(self, client: int, draw: Tensor, signals: Tensor) -> Tensor:
        """Of the HITs of a draw those that the client does not hold, or holds in an older version: (m,)."""
        hits = draw.index_select(0, where(signals == Signal.HIT))
        return hits.index_select(0, where(self.held(client, hits) != self.stored.index_select(0, hits)))

    def held(self, client: int, indices: Tensor) -> Tensor:
        """(n,) the rounds of the entries that the client was last told, -1 for none."""
        held = self._held.get(client)
        return torch.full(indices.shape, -1, dtype=torch.int32) if held is None else held.index_select(0, indices)

    def forget(self, client: int) -> None:
        """What the client holds is not known any more."""
        held = self._held.get(client)
        if held is not None:
            held.fill_(-1)

    def told(self, client: int, draw: Tensor) -> None:
        """The client has now what the server has of these indices."""
        self._held.make(client).scatter_(0, draw, self.stored.index_select(0, draw))

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only."""
        return {**super().state_dict(), "held": self._held.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`, on the same state of the store."""
        super().load_state_dict(state)
        self._held.load_state_dict(state["held"])


class ClientCaches:
    """The caches of all clients.

    Args:
        store: where the labels lie.
        dated: whether clients know when their entries were stored.
    """

    def __init__(self, store: LabelStore, dated: bool) -> None:
        self._store = store
        self._slots, self._stored = Tables(store.size), Tables(store.size if dated else 0)
        self._empty = SoftLabelCache(store, stored=torch.full((self._stored.size,), -1, dtype=torch.int32))

    def get(self, client: int) -> SoftLabelCache:
        """A client's cache, to read; an empty one if it has none."""
        slots, stored = self._slots.get(client), self._stored.get(client)
        return self._empty if slots is None else SoftLabelCache(self._store, slots, stored)

    def make(self, client: int) -> SoftLabelCache:
        """A client's cache, to be changed before another one is made."""
        return SoftLabelCache(self._store, self._slots.make(client), self._stored.make(client))

    def state_dict(self) -> dict[str, Any]:
        """The slots in the store, which has a state of its own, and the rounds."""
        return {"slots": self._slots.state_dict(), "stored": self._stored.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`, on the same state of the store."""
        self._slots.load_state_dict(state["slots"])
        self._stored.load_state_dict(state["stored"])
