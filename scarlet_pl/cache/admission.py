"""Admission: which labels the cache keeps of those that it could, the part behind `method.cache.admission`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl.errors import require
from scarlet_pl.functional.aggregation import entropy
from scarlet_pl.functional.shares import whole


class Admission(ABC):
    """Which labels are kept for later rounds."""

    sees_labels = False
    """Whether it goes by the labels. If not, it is given none of their columns: with seeded indices, clients ask it
    before they have labels."""

    @abstractmethod
    def admits(self, labels: Tensor, round: int, draws: torch.Generator) -> Tensor:
        """(n,) bool: which of the labels are kept, a function of its arguments alone.

        Args:
            labels: (n, N) as they are sent, of the samples that have no entry that can be reused, in ascending order;
                (n, 0) where the rule does not see them.
            round: in which they were made.
            draws: of this round: the only source of randomness.
        """


@dataclass(frozen=True)
class AdmitAll(Admission):
    """Every label is kept."""

    def admits(self, labels: Tensor, round: int, draws: torch.Generator) -> Tensor:
        return torch.ones(len(labels), dtype=torch.bool)


@dataclass(frozen=True)
class RandomShare(Admission):
    """A random share of a round's labels is kept: the `cache_ratio` of the official code.

    Args:
        ratio: the share; of n labels ⌊ratio · n⌋ are kept.
    """

    ratio: float = 1.0

    def __post_init__(self) -> None:
        require(0 <= self.ratio <= 1, "method.cache.admission.ratio", self.ratio, "a number in [0, 1]")

    def admits(self, labels: Tensor, round: int, draws: torch.Generator) -> Tensor:
        kept = torch.randperm(len(labels), generator=draws)[: whole(self.ratio, len(labels))]
        return torch.zeros(len(labels), dtype=torch.bool).index_fill_(0, kept, True)


@dataclass(frozen=True)
class LowEntropy(Admission):
    """Labels that are sure enough are kept: those of the first rounds, when clients have learnt little, would be reused
    for the whole duration of the cache.

    Args:
        threshold: the largest entropy of a label that is kept, in nat; ln N keeps all of N classes.
        rounds: after so many rounds every label is kept; never if null.
    """

    threshold: float = 1.0
    rounds: int | None = None

    sees_labels = True

    def __post_init__(self) -> None:
        ok = 0 <= self.threshold < math.inf
        require(ok, "method.cache.admission.threshold", self.threshold, "a number >= 0")
        ok = self.rounds is None or self.rounds >= 0
        require(ok, "method.cache.admission.rounds", self.rounds, "an integer >= 0, or null")

    def admits(self, labels: Tensor, round: int, draws: torch.Generator) -> Tensor:
        if self.rounds is not None and round >= self.rounds:
            return torch.ones(len(labels), dtype=torch.bool)
        return entropy(labels) <= self.threshold


@dataclass(frozen=True)
class AfterRounds(Admission):
    """Nothing is kept in the first rounds, when clients have learnt little; from then on every label.

    Args:
        rounds: how many.
    """

    rounds: int = 10

    def __post_init__(self) -> None:
        require(self.rounds >= 0, "method.cache.admission.rounds", self.rounds, "an integer >= 0")

    def admits(self, labels: Tensor, round: int, draws: torch.Generator) -> Tensor:
        return torch.full((len(labels),), round >= self.rounds)
