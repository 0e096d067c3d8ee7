"""Aggregators: the part behind `method.aggregator`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from scarlet_pl.errors import require
from scarlet_pl.functional import aggregation


class Aggregator(ABC):
    """From the clients' mean soft label to the one that everybody distils."""

    @abstractmethod
    def sharpen(self, mean: Tensor) -> Tensor:
        """(n, N) mean distributions → (n, N) distributions."""


@dataclass(frozen=True)
class Mean(Aggregator):
    """The plain mean, as FD and CFD use it."""

    def sharpen(self, mean: Tensor) -> Tensor:
        return mean


@dataclass(frozen=True)
class ERA(Aggregator):
    """Entropy Reduction Aggregation of DS-FL.

    Args:
        temperature: T of softmax(mean / T); 0.1 in DS-FL.
    """

    temperature: float = 0.1

    def __post_init__(self) -> None:
        require(0 < self.temperature < math.inf, "method.aggregator.temperature", self.temperature, "a number > 0")

    def sharpen(self, mean: Tensor) -> Tensor:
        return aggregation.era(mean, self.temperature)


@dataclass(frozen=True)
class EnhancedERA(Aggregator):
    """Enhanced ERA of SCARLET.

    Args:
        beta: β of p^β / Σ p^β; 1 leaves the mean as it is, larger sharpens it.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        require(0 < self.beta < math.inf, "method.aggregator.beta", self.beta, "a number > 0")

    def sharpen(self, mean: Tensor) -> Tensor:
        return aggregation.enhanced_era(mean, self.beta)
