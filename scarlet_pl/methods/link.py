"""One direction of all clients' links: its codec, and what each receiver last got, the reference of delta coding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.messages import Coding
from scarlet_pl.wire import LabelCodec


class Link:
    """For each client the last labels of one direction, by public index, in the codec's smallest type.

    Both ends of a link keep the same; here it is kept once. Nothing is kept for a codec without delta.
    """

    def __init__(self, codec: LabelCodec, public_size: int, classes: int) -> None:
        self._codec, self._shape = codec, (public_size, classes)
        self._tables: dict[int, dict[str, Tensor]] = {}

    def coding(self, client: int) -> Coding:
        """What both ends of this client's link know."""
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

    def state_dict(self) -> dict[int, dict[str, Tensor]]:
        """Tables by client."""
        return {client: {key: value.clone() for key, value in t.items()} for client, t in self._tables.items()}

    def load_state_dict(self, state: Mapping[int, Any]) -> None:
        """The inverse of `state_dict`."""
        self._tables = {client: {key: value.clone() for key, value in t.items()} for client, t in state.items()}
