"""Splits with clients of different sizes: every sample exactly once, sizes and classes by their law."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from scarlet_pl.data import ClassDirichlet, FederatedDataModule, LabelledPool, Partition, QuantitySkew, Split
from scarlet_pl.errors import ConfigError
from scarlet_pl.functional.partition import assign, round_to

from .conftest import examples

SKEWED = [ClassDirichlet(0.5, least=3), QuantitySkew(0.5, least=3)]


def pools(samples: int, tests: int, clients: int, classes: int = 10) -> tuple[LabelledPool, LabelledPool]:
    train, test = (LabelledPool(torch.arange(size) % classes, clients, classes) for size in (samples, tests))
    return train, test


def test_shares_by_hand() -> None:
    """10 samples in shares .25, .5, .25 end at 2.5, 7.5, 10, which round (half to even) to 2, 8, 10; of 4 samples in
    shares .1, .1, .8 the ends are .4, .8, 4: 0, 1, 4."""
    shares = torch.tensor([[0.25, 0.5, 0.25], [0.1, 0.1, 0.8]], dtype=torch.float64)
    assert round_to(shares, torch.tensor([10, 4])).tolist() == [[2, 6, 2], [0, 1, 3]]


def test_samples_by_hand() -> None:
    """Of labels 0 0 1 0 1 the first client gets both of class 1, the second all of class 0: there is one way."""
    rows = assign(torch.tensor([0, 0, 1, 0, 1]), torch.tensor([[0, 2], [3, 0]]), torch.Generator())
    assert rows.tolist() == [2, 4, 0, 1, 3]


@examples(60)
@given(
    kind=st.sampled_from([ClassDirichlet, QuantitySkew]),
    alpha=st.floats(0.3, 1e3),
    clients=st.integers(1, 8),
    classes=st.integers(1, 12),
    each=st.integers(40, 60),
    least=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_every_sample_exactly_once(
    kind: type[ClassDirichlet], alpha: float, clients: int, classes: int, each: int, least: int, seed: int
) -> None:
    train, test = pools(each * clients + seed % 7, each * clients, clients, classes)
    for split, pool in zip(kind(alpha, least).split(train, test, seed), (train, test), strict=True):
        assert sorted(split.rows.tolist()) == list(range(len(pool.labels)))
        assert int(split.sizes.min()) >= (least if pool is train else 1)


@pytest.mark.parametrize("partition", SKEWED)
def test_the_seed_decides_the_split(partition: Partition) -> None:
    first, again, other = (partition.split(*pools(500, 100, 8), seed) for seed in (1, 1, 2))
    for a, b, c in zip(first, again, other, strict=True):
        assert torch.equal(a.rows, b.rows)
        assert torch.equal(a.offsets, b.offsets)
        assert not torch.equal(a.offsets, c.offsets)


def by_class(alpha: float, samples: int, clients: int, least: int, draws: np.random.Generator) -> NDArray[np.int64]:
    """Each class cut at the cumulated proportions until all have enough, class by class: counts (K, N)."""
    while True:
        counts = np.zeros((clients, 10), np.int64)
        for kind in range(10):
            cuts = np.cumsum(draws.dirichlet([alpha] * clients))[:-1] * (samples // 10)
            for client, part in enumerate(np.split(np.arange(samples // 10), cuts.round().astype(int))):
                counts[client, kind] = len(part)
        if counts.sum(1).min() >= least:
            return counts


def statistics(counts: NDArray[np.int64]) -> tuple[float, ...]:
    """Spread of the clients' sizes, the smallest, the largest, and the mean share of a client's largest class."""
    sizes = counts.sum(1)
    return sizes.std(), sizes.min(), sizes.max(), (counts.max(1) / sizes).mean()


@pytest.mark.parametrize("alpha", [0.3, 2.0])
def test_class_dirichlet_is_the_rule_as_it_is_written(alpha: float) -> None:
    ours, theirs = [], []
    train, test = pools(2000, 400, 8)
    for seed in range(60):
        split = ClassDirichlet(alpha, least=10).split(train, test, seed)[0]
        ours.append(statistics(split.class_counts(train.labels, 10).numpy()))
        theirs.append(statistics(by_class(alpha, 2000, 8, 10, np.random.default_rng(seed))))
    for own, reference in zip(np.transpose(ours), np.transpose(theirs), strict=True):
        assert ks_2samp(own, reference).pvalue > 0.01


@pytest.mark.parametrize("alpha", [0.3, 2.0])
def test_quantity_skew_has_dirichlet_sizes(alpha: float) -> None:
    """The largest and the smallest share, against NumPy's own draws."""
    train, test = pools(20_000, 4_000, 5)
    splits = [QuantitySkew(alpha, least=1).split(train, test, seed) for seed in range(200)]
    ours = np.array([split.sizes.numpy() / 20_000 for split, _ in splits])
    theirs = np.random.default_rng(0).dirichlet([alpha] * 5, 2000)
    theirs = theirs[theirs.min(1) * 4_000 > 1]
    for pick in (np.max, np.min):
        assert ks_2samp(pick(ours, 1), pick(theirs, 1)).pvalue > 0.01
    for train_split, test_split in splits:
        assert (train_split.sizes / 20_000).tolist() == pytest.approx((test_split.sizes / 4_000).tolist(), abs=3e-4)


def test_quantity_skew_leaves_the_classes_as_they_come() -> None:
    train, test = pools(20_000, 4_000, 5)
    split = QuantitySkew(2.0).split(train, test, 0)[0]
    shares = split.class_counts(train.labels, 10).double() / split.sizes[:, None]
    assert float((shares - 0.1).abs().max()) < 0.03
    assert int(split.sizes.max()) > 2 * int(split.sizes.min())


@pytest.mark.parametrize("partition", SKEWED)
def test_impossible_settings(partition: ClassDirichlet) -> None:
    kind = type(partition)
    with pytest.raises(ConfigError, match=r"data\.partition\.least: got 51, allowed: at most 50, 500 samples for 10"):
        kind(0.5, least=51).split(*pools(500, 100, 10), 0)
    with pytest.raises(ConfigError, match=r"data\.partition: got 'alpha 0\.01, least 50', allowed: alpha and least at"):
        kind(0.01, least=50).split(*pools(500, 100, 10), 0)
    with pytest.raises(ConfigError, match=r"data\.partition\.alpha: got 0, allowed: a number > 0"):
        kind(0)
    with pytest.raises(ConfigError, match=r"data\.partition\.least: got 0, allowed: an integer >= 1"):
        kind(1.0, least=0)


def test_owners() -> None:
    split = Split.of_sizes(torch.tensor([4, 1, 2]), torch.tensor([2, 0, 1]))
    assert split.owners(6).tolist() == [-1, 0, 2, -1, 0, -1]


def test_the_digits_are_split_by_size() -> None:
    sizes = FederatedDataModule(num_clients=5, partition=QuantitySkew(1.0)).data.train_shards.sizes
    assert int(sizes.sum()) == 1797 - 359 - 500
    assert int(sizes.max()) > 2 * int(sizes.min())
