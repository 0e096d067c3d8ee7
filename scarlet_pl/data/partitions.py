"""Splits of the private data over clients: the classes behind `data.partition`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.errors import require
from scarlet_pl.functional import partition as maths


@dataclass(frozen=True)
class LabelledPool:
    """The labels (n,) that are split, how many clients share them and how many classes there are."""

    labels: Tensor
    clients: int
    classes: int

    @property
    def share(self) -> int:
        """Samples for each client: all get the same number, the remainder is left out."""
        return len(self.labels) // self.clients

    @property
    def supply(self) -> Tensor:
        """(N,) samples of each class."""
        return torch.bincount(self.labels, minlength=self.classes)


class Partition(ABC):
    """How private samples are dealt out.

    Every client gets the same number of training samples, and test samples from the same class distribution.
    """

    @abstractmethod
    def split(self, train: LabelledPool, test: LabelledPool, seed: int) -> tuple[Tensor, Tensor]:
        """Shards of the training and of the test pool: (clients, share) int64 each."""


def _deal(pool: LabelledPool, wanted: Tensor, draws: torch.Generator) -> Tensor:
    return maths.assign(pool.labels, maths.fit_to_supply(wanted, pool.supply, draws), draws)


def _deal_like(shards: Tensor, train: LabelledPool, test: LabelledPool, draws: torch.Generator) -> Tensor:
    """Test shards with the class shares that the training shards have."""
    counts = maths.class_counts(train.labels, shards, train.classes).to(torch.float64)
    return _deal(test, maths.largest_remainder(counts, test.share), draws)


@dataclass(frozen=True)
class _Concentrated(Partition):
    alpha: float

    def __post_init__(self) -> None:
        require(0 < self.alpha < math.inf, "data.partition.alpha", self.alpha, "a number > 0")


@dataclass(frozen=True)
class Dirichlet(_Concentrated):
    """Client-inner Dirichlet split of SCARLET: each client draws a class prior from Dir(α) and its samples from it.

    Clients that still lack samples draw in random order. An exhausted class is replaced by a class drawn uniformly
    from those that are left. The test shards are drawn in the same way from the same priors.

    Args:
        alpha: concentration; 0.1 is strongly skewed, 100 nearly iid.
    """

    alpha: float = 0.3

    def split(self, train: LabelledPool, test: LabelledPool, seed: int) -> tuple[Tensor, Tensor]:
        gammas, draws = rng.numpy_generator(seed, "partition"), rng.generator(seed, "partition")
        priors = maths.log_dirichlet(self.alpha, train.clients, train.classes, gammas).exp()
        train_shards, test_shards = (
            maths.assign(p.labels, maths.draw_until_full(priors, p.share, p.supply, draws), draws)
            for p in (train, test)
        )
        return train_shards, test_shards


@dataclass(frozen=True)
class BalancedDirichlet(_Concentrated):
    """Class-wise Dirichlet split of CFD: each class is dealt over the clients by Dir(α), then all clients are
    brought to the same size (Sinkhorn scaling to a doubly stochastic matrix).

    Args:
        alpha: concentration; 0.1 is strongly skewed, 100 nearly iid.
    """

    alpha: float = 1.0

    def split(self, train: LabelledPool, test: LabelledPool, seed: int) -> tuple[Tensor, Tensor]:
        gammas, draws = rng.numpy_generator(seed, "partition"), rng.generator(seed, "partition")
        log_shares = maths.log_dirichlet(self.alpha, train.classes, train.clients, gammas).T
        totals = train.supply.to(torch.float64) * (train.share * train.clients / len(train.labels))
        balanced = maths.sinkhorn(log_shares, train.share, totals)
        shards = _deal(train, maths.largest_remainder(balanced, train.share), draws)
        return shards, _deal_like(shards, train, test, draws)


@dataclass(frozen=True)
class Shards(Partition):
    """Sorted-by-class shards, as in the first FedAvg and DS-FL experiments.

    Args:
        shards_per_client: blocks of neighbouring samples for each client; 2 gives most clients two classes.
    """

    shards_per_client: int = 2

    def __post_init__(self) -> None:
        ok = self.shards_per_client >= 1
        require(ok, "data.partition.shards_per_client", self.shards_per_client, "an integer >= 1")

    def split(self, train: LabelledPool, test: LabelledPool, seed: int) -> tuple[Tensor, Tensor]:
        draws = rng.generator(seed, "partition")
        blocks = train.clients * self.shards_per_client
        length = len(train.labels) // blocks
        most = len(train.labels) // train.clients
        require(length >= 1, "data.partition.shards_per_client", self.shards_per_client, f"at most {most}")
        shuffled = torch.randperm(len(train.labels), generator=draws)
        by_class = shuffled[train.labels[shuffled].argsort(stable=True)]
        order = torch.randperm(blocks, generator=draws)
        shards = by_class[: blocks * length].view(blocks, length)[order].view(train.clients, -1)
        return shards.sort(1).values, _deal_like(shards, train, test, draws)


@dataclass(frozen=True)
class IID(Partition):
    """A random split: every client's classes are those of the whole."""

    def split(self, train: LabelledPool, test: LabelledPool, seed: int) -> tuple[Tensor, Tensor]:
        draws = rng.generator(seed, "partition")
        train_shards, test_shards = (
            torch.randperm(len(p.labels), generator=draws)[: p.clients * p.share].view(p.clients, -1)
            for p in (train, test)
        )
        return train_shards, test_shards
