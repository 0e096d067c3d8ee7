"""Where the labels of all clients in one place lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from scarlet_pl.functional.rows import grow, nonzero, pick, put


class LabelStore:
    """Rows of soft labels, shared between all caches that hold the same bits of the same round for an index.

    A thousand clients that were sent the same label keep one row of it. Rows are counted and reused.

    Args:
        size: P, public samples.
        classes: N.
    """

    def __init__(self, size: int, classes: int) -> None:
        self.rows = torch.zeros(0, classes)
        self.rounds = torch.zeros(0, dtype=torch.int32)
        """(rows,) in which each was made."""
        self._count = torch.zeros(0, dtype=torch.int32)
        self._index = torch.zeros(0, dtype=torch.int32)
        self._newest = torch.full((size,), -1, dtype=torch.int32)
        self._free = torch.zeros(0, dtype=torch.int32)

    def acquire(self, indices: Tensor, labels: Tensor, rounds: Tensor) -> Tensor:
        """Slots (n,) int32 that hold `labels`, (n, N), made in `rounds`, (n,) int32, for the distinct `indices`; each
        is counted once more."""
        slots = self._newest.index_select(0, indices)
        known = slots >= 0
        if bool(known.any()):
            there = nonzero(known)
            same = (self.rows.index_select(0, slots[there]) == labels.index_select(0, there)).all(1)
            same &= self.rounds.index_select(0, slots[there]) == rounds.index_select(0, there)
            known.index_copy_(0, there, same)
        unknown = nonzero(~known)
        fresh = self._take(len(unknown))
        slots.scatter_(0, unknown, fresh.to(torch.int32))
        put(self.rows, fresh, pick(labels, unknown))
        put(self.rounds, fresh, pick(rounds, unknown))
        self._index.scatter_(0, fresh, pick(indices, unknown).to(torch.int32))
        self._newest.scatter_(0, indices, slots)
        self._count.index_add_(0, slots, torch.ones_like(slots))
        return slots

    def release(self, slots: Tensor) -> None:
        """Count the distinct `slots` once less; free those that nobody holds."""
        slots = slots.index_select(0, nonzero(slots >= 0)).long()
        left = self._count.index_select(0, slots) - 1
        self._count.scatter_(0, slots, left)
        dead = slots.index_select(0, nonzero(left == 0))
        owner = self._index.index_select(0, dead).long()
        newest = nonzero(self._newest.index_select(0, owner) == dead)
        self._newest.index_fill_(0, owner.index_select(0, newest), -1)
        self._free = torch.cat([self._free, dead.to(torch.int32)])

    def state_dict(self) -> dict[str, Tensor]:
        """Rows, their rounds, counts and owners, newest rows by index, free rows."""
        return {name: value.clone() for name, value in vars(self).items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        for name, value in vars(self).items():
            setattr(self, name, state[name].to(value.dtype).clone())

    def _take(self, count: int) -> Tensor:
        """(count,) int64 free slots."""
        if len(self._free) < count:
            old = len(self.rows)
            more = max(count - len(self._free), old, 256)
            self.rows, self.rounds, self._count, self._index = (
                grow(tensor, more) for tensor in (self.rows, self.rounds, self._count, self._index)
            )
            self._free = torch.cat([self._free, torch.arange(old, old + more, dtype=torch.int32)])
        taken, self._free = self._free[:count].long(), self._free[count:].clone()
        return taken
