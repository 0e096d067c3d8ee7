"""Aggregators: the part behind `method.aggregator`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scarlet_pl.errors import require
from scarlet_pl.functional import aggregation


@dataclass(frozen=True)
class Votes:
    """The clients' soft labels of the requested public samples.

    Attributes:
        labels: (K, r, N), clients in ascending order; 0 where a client sent none.
        weights: (K, r) ≥ 0, 0 where a client sent none; None where every client sent every label and all count alike.
    """

    labels: Tensor
    weights: Tensor | None = None

    @property
    def sent(self) -> Tensor:
        """(K, r) bool: which labels were sent."""
        return torch.ones(self.labels.shape[:2], dtype=torch.bool) if self.weights is None else self.weights > 0


@dataclass(frozen=True)
class Consensus:
    """What becomes of the clients' labels.

    Attributes:
        mean: (r, N) the clients' mean before sharpening, for those who look.
        labels: (r, N) what is distilled.
        kept: (r,) bool: which samples have a label; the others have none in this round.
        groups: (C, r, N) labels of groups of clients; None where all clients get `labels`.
        choice: (K, r) int64: which group's label each client gets.
    """

    mean: Tensor
    labels: Tensor
    kept: Tensor
    groups: Tensor | None = None
    choice: Tensor | None = None


class Aggregator:
    """From the clients' soft labels to what everybody distils.

    `sharpen` is enough for one that goes by the clients' mean; one that looks at their labels overrides `combine`.
    """

    drops = False
    """Whether samples that somebody labelled may be left without a label."""
    personal = False
    """Whether clients get labels of their own, by `Consensus.groups`."""
    needs_all = False
    """Whether it needs a label of every client for every sample."""
    needs_soft = False
    """Whether one-hot labels make no sense to it."""

    def sharpen(self, mean: Tensor) -> Tensor:
        """(n, N) mean distributions → (n, N) distributions."""
        return mean

    def combine(self, votes: Votes) -> Consensus:
        """The clients' labels → those that are distilled: of all samples that somebody labelled, the weighted mean,
        sharpened."""
        mean, kept = aggregation.mean(votes.labels, votes.weights), votes.sent.any(0)
        labels = torch.zeros_like(mean)
        labels[kept] = self.sharpen(mean[kept])
        return Consensus(mean, labels, kept)


@dataclass(frozen=True)
class Mean(Aggregator):
    """The plain mean, as FD and CFD use it."""


@dataclass(frozen=True)
class GeometricMean(Aggregator):
    """The geometric mean, normalised: the softmax of the mean of the clients' logits, as in FedMD and FedDF."""

    needs_soft = True  # a class to which one client gives 0 is ruled out for all

    def combine(self, votes: Votes) -> Consensus:
        mean, kept = aggregation.geometric_mean(votes.labels, votes.weights), votes.sent.any(0)
        return Consensus(mean, mean, kept)


@dataclass(frozen=True)
class RobustMean(Aggregator):
    """The mean without the clients that differ most from the others, sample by sample, as Cronus (arXiv 1912.11279)
    has it against poisoned labels. Of one-bit labels many are as far from the others: any of them is left out then.

    Args:
        share: of a sample's labels that are left out, in [0, 0.5); of K labels ⌊share · K⌋.
        bound: nothing is left out of a sample whose labels' variance along the direction in which they differ most is
            at most this.
    """

    share: float = 0.2
    bound: float = 0.0

    def __post_init__(self) -> None:
        require(0 <= self.share < 0.5, "method.aggregator.share", self.share, "a number in [0, 0.5)")
        require(0 <= self.bound < math.inf, "method.aggregator.bound", self.bound, "a number >= 0")

    def combine(self, votes: Votes) -> Consensus:
        sent = None if votes.weights is None else votes.sent
        mean = aggregation.robust_mean(votes.labels, self.share, self.bound, sent)
        return Consensus(mean, mean, votes.sent.any(0))


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


@dataclass(frozen=True)
class Confident(Aggregator):
    """Another aggregator's labels, of samples on which the clients agree on a class: the server's filter of
    Selective-FD.

    A sample is kept if the distance in L1 of the clients' mean p from its most likely class, 2 (1 − max p), is below a
    threshold. Source: Shao, Wu, Zhang, Nature Communications 15, 349 (2024), arXiv 2304.01731.

    Args:
        inner: makes the labels.
        threshold: in (0, 2]; 2 keeps all.
    """

    inner: Aggregator = Mean()
    threshold: float = 1.0

    drops = True

    def __post_init__(self) -> None:
        ok = isinstance(self.inner, Aggregator)
        require(ok, "method.aggregator.inner", self.inner, "an object of class Aggregator")
        require(0 < self.threshold <= 2, "method.aggregator.threshold", self.threshold, "a number in (0, 2]")

    @property
    def personal(self) -> bool:  # type: ignore[override]
        return self.inner.personal

    @property
    def needs_all(self) -> bool:  # type: ignore[override]
        return self.inner.needs_all

    @property
    def needs_soft(self) -> bool:  # type: ignore[override]
        return self.inner.needs_soft

    def combine(self, votes: Votes) -> Consensus:
        found = self.inner.combine(votes)
        distance = 2 * (1 - found.mean.max(-1).values)
        return replace(found, kept=found.kept & (distance < self.threshold))
