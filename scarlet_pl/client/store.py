"""Where clients' states lie from round to round: in memory, or in a file for each architecture.

Client k has architecture k modulo the number of architectures. A state is kept as one row of bytes, so that the states
of an architecture are one tensor, or one file.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scarlet_pl.client.rows import Layout, RowFile
from scarlet_pl.client.task import State


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

    def remove(self, client: int) -> None:
        """A client has no state any more."""
        self._slots.pop(client, None)

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
        """The inverse of `state_dict`.

        Raises:
            ValueError: there are no such architectures.
        """
        if not all(type(architecture) is int and architecture >= 0 for architecture in state):
            raise ValueError("states are kept by the numbers of their architectures")  # which name files
        self._layouts = {architecture: Layout(saved["fields"]) for architecture, saved in state.items()}
        self._slots = {}
        for architecture, saved in state.items():
            self._load(architecture, saved["clients"].tolist(), saved)

    def saved(self) -> None:  # noqa: B027 (optional)
        """The run has saved what `state_dict` said last, and may go back to it until it has saved two more."""

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
        self._free: dict[int, list[int]] = {}

    def remove(self, client: int) -> None:
        if client in self._slots:
            self._free[client % self.architectures].append(self._slots[client])
        super().remove(client)

    def _read(self, architecture: int, client: int) -> Tensor:
        return self._rows[architecture][self._slots[client]].clone()

    def _write(self, architecture: int, client: int, row: Tensor) -> None:
        rows = self._rows.setdefault(architecture, row.new_zeros(0, len(row)))
        if client not in self._slots:
            free = self._free.setdefault(architecture, [])
            if not free:
                free += reversed(range(len(rows), len(rows) + max(len(rows), 8)))
                rows = self._rows[architecture] = torch.cat([rows, rows.new_zeros(len(free), len(row))])
            self._slots[client] = free.pop()
        rows[self._slots[client]] = row

    def _save(self, architecture: int, clients: list[int]) -> dict[str, Any]:
        return {"rows": self._rows[architecture][[self._slots[client] for client in clients]]}

    def _load(self, architecture: int, clients: list[int], saved: Mapping[str, Any]) -> None:
        self._rows[architecture], self._free[architecture] = saved["rows"].clone(), []
        self._slots |= {client: slot for slot, client in enumerate(clients)}


class DiskStore(ClientStore):
    """States in one file for each architecture; a checkpoint holds where they lie, and their checksums.

    A new state never overwrites one that a kept checkpoint refers to: one of the newest three, or of the newest three
    that are the run's own. Rows are read and written, not mapped: a full disk is then an error and not a bus error, and
    what has been read does not count as this process's memory.

    Args:
        architectures: how many there are.
        folder: where the files lie; a temporary one when None.
        read_only: what lies there is read, and nothing is made or written.
    """

    def __init__(self, architectures: int, folder: Path | None = None, read_only: bool = False) -> None:
        super().__init__(architectures)
        self._read_only = read_only
        self.folder = Path(tempfile.mkdtemp(prefix="scarlet_pl-")) if folder is None else folder
        if folder is None:
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._files: dict[int, RowFile] = {}
        self._sums: dict[int, int] = {}

    def remove(self, client: int) -> None:
        if client in self._slots:
            self._file(client % self.architectures).give_back(self._slots[client])
        super().remove(client)

    def saved(self) -> None:
        for file in self._files.values():
            file.saved()

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
        file = self._file(architecture)
        file.keep(slots)
        sums = torch.tensor([self._sums[client] for client in clients], dtype=torch.int64)
        return {"slots": slots, "sums": sums, **file.snapshots()}

    def _load(self, architecture: int, clients: list[int], saved: Mapping[str, Any]) -> None:
        self._file(architecture).load(list(saved["kept"]), list(saved["saved"]))
        self._slots |= dict(zip(clients, saved["slots"].tolist(), strict=True))
        self._sums |= dict(zip(clients, saved["sums"].tolist(), strict=True))
        for client in clients:
            self._read(architecture, client)

    def _file(self, architecture: int) -> RowFile:
        if architecture not in self._files:
            path = self.folder / f"architecture_{architecture}.bin"
            self._files[architecture] = RowFile(path, self._layouts[architecture].size, self._read_only)
        return self._files[architecture]


def _sum(row: Tensor) -> int:
    return zlib.crc32(row.numpy().data)
