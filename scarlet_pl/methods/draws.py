"""Draw policies: which public samples a round uses, the part behind `method.draw`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.errors import require


class DrawPolicy(ABC):
    """Which public samples a round uses: a function of (seed, round). All draws have the same size."""

    size: int

    @abstractmethod
    def draw(self, seed: int, round: int, public_size: int) -> Tensor:
        """(size,) distinct public indices in ascending order."""


@dataclass(frozen=True)
class UniformDraw(DrawPolicy):
    """A new uniform draw without replacement each round, as in SCARLET and DS-FL.

    Args:
        size: samples in a draw, at most the public set's.
    """

    size: int = 150

    def __post_init__(self) -> None:
        require(self.size >= 1, "method.draw.size", self.size, "an integer >= 1")

    def draw(self, seed: int, round: int, public_size: int) -> Tensor:
        draws = rng.generator(seed, "draw", round)
        return torch.randperm(public_size, generator=draws)[: self.size].sort().values


@dataclass(frozen=True)
class FixedDraw(DrawPolicy):
    """The same random subset in every round, as in CFD.

    Args:
        size: samples in the subset, at most the public set's.
    """

    size: int = 150

    def __post_init__(self) -> None:
        require(self.size >= 1, "method.draw.size", self.size, "an integer >= 1")

    def draw(self, seed: int, round: int, public_size: int) -> Tensor:
        return UniformDraw(self.size).draw(seed, 0, public_size)
