"""Parts of a user's own, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods import ClientSelector, Filter


@dataclass(frozen=True)
class NearestOwn(ClientSelector):
    """A share of the public samples: those nearest to one of the client's own."""

    share: float = 0.5

    def inliers(self, own: Tensor, public: Tensor, draws: torch.Generator) -> Tensor:
        distance = torch.cdist(public, own).min(1).values
        return distance <= distance.quantile(self.share)


@dataclass(frozen=True)
class Chosen(ClientSelector):
    """Random public samples."""

    def inliers(self, own: Tensor, public: Tensor, draws: torch.Generator) -> Tensor:
        return torch.rand(len(public), generator=draws) < 0.5


@dataclass(frozen=True)
class Momentum(Filter):
    """Half of a label is what it was when its sample was last labelled. Spoils what it is given."""

    public_size: int = 12

    def __call__(
        self, labels: SoftLabels, draws: torch.Generator, memory: Mapping[str, Tensor]
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        made, memory = labels.labels.clone(), dict(memory)
        last = memory.setdefault("last", torch.full((self.public_size, made.shape[1]), torch.nan))
        known = ~last[labels.indices, 0].isnan()
        made[known] = (made[known] + last[labels.indices][known]) / 2
        last[labels.indices] = made
        return made, memory

    def metrics(self, asked: Tensor) -> dict[str, float | None]:
        return {"momentum/asked": float(asked.max())}
