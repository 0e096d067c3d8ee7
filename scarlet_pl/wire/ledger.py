"""The ledger: what was sent, by round, client, direction and part."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from scarlet_pl.errors import require
from scarlet_pl.wire.frame import Message

Direction = Literal["up", "down"]
DIRECTIONS: tuple[Direction, ...] = ("up", "down")
PARTS = ("frame", "labels", "indices", "signals", "catch_up", "weights")
"""What a byte was spent on, beside what a method has of its own; `frame` is header, lengths and checksum."""

BESIDE = ("paper", "shannon")
"""Not spent: the official count, and the Shannon bound of the labels in whole bytes."""


def columns(parts: tuple[str, ...] = PARTS) -> tuple[str, ...]:
    """What is counted of a client, by direction and part."""
    return tuple(f"{direction}/{part}" for direction in DIRECTIONS for part in (*parts, *BESIDE))


@dataclass(frozen=True)
class Traffic:
    """What one round sent: `clients` (K,) and `bytes` (K, len(columns(parts))), both int64."""

    round: int
    clients: Tensor
    bytes: Tensor
    parts: tuple[str, ...] = PARTS

    def total(self, direction: Direction) -> int:
        """Bytes of all clients in one direction."""
        return sum(self.part(direction, part) for part in self.parts)

    def part(self, direction: Direction, part: str) -> int:
        """Bytes of all clients in one direction that were spent on one part ("paper": by the official count)."""
        return int(self.bytes[:, columns(self.parts).index(f"{direction}/{part}")].sum())

    def messages(self, direction: Direction) -> int:
        """How many clients sent, or were sent, a message."""
        first = columns(self.parts).index(f"{direction}/{self.parts[0]}")
        return int((self.bytes[:, first : first + len(self.parts)].sum(1) > 0).sum())


class RoundLedger:
    """What one round has sent so far; nothing of it counts until the ledger commits it."""

    def __init__(self, round: int, parts: tuple[str, ...] = PARTS) -> None:
        self.round, self.parts = round, parts
        self._places = {name: place for place, name in enumerate(columns(parts))}
        self._rows: dict[int, list[int]] = {}

    def record(self, client: int, direction: Direction, payload: bytes, message: Message | None) -> None:
        """Count `payload`, which is `message` packed; None for a damaged one, of which nothing is known.

        A part's name up to the slash says what it counts as; what is in no part is frame.

        Raises:
            ValueError: a part that the ledger does not know.
        """
        row = self._rows.setdefault(client, [0] * len(self._places))
        parts = {} if message is None else message.parts
        for name, data in parts.items():
            row[self._place(direction, name.split("/")[0])] += len(data)
        row[self._place(direction, "frame")] += len(payload) - sum(map(len, parts.values()))
        if message is not None:
            row[self._place(direction, "paper")] += message.paper_bytes
            row[self._place(direction, "shannon")] += math.ceil(message.shannon_bits / 8)

    def total(self, client: int, direction: Direction) -> int:
        """Bytes of one client in one direction."""
        first = self._place(direction, self.parts[0])
        return sum(self._rows.get(client, [])[first : first + len(self.parts)])

    def close(self) -> Traffic:
        """The round as it stands, clients in ascending order."""
        clients = sorted(self._rows)
        table = torch.tensor([self._rows[c] for c in clients], dtype=torch.int64).view(-1, len(self._places))
        return Traffic(self.round, torch.tensor(clients, dtype=torch.int64), table, self.parts)

    def _place(self, direction: Direction, part: str) -> int:
        name = f"{direction}/{part}"
        if name not in self._places:
            raise ValueError(f"a message has a part {part!r}, the method names {', '.join(self.parts)}")
        return self._places[name]


class CommunicationLedger:
    """What every client was sent and has sent in all committed rounds; each round by itself is in its `Traffic`.

    Args:
        parts: what the messages' parts count as, beside `PARTS`.
    """

    def __init__(self, parts: Iterable[str] = ()) -> None:
        self.rounds, self.parts = 0, tuple(dict.fromkeys((*PARTS, *parts)))
        for part in self.parts:
            require(
                "/" not in part and part not in BESIDE, "method.parts", part, f"names without a slash, not {BESIDE}"
            )
        self._totals: dict[int, Tensor] = {}

    def open(self, round: int) -> RoundLedger:
        """A new round's."""
        return RoundLedger(round, self.parts)

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
        """The number of rounds, (clients,) and their (clients, columns) bytes, and the columns' parts."""
        totals = self._all()
        return {
            "rounds": totals.round,
            "clients": totals.clients,
            "bytes": totals.bytes,
            "parts": list(self.parts),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`.

        Raises:
            ConfigError: it counts other parts.
        """
        ok = tuple(state["parts"]) == self.parts
        require(ok, "ckpt_path", list(state["parts"]), f"a checkpoint of messages with the parts {list(self.parts)}")
        self.rounds = state["rounds"]
        rows = zip(state["clients"].tolist(), state["bytes"], strict=True)
        self._totals = {client: row.clone() for client, row in rows}

    def _all(self) -> Traffic:
        clients = sorted(self._totals)
        none = torch.zeros(0, len(columns(self.parts)), dtype=torch.int64)
        rows = torch.stack([self._totals[client] for client in clients]) if clients else none
        return Traffic(self.rounds, torch.tensor(clients, dtype=torch.int64), rows, self.parts)
