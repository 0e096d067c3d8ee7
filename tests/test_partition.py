"""Splits: every sample at most once, equal sizes, the right classes, always."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scarlet_pl import rng
from scarlet_pl.data import IID, BalancedDirichlet, Dirichlet, Partition, Shards, Split
from scarlet_pl.data.partitions import LabelledPool
from scarlet_pl.errors import ConfigError
from scarlet_pl.functional.partition import (
    fit_to_supply,
    largest_remainder,
    log_dirichlet,
    serve,
    sinkhorn,
)

from .conftest import examples


def pools(samples: int, tests: int, clients: int, classes: int, seed: int = 0) -> tuple[LabelledPool, LabelledPool]:
    draws = torch.Generator().manual_seed(seed)
    train, test = (torch.randint(0, classes, (count,), generator=draws) for count in (samples, tests))
    return LabelledPool(train, clients, classes), LabelledPool(test, clients, classes)


def check_shards(split: Split, pool: LabelledPool, share: int | None = None) -> None:
    assert split.sizes.tolist() == [pool.share if share is None else share] * pool.clients
    assert len(split.rows.unique()) == len(split.rows) == int(split.offsets[-1])
    assert int(split.rows.min()) >= 0
    assert int(split.rows.max()) < len(pool.labels)


@examples(60)
@given(
    partition=st.one_of(
        st.builds(Dirichlet, alpha=st.floats(1e-3, 1e3)), st.builds(BalancedDirichlet, alpha=st.floats(1e-3, 1e3))
    ),
    clients=st.integers(1, 40),
    each=st.integers(1, 20),
    spare=st.integers(0, 7),
    classes=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_dirichlet_splits(partition: Partition, clients: int, each: int, spare: int, classes: int, seed: int) -> None:
    train, test = pools(clients * each + spare, clients + spare, clients, classes, seed)
    for shards, pool in zip(partition.split(train, test, seed), (train, test), strict=True):
        check_shards(shards, pool)


@pytest.mark.parametrize("partition", [Dirichlet(0.3), BalancedDirichlet(0.3), Shards(2), IID()])
def test_every_split_is_a_function_of_the_seed(partition: Partition) -> None:
    train, test = pools(1000, 200, 10, 10)
    first, again, other = (partition.split(train, test, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a.rows, b.rows) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].rows, other[0].rows)
    for shards, pool in zip(first, (train, test), strict=True):
        check_shards(shards, pool)


@pytest.mark.parametrize("partition", [Dirichlet(0.001), BalancedDirichlet(0.001)])
def test_extreme_skew_ends(partition: Partition) -> None:
    train, test = pools(50_000, 10_000, 500, 10)
    shards = partition.split(train, test, 0)
    check_shards(shards[0], train)
    check_shards(shards[1], test)
    top = shards[0].class_counts(train.labels, 10).max(1).values.double() / train.share
    assert float(top.median()) > 0.9


@pytest.mark.parametrize("kind", [Dirichlet, BalancedDirichlet])
def test_alpha_says_how_skewed(kind: type[Dirichlet | BalancedDirichlet]) -> None:
    train, test = pools(10_000, 2_000, 20, 10)

    def top_share(alpha: float) -> float:
        counts = kind(alpha).split(train, test, 0)[0].class_counts(train.labels, 10)
        return float(counts.max(1).values.double().mean()) / train.share

    assert top_share(0.05) > 0.6
    assert top_share(1000) < 0.2
    assert top_share(0.05) > top_share(1) > top_share(1000)


@pytest.mark.parametrize("partition", [Dirichlet(0.1), BalancedDirichlet(0.1), Shards(2)])
def test_a_client_is_tested_on_the_classes_it_trains_on(partition: Partition) -> None:
    train, test = pools(20_000, 4_000, 10, 10)
    shards = partition.split(train, test, 0)
    shares = [
        part.class_counts(pool.labels, 10).double() / pool.share
        for part, pool in zip(shards, (train, test), strict=True)
    ]
    own = (shares[0] - shares[1]).abs().sum(1)
    others = (shares[0] - shares[1].roll(1, 0)).abs().sum(1)
    assert float(own.mean()) < 0.5 * float(others.mean())


@examples(100)
@given(st.integers(0, 30), st.lists(st.integers(0, 12), min_size=1, max_size=6), st.integers(0, 1000))
def test_serve(units: int, supply: list[int], seed: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    wanted = torch.randint(0, len(supply), (units,), generator=draws)
    if units > sum(supply):
        with pytest.raises(ValueError, match="at hand"):
            serve(wanted, torch.tensor(supply), draws)
        return
    left = list(supply)
    for want, got in zip(wanted.tolist(), serve(wanted, torch.tensor(supply), draws).tolist(), strict=True):
        assert got == want or not left[want]
        left[got] -= 1
    assert min(left) >= 0


def test_sinkhorn_balances() -> None:
    weights = log_dirichlet(1.0, 10, 30, rng.numpy_generator(0, "partition")).T
    totals = torch.arange(1.0, 11) * 30 / 5.5
    balanced = sinkhorn(weights, 10.0, totals.double())
    assert balanced.sum(0).tolist() == pytest.approx(totals.tolist())
    assert balanced.sum(1).tolist() == pytest.approx([10.0] * 30, rel=1e-3)


@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 20), st.integers(0, 1000))
def test_largest_remainder(clients: int, classes: int, total: int, seed: int) -> None:
    wanted = torch.rand(clients, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    wanted[0] = 0
    counts = largest_remainder(wanted, total)
    assert counts.sum(1).tolist() == [total] * clients
    share = wanted[1:] / wanted[1:].sum(1, keepdim=True) * total
    assert bool(((counts[1:] - share).abs() < 1 + 1e-9).all())


@examples(100)
@given(st.integers(1, 9), st.integers(1, 6), st.integers(0, 1000))
def test_fit_to_supply(clients: int, classes: int, seed: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    wanted = torch.randint(0, 6, (clients, classes), generator=draws)
    supply = torch.randint(0, 12, (classes,), generator=draws)
    if int(wanted.sum()) > int(supply.sum()):
        with pytest.raises(ValueError, match="at hand"):
            fit_to_supply(wanted, supply, draws)
        return
    counts = fit_to_supply(wanted, supply, draws)
    assert torch.equal(counts.sum(1), wanted.sum(1))
    assert bool((counts.sum(0) <= supply).all())
    if bool((wanted.sum(0) <= supply).all()):
        assert torch.equal(counts, wanted)


def test_a_contested_class_is_shared_fairly() -> None:
    # 2 clients want 100 of a class that has 100: each gets about half, whatever its number
    wanted, supply = torch.tensor([[100, 0], [100, 0]]), torch.tensor([100, 100])
    got = [int(fit_to_supply(wanted, supply, torch.Generator().manual_seed(s))[0, 0]) for s in range(50)]
    assert 45 < sum(got) / len(got) < 55


def test_too_few_samples_for_the_shards() -> None:
    train, test = pools(10, 10, 5, 2)
    with pytest.raises(ConfigError, match=r"shards_per_client: got 3, allowed: at most 2"):
        Shards(3).split(train, test, 0)


@pytest.mark.slow
@pytest.mark.parametrize("partition", [Dirichlet(0.1), BalancedDirichlet(0.1), Shards(2), IID()])
def test_a_million_samples(partition: Partition) -> None:
    train, test = pools(1_000_000, 10_000, 10_000, 10)
    for shards, pool in zip(partition.split(train, test, 0), (train, test), strict=True):
        check_shards(shards, pool)
