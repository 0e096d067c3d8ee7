"""What a node keeps of its clients on disk: a file for each client and round, with a checksum, synced."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scarlet_pl.client import State
from scarlet_pl.executors.serialization import from_bytes, pack_state, to_bytes, unpack_state
from scarlet_pl.run_files import replace

_SUFFIX, _SUM = ".version", 32


@dataclass(frozen=True)
class Version:
    """What a client is after a round whose answer the server may use, or not.

    Attributes:
        base: the round that it went on from, -1 for none.
        asked: SHA-256 of the packet.
        payload: what was answered.
        report: what was measured, as in the answer.
        state: weights, and what optimizers keep; None where none are kept.
        memory: of the method's clients' half.
    """

    base: int
    asked: str
    payload: bytes
    report: dict[str, Any]
    state: State | None
    memory: Any


class Versions:
    """The versions of a federation's clients.

    Args:
        folder: of the federation; made when there is something to keep.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, client: int, round: int) -> Version | None:
        """A client's version of a round; None if there is none, or it is damaged."""
        try:
            data = self._path(client, round).read_bytes()
        except OSError:
            return None
        body = data[_SUM:]
        if hashlib.sha256(body).digest() != data[:_SUM]:
            return None
        try:
            plain = from_bytes(body)
            payload, state = plain["payload"].numpy().tobytes(), unpack_state(plain["state"])
            return Version(**{**plain, "payload": payload, "state": state})
        except Exception:  # a file of another version of this package, or somebody's own
            return None

    def put(self, client: int, round: int, version: Version) -> None:
        """Keep a version: when this returns it is on the disk."""
        payload = torch.frombuffer(bytearray(version.payload), dtype=torch.uint8) if version.payload else torch.zeros(0)
        body = to_bytes({**vars(version), "payload": payload, "state": pack_state(version.state)})
        path = self._path(client, round)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, lambda file: file.write(hashlib.sha256(body).digest() + body))

    def keep(self, client: int, round: int, rounds: Collection[int]) -> None:
        """Delete a client's versions before `round` but those of `rounds`, and what a kill left half written.

        Later ones stay: a request that comes late does not know of them.
        """
        for path in self._path(client, 0).parent.glob("*"):
            found = int(path.stem) if path.suffix == _SUFFIX and path.stem.isdecimal() else -1
            if found < 0 or (found < round and found not in rounds):
                path.unlink(missing_ok=True)

    def _path(self, client: int, round: int) -> Path:
        return self.folder / str(client) / f"{round}{_SUFFIX}"
