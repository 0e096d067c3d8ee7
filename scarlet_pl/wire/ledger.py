"""The ledger: what was sent, by round, client, direction and part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from scarlet_pl.wire.frame import Message

Direction = Literal["up", "down"]
DIRECTIONS: tuple[Direction, ...] = ("up", "down")
PARTS = ("frame", "labels", "indices", "signals", "catch_up", "weights")
"""What a byte was spent on; `frame` is header, lengths and checksum."""

BESIDE = ("paper", "shannon")
"""Not spent: the official count, and the Shannon bound of the labels in whole bytes."""

COLUMNS = tuple(f"{d}/{part}" for d in DIRECTIONS for part in (*PARTS, *BESIDE))


@dataclass(frozen=True)
class Traffic:
    """What one round sent: `clients` (K,) and `bytes` (K, len(COLUMNS)), both int64."""

    round: int
    clients: Tensor
    bytes: Tensor

    def total(self, direction: Direction) -> int:
        """Bytes of all clients in one direction."""
        return sum(self.part(direction, part) for part in PARTS)

    def part(self, direction: Direction, part: str) -> int:
        """Bytes of all clients in one direction that were spent on one part ("paper": by the official count)."""
        return int(self.bytes[:, COLUMNS.index(f"{direction}/{part}")].sum())

    def messages(self, direction: Direction) -> int:
        """How many clients sent, or were sent, a message."""
        first = COLUMNS.index(f"{direction}/{PARTS[0]}")
        return int((self.bytes[:, first : first + len(PARTS)].sum(1) > 0).sum())


class RoundLedger:
    """What one round has sent so far; nothing of it counts until the ledger commits it."""

    def __init__(self, round: int) -> None:
        self.round = round
        self._rows: dict[int, list[int]] = {}

    def record(self, client: int, direction: Direction, payload: bytes, message: Message | None) -> None:
        """Count `payload`, which is `message` packed; None for a damaged one, of which nothing is known.

        A part's name up to the slash says what it counts as; what is in no part is frame.
        """
        row = self._rows.setdefault(client, [0] * len(COLUMNS))
        parts = {} if message is None else message.parts
        for name, data in parts.items():
            row[COLUMNS.index(f"{direction}/{name.split('/')[0]}")] += len(data)
        row[COLUMNS.index(f"{direction}/frame")] += len(payload) - sum(map(len, parts.values()))
        if message is not None:
            row[COLUMNS.index(f"{direction}/paper")] += message.paper_bytes
            row[COLUMNS.index(f"{direction}/shannon")] += math.ceil(message.shannon_bits / 8)

    def total(self, client: int, direction: Direction) -> int:
        """Bytes of one client in one direction."""
        first = COLUMNS.index(f"{direction}/{PARTS[0]}")
        return sum(self._rows.get(client, [])[first : first + len(PARTS)])

    def close(self) -> Traffic:
        """The round as it stands, clients in ascending order."""
        clients = sorted(self._rows)
        table = torch.tensor([self._rows[c] for c in clients], dtype=torch.int64).view(-1, len(COLUMNS))
        return Traffic(self.round, torch.tensor(clients, dtype=torch.int64), table)


class CommunicationLedger:
    """What every client was sent and has sent in all committed rounds; each round by itself is in its `Traffic`."""

    def __init__(self) -> None:
        self.rounds = 0
        self._totals: dict[int, Tensor] = {}

    def commit(self, traffic: Traffic) -> None:
        """Add a finished round."""
        self.rounds += 1
        for client, row in zip(traffic.clients.tolist(), traffic.bytes, strict=True):
            self._totals[client] = self._totals[client] + row if client in self._totals else row.clone()

    def total(self, direction: Direction, part: str | None = None) -> int:
        """Bytes of all rounds in one direction, of one part or of all."""
        totals = self._all()
        return totals.total(direction) if part is None else totals.part(direction, part)

    def state_dict(self) -> dict[str, Any]:
        """The number of rounds, (clients,) and their (clients, columns) bytes."""
        totals = self._all()
        return {"rounds": totals.round, "clients": totals.clients, "bytes": totals.bytes}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.rounds = state["rounds"]
        rows = zip(state["clients"].tolist(), state["bytes"], strict=True)
        self._totals = {client: row.clone() for client, row in rows}

    def _all(self) -> Traffic:
        clients = sorted(self._totals)
        none = torch.zeros(0, len(COLUMNS), dtype=torch.int64)
        rows = torch.stack([self._totals[client] for client in clients]) if clients else none
        return Traffic(self.rounds, torch.tensor(clients, dtype=torch.int64), rows)
