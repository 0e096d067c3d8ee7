"""Draw policies: which public samples a round uses, the part behind `method.draw`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.errors import require
from scarlet_pl.functional.selection import Criterion, select
from scarlet_pl.methods.population import Population


class DrawPolicy(ABC):
    """Which public samples a round uses. All draws have the same size."""

    size: int
    active = False
    """Whether a draw depends on the server's model, and not on seed, round and public set alone."""
    sees_samples = False
    """Whether it looks at the public samples themselves."""

    @abstractmethod
    def draw(self, population: Population, round: int, predict: Callable[[], Tensor] | None = None) -> Tensor:
        """(size,) distinct public indices in ascending order.

        Args:
            population: with the seed, the number of public samples, and the samples.
            predict: the server's soft labels (P, N) of the whole public set; None where a client draws.
        """


@dataclass(frozen=True)
class _Sized(DrawPolicy):
    size: int = 150

    def __post_init__(self) -> None:
        require(self.size >= 1, "method.draw.size", self.size, "an integer >= 1")


@dataclass(frozen=True)
class UniformDraw(_Sized):
    """A new uniform draw without replacement each round, as in SCARLET and DS-FL.

    Args:
        size: samples in a draw, at most the public set's.
    """

    def draw(self, population: Population, round: int, predict: Callable[[], Tensor] | None = None) -> Tensor:
        draws = rng.generator(population.seed, "draw", round)
        return torch.randperm(population.public_size, generator=draws)[: self.size].sort().values


@dataclass(frozen=True)
class FixedDraw(_Sized):
    """The same random subset in every round, as in CFD.

    Args:
        size: samples in a draw, at most the public set's.
    """

    def draw(self, population: Population, round: int, predict: Callable[[], Tensor] | None = None) -> Tensor:
        return UniformDraw(self.size).draw(population, 0)


@dataclass(frozen=True)
class ActiveDraw(_Sized):
    """The samples that the server's model of the last round is least sure of; a random draw in the first.

    Source: CFD (arXiv 2012.00632), section on active selection, which finds that it is not worth its while.

    Args:
        size: samples in a draw, at most the public set's.
        criterion: "entropy", "certainty" or "margin".
    """

    criterion: Criterion = "entropy"
    active = True

    def __post_init__(self) -> None:
        super().__post_init__()
        known = ("entropy", "certainty", "margin")
        require(self.criterion in known, "method.draw.criterion", self.criterion, ", ".join(known))

    def draw(self, population: Population, round: int, predict: Callable[[], Tensor] | None = None) -> Tensor:
        if round == 0 or predict is None:
            return UniformDraw(self.size).draw(population, round)
        return select(predict(), self.size, self.criterion)
