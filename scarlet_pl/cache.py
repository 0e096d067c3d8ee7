"""The soft-label cache: one state machine, run by the server and, on what it is told, by each client.

An entry that was stored in round s is a HIT in round r if and only if 1 <= r - s <= D. `CachePolicy` turns that
rule into a signal for each drawn index; server and clients apply the same signals with the same code, so their
caches agree on every index that the client has been told about.

Source: SCARLET (arXiv 2504.19602). Its two official branches evaluate the rule with different rounds, one of
them inconsistently; this one is evaluated with the round that uses the labels, everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

import torch
from torch import Tensor

from scarlet_pl.errors import DesyncError, require


class Signal(IntEnum):
    """What a receiver does with a drawn index."""

    UNCACHED = 0
    """The label is sent; nothing is kept."""
    HIT = 1
    """The label is in the cache; nothing is sent."""
    NEW = 2
    """The label is sent and kept."""
    EXPIRED = 3
    """The label is sent; the entry that was kept is deleted."""


@dataclass(frozen=True)
class CachePolicy:
    """Which drawn labels are reused, sent, kept and deleted.

    Args:
        duration: D, rounds for which a label may be reused: 0 never, null for ever.
        expiry: what becomes of an entry older than D: "paper" sends a fresh label and deletes the entry, so that
            the index is requested again at its next draw; "refresh" replaces the entry at once (an extension).
        ratio: share of a round's uncached labels that are kept, the `cache_ratio` of the official code.
    """

    duration: int | None = 50
    expiry: Literal["paper", "refresh"] = "paper"
    ratio: float = 1.0

    def __post_init__(self) -> None:
        ok = self.duration is None or self.duration >= 0
        require(ok, "method.cache.duration", self.duration, "an integer >= 0, or null for ever")
        require(self.expiry in ("paper", "refresh"), "method.cache.expiry", self.expiry, "paper, refresh")
        require(0 <= self.ratio <= 1, "method.cache.ratio", self.ratio, "a number in [0, 1]")

    @property
    def keeps(self) -> bool:
        """Whether anything is ever cached."""
        return self.duration != 0 and self.ratio > 0

    def hits(self, stored: Tensor, round: int) -> Tensor:
        """stored: (n,) round in which each entry was stored, -1 for none → (n,) bool."""
        age = round - stored
        return (stored >= 0) & (age >= 1) & (age <= (round if self.duration is None else self.duration))

    def signals(self, stored: Tensor, round: int, draws: torch.Generator) -> Tensor:
        """(n,) rounds of storage → (n,) uint8 `Signal`s for a draw whose labels are used in `round`."""
        signals = torch.full(stored.shape, int(Signal.UNCACHED), dtype=torch.uint8)
        if not self.keeps:
            return signals
        absent = (stored < 0).nonzero()[:, 0]
        kept = int(self.ratio * len(absent))
        if kept < len(absent):
            absent = absent[torch.randperm(len(absent), generator=draws)[:kept]]
        signals[absent] = int(Signal.NEW)
        signals[stored >= 0] = int(Signal.EXPIRED if self.expiry == "paper" else Signal.NEW)
        signals[self.hits(stored, round)] = int(Signal.HIT)
        return signals


class LabelStore:
    """Rows of soft labels, shared between all caches that hold the same bits for an index.

    A thousand clients that were sent the same label keep one row of it. Rows are counted and reused.
    """

    def __init__(self, size: int, classes: int) -> None:
        self.size, self.classes = size, classes
        self.rows = torch.zeros(0, classes)
        self._count = torch.zeros(0, dtype=torch.int32)
        self._index = torch.zeros(0, dtype=torch.int32)
        self._newest = torch.full((size,), -1, dtype=torch.int32)
        self._free = torch.zeros(0, dtype=torch.int32)

    def acquire(self, indices: Tensor, labels: Tensor) -> Tensor:
        """Slots (n,) int32 that hold `labels`, (n, N), for the distinct `indices`; each is counted once more."""
        slots = self._newest[indices]
        known = slots >= 0
        known[known.clone()] = (self.rows[slots[known].long()] == labels[known]).all(1)
        fresh = self._take(int((~known).sum()))
        slots[~known] = fresh
        self.rows[fresh.long()] = labels[~known]
        self._index[fresh.long()] = indices[~known].to(torch.int32)
        self._newest[indices] = slots
        self._count[slots.long()] += 1
        return slots

    def release(self, slots: Tensor) -> None:
        """Count the distinct `slots` once less; free those that nobody holds."""
        slots = slots[slots >= 0].long()
        self._count[slots] -= 1
        dead = slots[self._count[slots] == 0]
        owner = self._index[dead].long()
        newest = self._newest[owner] == dead
        self._newest[owner[newest]] = -1
        self._free = torch.cat([self._free, dead.to(torch.int32)])

    def state_dict(self) -> dict[str, Tensor]:
        """Rows, their counts and owners, newest rows by index, free rows."""
        return {name: value.clone() for name, value in vars(self).items() if isinstance(value, Tensor)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        for name, value in self.state_dict().items():
            setattr(self, name, state[name].to(value.dtype).clone())

    def _take(self, count: int) -> Tensor:
        if len(self._free) < count:
            old = len(self.rows)
            grown = max(count - len(self._free), old // 2, 256)
            self.rows = torch.cat([self.rows, torch.zeros(grown, self.classes)])
            zeros = torch.zeros(grown, dtype=torch.int32)
            self._count, self._index = torch.cat([self._count, zeros]), torch.cat([self._index, zeros])
            self._free = torch.cat([self._free, torch.arange(old, old + grown, dtype=torch.int32)])
        taken, self._free = self._free[:count].clone(), self._free[count:].clone()
        return taken


class SoftLabelCache:
    """One side's cache over the public set: for each index a label of the store, or none.

    Args:
        store: where the labels lie.
        dated: whether to keep the rounds in which entries were stored, as (P,) `stored`, -1 for none. The server
            does; a client needs them only where it derives signals instead of being sent them.
    """

    def __init__(self, store: LabelStore, dated: bool = False) -> None:
        self._store = store
        self._slots = torch.full((store.size,), -1, dtype=torch.int32)
        self.stored = torch.full((store.size if dated else 0,), -1, dtype=torch.int32)

    def labels(self, indices: Tensor) -> Tensor:
        """(n, N) cached labels.

        Raises:
            DesyncError: one of the indices is not cached.
        """
        slots = self._slots[indices].long()
        if bool((slots < 0).any()):
            raise DesyncError(f"public sample {int(indices[slots < 0][0])} is not in the cache that should hold it")
        return self._store.rows[slots]

    def apply(self, indices: Tensor, signals: Tensor, labels: Tensor, rounds: Tensor) -> None:
        """Do what the signals say: keep the NEW of `labels`, (n, N) for n `indices`; delete what is no HIT.

        Args:
            rounds: (n,) when each label was made.
        """
        new, hit = signals == Signal.NEW, signals == Signal.HIT
        if bool((self._slots[indices[hit]] < 0).any()):
            raise DesyncError("a HIT is signalled for a public sample that is not cached")
        self._store.release(self._slots[indices[~hit]])
        self._slots[indices[~hit]] = -1
        self._slots[indices[new]] = self._store.acquire(indices[new], labels[new])
        if len(self.stored):
            self.stored[indices[~hit]] = -1
            self.stored[indices[new]] = rounds[new].to(torch.int32)

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
        super().__init__(store, dated=True)
        self.policy = policy
        self._held: dict[int, Tensor] = {}

    def hits(self, draw: Tensor, round: int) -> Tensor:
        """(n,) bool: which of the drawn indices need not be requested in `round`."""
        return self.policy.hits(self.stored[draw], round)

    def lacking(self, client: int, draw: Tensor, signals: Tensor) -> Tensor:
        """Of the HITs of a draw those that the client does not hold, or holds in an older version: (m,)."""
        hits = draw[signals == Signal.HIT]
        return hits[self.held(client, hits) != self.stored[hits]]

    def held(self, client: int, indices: Tensor) -> Tensor:
        """(n,) the rounds of the entries that the client was last told, -1 for none."""
        held = self._held.get(client)
        return torch.full(indices.shape, -1, dtype=torch.int32) if held is None else held[indices]

    def forget(self, client: int) -> None:
        """What the client holds is not known any more."""
        self._held.pop(client, None)

    def told(self, client: int, draw: Tensor) -> None:
        """The client has now what the server has of these indices."""
        if client not in self._held:
            self._held[client] = torch.full_like(self.stored, -1)
        self._held[client][draw] = self.stored[draw]

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only."""
        return {**super().state_dict(), "held": {client: rounds.clone() for client, rounds in self._held.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`, on the same state of the store."""
        super().load_state_dict(state)
        self._held = {client: held.clone() for client, held in state["held"].items()}
