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

import numpy as np
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
        if not self.keeps:
            return torch.full(stored.shape, int(Signal.UNCACHED), dtype=torch.uint8)
        aged = Signal.EXPIRED if self.expiry == "paper" else Signal.NEW
        meaning = torch.tensor([Signal.NEW, aged, Signal.HIT], dtype=torch.uint8)
        signals = meaning.index_select(0, (stored >= 0).int() + self.hits(stored, round).int())
        if self.ratio < 1:
            absent = _where(stored < 0)
            left_out = torch.randperm(len(absent), generator=draws)[int(self.ratio * len(absent)) :]
            signals[absent[left_out]] = int(Signal.UNCACHED)
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
        slots = self._newest.index_select(0, indices)
        known = slots >= 0
        if bool(known.any()):
            there = _where(known)
            same = (self.rows.index_select(0, slots[there]) == labels.index_select(0, there)).all(1)
            known[there] = same
        unknown = _where(~known)
        fresh = self._take(len(unknown))
        slots[unknown] = fresh.to(torch.int32)
        self.rows.index_copy_(0, fresh, _pick(labels, unknown))
        self._index.scatter_(0, fresh, _pick(indices, unknown).to(torch.int32))
        self._newest.scatter_(0, indices, slots)
        self._count.index_add_(0, slots, torch.ones_like(slots))
        return slots

    def release(self, slots: Tensor) -> None:
        """Count the distinct `slots` once less; free those that nobody holds."""
        slots = slots.index_select(0, _where(slots >= 0)).long()
        left = self._count.index_select(0, slots) - 1
        self._count.scatter_(0, slots, left)
        dead = slots.index_select(0, _where(left == 0))
        owner = self._index.index_select(0, dead).long()
        newest = _where(self._newest.index_select(0, owner) == dead)
        self._newest.index_fill_(0, owner.index_select(0, newest), -1)
        self._free = torch.cat([self._free, dead.to(torch.int32)])

    def state_dict(self) -> dict[str, Tensor]:
        """Rows, their counts and owners, newest rows by index, free rows."""
        return {name: value.clone() for name, value in vars(self).items() if isinstance(value, Tensor)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        for name, value in self.state_dict().items():
            setattr(self, name, state[name].to(value.dtype).clone())

    def _take(self, count: int) -> Tensor:
        """(count,) int64 free slots."""
        if len(self._free) < count:
            old = len(self.rows)
            grown = max(count - len(self._free), old, 256)
            self.rows, self._count, self._index = (_longer(t, grown) for t in (self.rows, self._count, self._index))
            self._free = torch.cat([self._free, torch.arange(old, old + grown, dtype=torch.int32)])
        taken, self._free = self._free[:count].long(), self._free[count:].clone()
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
        return self.complete(indices, torch.ones(len(indices), dtype=torch.bool), torch.zeros(0, self._store.classes))

    def complete(self, indices: Tensor, hit: Tensor, fresh: Tensor) -> Tensor:
        """(n, N) labels: the cached ones where (n,) `hit`, elsewhere the rows of `fresh` in their order.

        Raises:
            DesyncError: one of the hits is not cached.
        """
        if len(fresh) == len(indices):
            return fresh.clone()
        slots, other = self._slots.index_select(0, indices), _where(~hit)
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
        change, new = _where(~hit), _where(signals == Signal.NEW)
        changed, kept = indices.index_select(0, change), indices.index_select(0, new)
        self._store.release(slots.index_select(0, change))
        self._slots.index_fill_(0, changed, -1)
        self._slots.scatter_(0, kept, self._store.acquire(kept, _pick(labels, new)))
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
        super().__init__(store, dated=True)
        self.policy = policy
        self._held: dict[int, Tensor] = {}

    def hits(self, draw: Tensor, round: int) -> Tensor:
        """(n,) bool: which of the drawn indices need not be requested in `round`."""
        return self.policy.hits(self.stored.index_select(0, draw), round)

    def lacking(self, client: int, draw: Tensor, signals: Tensor) -> Tensor:
        """Of the HITs of a draw those that the client does not hold, or holds in an older version: (m,)."""
        hits = draw.index_select(0, _where(signals == Signal.HIT))
        return hits.index_select(0, _where(self.held(client, hits) != self.stored.index_select(0, hits)))

    def held(self, client: int, indices: Tensor) -> Tensor:
        """(n,) the rounds of the entries that the client was last told, -1 for none."""
        held = self._held.get(client)
        return torch.full(indices.shape, -1, dtype=torch.int32) if held is None else held.index_select(0, indices)

    def forget(self, client: int) -> None:
        """What the client holds is not known any more."""
        self._held.pop(client, None)

    def told(self, client: int, draw: Tensor) -> None:
        """The client has now what the server has of these indices."""
        if client not in self._held:
            self._held[client] = torch.full_like(self.stored, -1)
        self._held[client].scatter_(0, draw, self.stored.index_select(0, draw))

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only."""
        return {**super().state_dict(), "held": {client: rounds.clone() for client, rounds in self._held.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`, on the same state of the store."""
        super().load_state_dict(state)
        self._held = {client: held.clone() for client, held in state["held"].items()}


def _longer(tensor: Tensor, rows: int) -> Tensor:
    """With so many rows of zeros more; `cat` would write the zeros twice."""
    longer = tensor.new_zeros(len(tensor) + rows, *tensor.shape[1:])
    longer[: len(tensor)] = tensor
    return longer


def _pick(rows: Tensor, positions: Tensor) -> Tensor:
    """Those at ascending `positions`: no copy of what is all of them."""
    return rows if len(positions) == len(rows) else rows.index_select(0, positions)


def _where(mask: Tensor) -> Tensor:
    """(n,) bool → the positions that are true, int64; `nonzero` takes ten times as long on a random mask."""
    return torch.from_numpy(np.flatnonzero(mask.numpy()))
