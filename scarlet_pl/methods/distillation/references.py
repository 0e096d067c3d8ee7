"""What delta coding refers to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.distillation.messages import Coding
from scarlet_pl.wire import LabelCodec


class References:
    """For each client the labels that it was last sent, or last sent, by public index, in the codec's smallest type.

    Each half of a method keeps its own of each direction. Nothing is kept for a codec without delta.

    Args:
        codec: of this direction.
        public_size: P.
        classes: N.
    """

    def __init__(self, codec: LabelCodec, public_size: int, classes: int) -> None:
        self._codec, self._shape = codec, (public_size, classes)
        self._tables: dict[int, dict[str, Tensor]] = {}

    def coding(self, client: int) -> Coding:
        """How messages of this direction to or from this client are coded."""
        return Coding(self._codec, *self._shape, lambda indices: self.get(client, indices))

    def get(self, client: int, indices: Tensor) -> Tensor | None:
        """(n, N) labels, rows of NaN where none was sent; None if the codec does not ask or nothing was sent."""
        table = self._tables.get(client)
        if table is None:
            return None
        labels = self._codec.expand(table["labels"][indices], self._shape[1])
        return torch.where(table["known"][indices][:, None], labels, torch.nan)

    def put(self, client: int, sent: SoftLabels) -> None:
        """Remember what `client` was sent, or sent."""
        if not self._codec.delta:
            return
        if client not in self._tables:
            self._tables[client] = {
                "labels": self._codec.compact(torch.zeros(1, self._shape[1])).repeat(self._shape[0], 1),
                "known": torch.zeros(self._shape[0], dtype=torch.bool),
            }
        self._tables[client]["labels"][sent.indices] = self._codec.compact(sent.labels)
        self._tables[client]["known"][sent.indices] = True

    def content(self, client: int) -> dict[str, Tensor] | None:
        """What is remembered of one client; None for nothing."""
        return _copy(self._tables[client]) if client in self._tables else None

    def replace(self, client: int, content: Mapping[str, Tensor] | None) -> None:
        """The inverse of `content`."""
        self._tables.pop(client, None)
        if content is not None:
            self._tables[client] = _copy(content)

    def state_dict(self) -> dict[int, dict[str, Tensor]]:
        """Tables by client."""
        return {client: _copy(table) for client, table in self._tables.items()}

    def load_state_dict(self, state: Mapping[int, Any]) -> None:
        """The inverse of `state_dict`."""
        self._tables = {client: _copy(table) for client, table in state.items()}


def _copy(table: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in table.items()}
