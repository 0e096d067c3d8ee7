"""A row of whole numbers for each client, together one tensor: ten thousand small ones are slow to save and to load."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from scarlet_pl.functional.rows import grow


class Tables:
    """For each client that has one a row (P,) int32, -1 where nothing is.

    Args:
        size: P.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._rows = torch.zeros(0, size, dtype=torch.int32)
        self._place: dict[int, int] = {}

    def get(self, client: int) -> Tensor | None:
        """A client's row, to read and to write, until another one is made."""
        return self._rows[self._place[client]] if client in self._place else None

    def make(self, client: int) -> Tensor:
        """A client's row, a new one if it has none."""
        if client not in self._place:
            place = self._place[client] = len(self._place)
            if place == len(self._rows):
                self._rows = grow(self._rows, max(place, 8))
            self._rows[place] = -1
        return self._rows[self._place[client]]

    def state_dict(self) -> dict[str, Tensor]:
        """The clients, ascending, and their rows."""
        clients = sorted(self._place)
        places = torch.tensor([self._place[client] for client in clients], dtype=torch.int64)
        return {"clients": torch.tensor(clients, dtype=torch.int64), "rows": self._rows.index_select(0, places)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state_dict`."""
        self._rows = state["rows"].clone()
        self._place = {client: place for place, client in enumerate(state["clients"].tolist())}
