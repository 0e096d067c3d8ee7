"""Selectors: which of the public samples that a client is asked for it labels, the part behind `method.selector`."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.data import Batch, FederatedData


class ClientSelector(ABC):
    """Which public samples are near enough to a client's own data for its labels to mean something."""

    @abstractmethod
    def inliers(self, own: Tensor, public: Tensor, draws: torch.Generator) -> Tensor:
        """(P,) bool: which public samples the client labels when it is asked for them, in every round.

        Args:
            own: (m, d) float32, the client's samples as its network sees them, without augmentation, all fields
                flattened.
            public: (P, d) the public samples likewise.
            draws: of this client, the same whenever it is asked.
        """


class Selection:
    """What a selector says of the clients of one runner, asked once for each: it goes by seed, client and data alone.

    Args:
        selector: None selects everything.
    """

    def __init__(self, selector: ClientSelector | None, data: FederatedData, seed: int) -> None:
        self._selector, self._data, self._seed = selector, data, seed
        self._inliers: dict[int, Tensor] = {}

    def of(self, client: int, request: Tensor) -> Tensor:
        """Those of the requested public samples that the client labels.

        Raises:
            ValueError: the selector did not give one bool for each public sample; names it.
        """
        if self._selector is None:
            return request
        if client not in self._inliers:
            self._inliers[client] = self._ask(self._selector, client)
        return request[self._inliers[client][request]]

    def _ask(self, selector: ClientSelector, client: int) -> Tensor:
        data, draws = self._data, rng.generator(self._seed, "select", client=client)
        mine = data.train.batch(data.train_shards[client])
        own, public = (_flat(data.transform(batch)) for batch in (mine, dict(data.public.fields)))
        found = selector.inliers(own, public, draws)
        if found.shape != public.shape[:1] or found.dtype != torch.bool:
            what = f"{tuple(found.shape)} {found.dtype} for {len(public)} public samples"
            raise ValueError(f"selector {type(selector).__name__} gave {what}, not one bool for each")
        return found


def _flat(batch: Batch) -> Tensor:
    """(n, d) float32: all fields of n samples, one after the other."""
    return torch.cat([field.reshape(len(field), -1).to(torch.float32) for field in batch.values()], 1)
