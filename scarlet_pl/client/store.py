"""Where clients' states lie from round to round: in memory, or in a file for each architecture.

Client k has architecture k modulo the number of architectures. A state is kept as one row of bytes, so that the states
of an architecture are one tensor, or one file.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import weakref
import zlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scarlet_pl.client.task import State
from scarlet_pl.run_files import writing

_ALIGNMENT = 8
_SNAPSHOTS = 3
"""Two checkpoints are kept, and a third is being written."""


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


class ClientStore(ABC):
    """The states of the clients that have taken part.

    Args:
        architectures: how many there are.
    """

    def __init__(self, architectures: int) -> None:
        self.architectures = architectures
        self._layouts: dict[int, Layout] = {}
        self._slots: dict[int, int] = {}
        """Where each client's row lies among those of its architecture."""

    def get(self, client: int) -> State | None:
        """A copy of a client's state; None if it has none yet."""
        if client not in self._slots:
            return None
        architecture = client % self.architectures
        return self._layouts[architecture].unpack(self._read(architecture, client))

    def put(self, client: int, state: State) -> None:
        """Take over a client's state."""
        architecture = client % self.architectures
        if architecture not in self._layouts:
            self._layouts[architecture] = Layout.of(state)
        self._write(architecture, client, self._layouts[architecture].pack(state))

    def items(self) -> Iterator[tuple[int, State]]:
        """The clients that have a state, ascending, and a copy of each."""
        for client in sorted(self._slots):
            architecture = client % self.architectures
            yield client, self._layouts[architecture].unpack(self._read(architecture, client))

    def state_dict(self) -> dict[int, dict[str, Any]]:
        """What a checkpoint holds, by architecture: tensors and plain values only."""
        groups: dict[int, list[int]] = {architecture: [] for architecture in self._layouts}
        for client in sorted(self._slots):
            groups[client % self.architectures].append(client)
        return {
            architecture: {
                "fields": self._layouts[architecture].fields,
                "clients": torch.tensor(clients, dtype=torch.int64),
                **self._save(architecture, clients),
            }
            for architecture, clients in groups.items()
        }

    def load_state_dict(self, state: Mapping[int, Mapping[str, Any]]) -> None:
        """The inverse of `state_dict`."""
        self._layouts = {architecture: Layout(saved["fields"]) for architecture, saved in state.items()}
        self._slots = {}
        for architecture, saved in state.items():
            self._load(architecture, saved["clients"].tolist(), saved)

    @abstractmethod
    def _read(self, architecture: int, client: int) -> Tensor: ...

    @abstractmethod
    def _write(self, architecture: int, client: int, row: Tensor) -> None: ...

    @abstractmethod
    def _save(self, architecture: int, clients: list[int]) -> dict[str, Any]: ...

    @abstractmethod
    def _load(self, architecture: int, clients: list[int], saved: Mapping[str, Any]) -> None: ...


class MemoryStore(ClientStore):
    """States in memory, stacked by architecture; a checkpoint holds all of them."""

    def __init__(self, architectures: int) -> None:
        super().__init__(architectures)
        self._rows: dict[int, Tensor] = {}
        self._used: dict[int, int] = {}

    def _read(self, architecture: int, client: int) -> Tensor:
        return self._rows[architecture][self._slots[client]].clone()

    def _write(self, architecture: int, client: int, row: Tensor) -> None:
        rows = self._rows.setdefault(architecture, row.new_zeros(0, len(row)))
        if client not in self._slots:
            slot = self._slots[client] = self._used.get(architecture, 0)
            self._used[architecture] = slot + 1
            if slot == len(rows):
                rows = self._rows[architecture] = torch.cat([rows, rows.new_zeros(max(slot, 8), len(row))])
        rows[self._slots[client]] = row

    def _save(self, architecture: int, clients: list[int]) -> dict[str, Any]:
        return {"rows": self._rows[architecture][[self._slots[client] for client in clients]]}

    def _load(self, architecture: int, clients: list[int], saved: Mapping[str, Any]) -> None:
        self._rows[architecture], self._used[architecture] = saved["rows"].clone(), len(clients)
        self._slots |= {client: slot for slot, client in enumerate(clients)}


class DiskStore(ClientStore):
    """States in one file for each architecture; a checkpoint holds where they lie, and their checksums.

    A new state never overwrites one that a kept checkpoint refers to. Rows are read and written, not mapped: a full
    disk is then an error and not a bus error, and what has been read does not count as this process's memory.

    Args:
        architectures: how many there are.
        folder: where the files lie; a temporary one when None.
    """

    def __init__(self, architectures: int, folder: Path | None = None) -> None:
        super().__init__(architectures)
        self.folder = Path(tempfile.mkdtemp(prefix="scarlet_pl-")) if folder is None else folder
        if folder is None:
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._files: dict[int, _Rows] = {}
        self._sums: dict[int, int] = {}

    def _read(self, architecture: int, client: int) -> Tensor:
        file, row = self._file(architecture), torch.empty(self._layouts[architecture].size, dtype=torch.uint8)
        if not file.read(self._slots[client], row) or _sum(row) != self._sums[client]:
            raise OSError(f"{file.path}: the state of client {client} is damaged or missing")
        return row

    def _write(self, architecture: int, client: int, row: Tensor) -> None:
        file = self._file(architecture)
        slot = file.take(self._slots.get(client))
        file.write(slot, row)
        self._slots[client], self._sums[client] = slot, _sum(row)

    def _save(self, architecture: int, clients: list[int]) -> dict[str, Any]:
        slots = torch.tensor([self._slots[client] for client in clients], dtype=torch.int64)
        self._file(architecture).keep(slots)
        return {"slots": slots, "sums": torch.tensor([self._sums[client] for client in clients], dtype=torch.int64)}

    def _load(self, architecture: int, clients: list[int], saved: Mapping[str, Any]) -> None:
        self._file(architecture).protect()
        self._slots |= dict(zip(clients, saved["slots"].tolist(), strict=True))
        self._sums |= dict(zip(clients, saved["sums"].tolist(), strict=True))
        for client in clients:
            self._read(architecture, client)

    def _file(self, architecture: int) -> _Rows:
        if architecture not in self._files:
            path = self.folder / f"architecture_{architecture}.bin"
            self._files[architecture] = _Rows(path, self._layouts[architecture].size)
        return self._files[architecture]


class _Rows:
    """A file of rows of one size, and which of them are free.

    Of several processes that run one federation each may write it: they write the same bytes to the same places.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path, self._size = path, size
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._count = 0  # whatever lies there: another process of this run may be ahead
        self._kept: deque[Tensor] = deque(maxlen=_SNAPSHOTS)
        self._free: list[int] = []
        self._since: set[int] = set()

    def protect(self) -> None:
        """Whatever lies there may belong to a checkpoint, until enough newer ones are kept."""
        self._count = -(-os.fstat(self._descriptor).st_size // self._size)
        self._kept.append(torch.arange(self._count))
        self._free, self._since = [], set()

    def take(self, replaced: int | None) -> int:
        """A free row; `replaced` becomes one if no checkpoint refers to it."""
        slot = self._free.pop() if self._free else self._count
        self._count = max(self._count, slot + 1)
        if replaced in self._since:
            self._since.remove(replaced)
            self._free.append(replaced)
        self._since.add(slot)
        return slot

    def keep(self, slots: Tensor) -> None:
        """A checkpoint is to refer to these rows: see that they are on the disk, and free what no kept one needs."""
        if not self._since:
            return  # the last one referred to the same
        os.fsync(self._descriptor)
        self._kept.append(slots)
        free = torch.ones(self._count, dtype=torch.bool)
        for kept in self._kept:
            free[kept] = False
        self._free, self._since = free.nonzero()[:, 0].flip(0).tolist(), set()

    def read(self, slot: int, row: Tensor) -> bool:
        """Fill `row`; whether there was enough."""
        return os.preadv(self._descriptor, [row.numpy().data], slot * self._size) == self._size

    def write(self, slot: int, row: Tensor) -> None:
        """Put `row` in its place."""
        with writing(self.path):
            if os.pwrite(self._descriptor, row.numpy().data, slot * self._size) != self._size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __del__(self) -> None:
        os.close(self._descriptor)


def _sum(row: Tensor) -> int:
    return zlib.crc32(row.numpy().data)
