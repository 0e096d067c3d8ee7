"""How soft labels are coded between server and clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scarlet_pl.errors import WireError
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.functional.simplex import not_distributions
from scarlet_pl.methods.distillation.settings import Settings
from scarlet_pl.methods.population import Population
from scarlet_pl.wire import DIRECTIONS, Direction, LabelCodec

Table = dict[str, Tensor]


@dataclass(frozen=True)
class Coding:
    """What both ends of a link know.

    Attributes:
        last: the labels (n, N) that the receiver last got for public indices (n,), NaN where none; None where the
            codec has no use for them.
    """

    codec: LabelCodec
    public_size: int
    classes: int
    last: Callable[[Tensor], Tensor | None] = lambda indices: None

    def encode(self, labels: SoftLabels) -> bytes:
        """Quantised labels → bytes."""
        return self.codec.encode(labels.labels, self.last(labels.indices))

    def shannon_bits(self, labels: SoftLabels) -> float:
        """The bound of `encode`'s length."""
        return self.codec.shannon_bits(labels.labels, self.last(labels.indices))

    def decode(self, data: memoryview, indices: Tensor) -> Tensor:
        """Bytes → the labels (n, N) of `indices`, checked."""
        labels = self.codec.decode(data, len(indices), self.classes, self.last(indices))
        check_distributions(labels)
        return labels


class Links:
    """The links between the server and any number of clients, up and down. Each half has its own.

    With delta coding they remember which labels a client last sent and was last sent, by public index, in the codec's
    smallest type; else nothing.

    Args:
        settings: with the codecs.
        population: with the shape of labels.
    """

    def __init__(self, settings: Settings, population: Population) -> None:
        self._codecs: dict[Direction, LabelCodec] = {"up": settings.uplink_codec, "down": settings.downlink_codec}
        self._shape = population.public_size, population.classes
        self._tables: dict[Direction, dict[int, Table]] = {direction: {} for direction in DIRECTIONS}

    def coding(self, direction: Direction, client: int) -> Coding:
        """How messages to or from this client are coded."""
        return Coding(self._codecs[direction], *self._shape, lambda indices: self._last(direction, client, indices))

    def put(self, direction: Direction, client: int, sent: SoftLabels) -> None:
        """Remember what the client was sent, or sent."""
        codec, tables, (size, classes) = self._codecs[direction], self._tables[direction], self._shape
        if not codec.delta:
            return
        if client not in tables:
            nothing = codec.compact(torch.zeros(1, classes)).repeat(size, 1)
            tables[client] = {"labels": nothing, "known": torch.zeros(size, dtype=torch.bool)}
        tables[client]["labels"][sent.indices] = codec.compact(sent.labels)
        tables[client]["known"][sent.indices] = True

    def content(self, client: int) -> dict[Direction, Table] | None:
        """What is remembered of one client's links, by direction; None for nothing."""
        return {way: _copy(tables[client]) for way, tables in self._tables.items() if client in tables} or None

    def replace(self, client: int, content: Mapping[Direction, Table] | None) -> None:
        """The inverse of `content`."""
        for direction, tables in self._tables.items():
            tables.pop(client, None)
            if content is not None and direction in content:
                tables[client] = _copy(content[direction])

    def state_dict(self) -> dict[str, Any]:
        """Tables by direction and client."""
        return {way: {client: _copy(table) for client, table in t.items()} for way, t in self._tables.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._tables = {way: {client: _copy(t) for client, t in state[way].items()} for way in DIRECTIONS}

    def _last(self, direction: Direction, client: int, indices: Tensor) -> Tensor | None:
        """(n, N) labels, rows of NaN where none was sent; None if nothing was."""
        table = self._tables[direction].get(client)
        if table is None:
            return None
        labels = self._codecs[direction].expand(table["labels"][indices], self._shape[1])
        return torch.where(table["known"][indices][:, None], labels, torch.nan)


def check_distributions(labels: Tensor) -> None:
    """Raise `WireError` unless each row of (r, N) is finite, not negative and sums to 1 within 1e-3."""
    wrong = not_distributions(labels)
    if wrong:
        raise WireError(f"soft labels: {wrong}")


def _copy(table: Mapping[str, Tensor]) -> Table:
    return {name: value.clone() for name, value in table.items()}
