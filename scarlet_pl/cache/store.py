"""Where the labels of all caches lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from scarlet_pl.functional.rows import longer, pick, put, where


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
            there = where(known)
            same = (self.rows.index_select(0, slots[there]) == labels.index_select(0, there)).all(1)
            known.index_copy_(0, there, same)
        unknown = where(~known)
        fresh = self._take(len(unknown))
        slots.scatter_(0, unknown, fresh.to(torch.int32))
        put(self.rows, fresh, pick(labels, unknown))
        self._index.scatter_(0, fresh, pick(indices, unknown).to(torch.int32))
        self._newest.scatter_(0, indices, slots)
        self._count.index_add_(0, slots, torch.ones_like(slots))
        return slots

    def release(self, slots: Tensor) -> None:
        """Count the distinct `slots` once less; free those that nobody holds."""
        slots = slots.index_select(0, where(slots >= 0)).long()
        left = self._count.index_select(0, slots) - 1
        self._count.scatter_(0, slots, left)
        dead = slots.index_select(0, where(left == 0))
        owner = self._index.index_select(0, dead).long()
        newest = where(self._newest.index_select(0, owner) == dead)
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
            self.rows, self._count, self._index = (longer(t, grown) for t in (self.rows, self._count, self._index))
            self._free = torch.cat([self._free, torch.arange(old, old + grown, dtype=torch.int32)])
        taken, self._free = self._free[:count].long(), self._free[count:].clone()
        return taken
