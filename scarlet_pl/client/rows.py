"""A state as a row of bytes, and files of such rows."""

from __future__ import annotations

import errno
import os
import weakref
from collections import deque
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from scarlet_pl.client.task import State
from scarlet_pl.run_files import writing

_ALIGNMENT = 8
_SNAPSHOTS = 3
"""Of the run's own checkpoints and of all: two are kept, and a third is being written."""


class Layout:
    """How the tensors of a state lie in its row.

    Args:
        fields: name, type and shape of each tensor, in order.
    """

    def __init__(self, fields: list[tuple[str, str, tuple[int, ...]]]) -> None:
        self.fields = fields
        dtypes = [getattr(torch, dtype, None) for _, dtype, _ in fields]
        self._dtypes = [dtype for dtype in dtypes if isinstance(dtype, torch.dtype)]
        lengths = [prod(shape) * dtype.itemsize for (_, _, shape), dtype in zip(fields, self._dtypes, strict=True)]
        self._spans, self.size = [], 0
        for length in lengths:
            self._spans.append((self.size, self.size + length))
            self.size += -(-length // _ALIGNMENT) * _ALIGNMENT

    @classmethod
    def of(cls, state: State) -> Layout:
        """The layout of states like this one."""
        return cls([(name, str(value.dtype)[len("torch.") :], tuple(value.shape)) for name, value in state.items()])

    def pack(self, state: State) -> Tensor:
        """A state as (size,) uint8."""
        row = torch.zeros(self.size, dtype=torch.uint8)
        for (name, _, shape), dtype, (start, stop) in zip(self.fields, self._dtypes, self._spans, strict=True):
            row[start:stop].view(dtype).view(shape).copy_(state[name])
        return row

    def unpack(self, row: Tensor) -> dict[str, Tensor]:
        """The state whose tensors are parts of `row`, (size,) uint8."""
        return {
            name: row[start:stop].view(dtype).view(shape)
            for (name, _, shape), dtype, (start, stop) in zip(self.fields, self._dtypes, self._spans, strict=True)
        }


class RowFile:
    """A file of rows of one size, and which of them are free.

    Of several processes that run one federation each may write it: they write the same bytes to the same places.
    """

    def __init__(self, path: Path, size: int, read_only: bool = False) -> None:
        self.path, self._size = path, size
        if read_only:
            self._descriptor = os.open(path, os.O_RDONLY)
        else:
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        weakref.finalize(self, os.close, self._descriptor)
        self._count = 0  # whatever lies there: another process of this run may be ahead
        self._saved: deque[Tensor] = deque(maxlen=_SNAPSHOTS)
        self._written: deque[Tensor] = deque(maxlen=_SNAPSHOTS)
        self._free: list[int] = []
        self._since: set[int] = set()

    def snapshots(self) -> dict[str, list[Tensor]]:
        """The rows of the newest checkpoints, the newest last: of those that were written, and of the run's own, were
        the one that is written now to be one of them."""
        return {"kept": list(self._written), "saved": [*self._saved, *list(self._written)[-1:]]}

    def load(self, kept: list[Tensor], saved: list[Tensor]) -> None:
        """Go on where those were the newest checkpoints."""
        self._count = -(-os.fstat(self._descriptor).st_size // self._size)
        self._written, self._saved = deque(kept, maxlen=_SNAPSHOTS), deque(saved, maxlen=_SNAPSHOTS)
        self._release()

    def take(self, replaced: int | None) -> int:
        """A free row; `replaced` becomes one if no checkpoint refers to it."""
        slot = self._free.pop() if self._free else self._count
        self._count = max(self._count, slot + 1)
        if replaced is not None:
            self.give_back(replaced)
        self._since.add(slot)
        return slot

    def give_back(self, slot: int) -> None:
        """Nobody needs this row any more but checkpoints."""
        if slot in self._since:
            self._since.remove(slot)
            self._free.append(slot)

    def keep(self, slots: Tensor) -> None:
        """Somebody's checkpoint is to refer to these rows: see that they are on the disk, and free what none of the
        newest needs."""
        if not self._since:
            return  # the last one referred to the same
        with writing(self.path):
            os.fsync(self._descriptor)
        self._written.append(slots)
        self._release()

    def saved(self) -> None:
        """The run itself may go back to what was written last, however many others are written."""
        self._saved.extend(list(self._written)[-1:])

    def _release(self) -> None:
        free = torch.ones(self._count, dtype=torch.bool)
        for kept in (*self._saved, *self._written):
            free[kept[kept < self._count]] = False
        self._free, self._since = free.nonzero()[:, 0].flip(0).tolist(), set()

    def read(self, slot: int, row: Tensor) -> bool:
        """Fill `row`; whether there was enough."""
        return os.preadv(self._descriptor, [row.numpy().data], slot * self._size) == self._size

    def write(self, slot: int, row: Tensor) -> None:
        """Put `row` in its place."""
        with writing(self.path):
            if os.pwrite(self._descriptor, row.numpy().data, slot * self._size) != self._size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
