"""Samplers of models: further teachers made from the clients' weights, the part behind `method.fusion.models`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from scarlet_pl.client import State
from scarlet_pl.errors import require
from scarlet_pl.functional import weights as maths
from scarlet_pl.functional.partition import log_dirichlet


class ModelSampler(ABC):
    """Models drawn from a distribution of weights that is fitted to those of a round's clients."""

    @abstractmethod
    def sample(self, origin: State, states: Sequence[State], shares: Tensor, draws: torch.Generator) -> list[State]:
        """Models with the names, types and shapes of the clients'.

        Args:
            origin: the weights that the clients started from.
            states: the clients' weights and buffers, by client ascending.
            shares: (K,) float64, the clients' parts of all their samples.
            draws: of this round.
        """


@dataclass(frozen=True)
class _Counted(ModelSampler):
    count: int = 10

    def __post_init__(self) -> None:
        require(self.count >= 1, "method.fusion.models.count", self.count, "an integer >= 1")


@dataclass(frozen=True)
class GaussianModels(_Counted):
    """Models from a Gaussian around the clients', each number by itself.

    Counters (integers) are not drawn: they are the mean's. Running variances of batch normalisation are never below
    the smallest of the clients'.

    Source: FedBE (Chen and Chao, ICLR 2021, arXiv 2009.01974).

    Args:
        count: models in a round.
        scale: of the standard deviation.
        of: "directions" fits it to the directions in which each client's tensors went from the common start, all
            clients alike, as the official code does with scale 0.1; "weights" to the weights, by the clients' samples,
            as the paper does with scale 1.
    """

    scale: float = 0.1
    of: Literal["directions", "weights"] = "directions"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.scale < math.inf, "method.fusion.models.scale", self.scale, "a number >= 0")
        require(self.of in ("directions", "weights"), "method.fusion.models.of", self.of, "directions, weights")

    def sample(self, origin: State, states: Sequence[State], shares: Tensor, draws: torch.Generator) -> list[State]:
        drawn = {name: self._draw(name, _stacked(states, name), origin[name], shares, draws) for name in sorted(origin)}
        return [{name: models[number] for name, models in drawn.items()} for number in range(self.count)]

    def _draw(self, name: str, weights: Tensor, origin: Tensor, shares: Tensor, draws: torch.Generator) -> Tensor:
        """(count, …) of one tensor."""
        by_weights = self.of == "weights"
        mean, deviation = (
            maths.gaussian(weights, shares) if by_weights else maths.gaussian_of_directions(weights, origin)
        )
        noise = torch.randn(self.count, *mean.shape, generator=draws, dtype=torch.float64)
        found = mean + (self.scale * deviation * noise if weights.is_floating_point() else torch.zeros_like(noise))
        if name.rpartition(".")[2] == "running_var":  # as all of torch's normalisations call it
            found = found.maximum(weights.amin(0))
        return maths.as_type(found, weights.dtype)


@dataclass(frozen=True)
class DirichletModels(_Counted):
    """Mixtures Σ_k γ_k θ_k of the clients' models, buffers as well, with one γ from Dir(α, …, α) for each.

    Source: FedBE (Chen and Chao, ICLR 2021, arXiv 2009.01974).

    Args:
        count: models in a round.
        alpha: concentration; small gives models near to single clients', large their plain mean.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.alpha < math.inf, "method.fusion.models.alpha", self.alpha, "a number > 0")

    def sample(self, origin: State, states: Sequence[State], shares: Tensor, draws: torch.Generator) -> list[State]:
        # torch's own gamma variates come from no generator
        gammas = np.random.default_rng(int(torch.randint(2**62, (), generator=draws)))
        mixing = log_dirichlet(self.alpha, self.count, len(states), gammas).exp()
        return [
            {name: maths.as_type(maths.mixture(_stacked(states, name), row), origin[name].dtype) for name in origin}
            for row in mixing
        ]


def _stacked(states: Sequence[State], name: str) -> Tensor:
    return torch.stack([state[name] for state in states])
