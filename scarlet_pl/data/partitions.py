"""Splits of the private data over clients: the classes behind `data.partition`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.data.samples import Split
from scarlet_pl.errors import ConfigError, require
from scarlet_pl.functional import partition as maths

_TRIES = 1000


@dataclass(frozen=True)
class LabelledPool:
    """The labels (n,) that are split, how many clients share them and how many classes there are."""

    labels: Tensor
    clients: int
    classes: int

    @property
    def share(self) -> int:
        """Samples for each client where all get the same number: the remainder is left out."""
        return len(self.labels) // self.clients

    @property
    def supply(self) -> Tensor:
        """(N,) samples of each class."""
        return torch.bincount(self.labels, minlength=self.classes)


class Partition(ABC):
    """How private samples are dealt out: each client's test samples come from the class distribution of its training
    samples. Clients may have different numbers of samples, each at least one of both."""

    @abstractmethod
    def split(self, train: LabelledPool, test: LabelledPool, seed: int) -> tuple[Split, Split]:
        """Which client owns which samples of the training and of the test pool."""


def _assign(pool: LabelledPool, counts: Tensor, draws: torch.Generator) -> Split:
    """Samples by class for each client, (clients, N) → the split."""
    return Split.of_sizes(maths.assign(pool.labels, counts, draws), counts.sum(1))


def _deal(pool: LabelledPool, wanted: Tensor, draws: torch.Generator) -> Split:
    return _assign(pool, maths.fit_to_supply(wanted, pool.supply, draws), draws)


def _deal_like(shards: Split, train: LabelledPool, test: LabelledPool, draws: torch.Generator) -> Split:
    """Test shards with the class shares that the training shards have."""
    counts = shards.class_counts(train.labels, train.classes).to(torch.float64)
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

    def split(self, train: LabelledPool, test: LabelledPool, seed: int) -> tuple[Split, Split]:
        gammas, draws = rng.numpy_generator(seed, "partition"), rng.generator(seed, "partition")
        priors = maths.log_dirichlet(self.alpha, train.clients, train.classes, gammas).exp()
        train_shards, test_shards = (
            _assign(p, maths.draw_until_full(priors, p.share, p.supply, draws), draws) for p in (train, test)
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

    def split(self, train: LabelledPool, test: LabelledPool, seed: int) -> tuple[Split, Split]:
        gammas, draws = rng.numpy_generator(seed, "partition"), rng.generator(seed, "partition")
        log_shares = maths.log_dirichlet(self.alpha, train.classes, train.clients, gammas).T
        totals = train.supply.to(torch.float64) * (train.share * train.clients / len(train.labels))
        balanced = maths.sinkhorn(log_shares, train.share, totals)
        shards = _deal(train, maths.largest_remainder(balanced, train.share), draws)
        return shards, _deal_like(shards, train, test, draws)


@dataclass(frozen=True)
class ClassDirichlet(_Concentrated):
    """Label-skewed split with clients of different sizes: each class is dealt over the clients by its own Dir(α), the
    same shares for training and test samples.

    Drawn again until every client has `least` training samples and one test sample.

    Source: Yurochkin et al. 2019 (arXiv 1905.12022), and Li et al. 2022 (arXiv 2102.02079), who ask for 10 samples.

    Args:
        alpha: concentration; 0.1 is strongly skewed, 100 nearly iid.
        least: training samples that each client has at least.
    """

    alpha: float = 0.5
    least: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.least >= 1, "data.partition.least", self.least, "an integer >= 1")

    def split(self, train: LabelledPool, test: LabelledPool, seed: int) -> tuple[Split, Split]:
        most = f"at most {train.share}, {len(train.labels)} samples for {train.clients} clients"
        require(self.least <= train.share, "data.partition.least", self.least, most)
        gammas, draws = rng.numpy_generator(seed, "partition"), rng.generator(seed, "partition")
        for _ in range(_TRIES):
            shares = maths.log_dirichlet(self.alpha, train.classes, train.clients, gammas).exp()
            counts = [maths.round_to(shares, pool.supply).T for pool in (train, test)]
            if int(counts[0].sum(1).min()) >= self.least and int(counts[1].sum(1).min()) >= 1:
                return _assign(train, counts[0], draws), _assign(test, counts[1], draws)
        asked = f"alpha {self.alpha}, least {self.least}"
        allowed = f"alpha and least at which one of {_TRIES} draws gives all clients enough samples"
        raise ConfigError("data.partition", asked, allowed)


@dataclass(frozen=True)
class QuantitySkew(ClassDirichlet):
    """Clients of different sizes and alike in their classes: the sizes are one draw from Dir(α) over the clients, the
    same for training and test samples; which samples are a client's is random.

    Drawn again until every client has `least` training samples and one test sample.

    Source: Li et al. 2022 (arXiv 2102.02079), "quantity skew".

    Args:
        alpha: concentration; 0.1 gives few clients nearly all samples, 100 all nearly as many.
        least: training samples that each client has at least.
    """

    def split(self, train: LabelledPool, test: LabelledPool, seed: int) -> tuple[Split, Split]:
        return super().split(_of_one_class(train), _of_one_class(test), seed)


def _of_one_class(pool: LabelledPool) -> LabelledPool:
    return replace(pool, labels=torch.zeros_like(pool.labels), classes=1)


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

    def split(self, train: LabelledPool, test: LabelledPool, seed: int) -> tuple[Split, Split]:
        draws = rng.generator(seed, "partition")
        blocks = train.clients * self.shards_per_client
        length = len(train.labels) // blocks
        most = len(train.labels) // train.clients
        require(length >= 1, "data.partition.shards_per_client", self.shards_per_client, f"at most {most}")
        shuffled = torch.randperm(len(train.labels), generator=draws)
        by_class = shuffled[train.labels[shuffled].argsort(stable=True)]
        order = torch.randperm(blocks, generator=draws)
        shards = by_class[: blocks * length].view(blocks, length)[order].view(train.clients, -1)
        split = Split.equal(shards.sort(1).values)
        return split, _deal_like(split, train, test, draws)


@dataclass(frozen=True)
class FewClasses(Partition):
    """Clients with the same number of classes and different sizes: client k has the classes k, k + 1, … (mod N). Each
    class is dealt over its clients in proportion to log-normal draws, the same for training and test samples, after
    each of them got its least: `least` training samples and one test sample.

    Every sample is dealt, but for classes that nobody has where clients are few.

    Source: the official code of FedProx (Li et al., MLSys 2020, arXiv 1812.06127), which has these defaults for MNIST.

    Args:
        classes_per_client: classes of each client.
        sigma: standard deviation of the logarithms; 0 deals a class evenly, 2 gives few clients most of it.
        least: training samples of each of its classes that a client has at least.
    """

    classes_per_client: int = 2
    sigma: float = 2.0
    least: int = 5

    def __post_init__(self) -> None:
        for name in ("classes_per_client", "least"):
            require(getattr(self, name) >= 1, f"data.partition.{name}", getattr(self, name), "an integer >= 1")
        require(0 <= self.sigma < math.inf, "data.partition.sigma", self.sigma, "a number >= 0")

    def split(self, train: LabelledPool, test: LabelledPool, seed: int) -> tuple[Split, Split]:
        each, known = self.classes_per_client, train.classes
        require(each <= known, "data.partition.classes_per_client", each, f"at most {known}, the classes of the data")
        owned = maths.owners_in_turn(train.clients, train.classes, each)
        most, enough = (maths.most_each(owned, pool.supply) for pool in (train, test))
        there_are = f"at most {most}, samples of a class for each of its clients"
        require(self.least <= most, "data.partition.least", self.least, there_are)
        require(enough >= 1, "data.num_clients", train.clients, "so few that each can be tested on all of its classes")
        draws = rng.generator(seed, "partition")
        log_weights = self.sigma * torch.randn(owned.shape, dtype=torch.float64, generator=draws)
        train_shards, test_shards = (
            _assign(pool, maths.share_out(log_weights, owned, pool.supply, least), draws)
            for pool, least in ((train, self.least), (test, 1))
        )
        return train_shards, test_shards


@dataclass(frozen=True)
class IID(Partition):
    """A random split: every client's classes are those of the whole."""

    def split(self, train: LabelledPool, test: LabelledPool, seed: int) -> tuple[Split, Split]:
        draws = rng.generator(seed, "partition")
        train_shards, test_shards = (
            Split.equal(torch.randperm(len(p.labels), generator=draws)[: p.clients * p.share].view(p.clients, -1))
            for p in (train, test)
        )
        return train_shards, test_shards
