"""Splits with the same number of classes for each client: the classes, the sizes, every sample exactly once."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from scarlet_pl.data import FederatedDataModule, FewClasses, LabelledPool
from scarlet_pl.errors import ConfigError
from scarlet_pl.functional.partition import most_each, owners_in_turn, share_out

from .conftest import examples

RING = [[True, False, True], [True, True, False], [False, True, True]]


def pools(samples: int, tests: int, clients: int, classes: int = 10) -> tuple[LabelledPool, LabelledPool]:
    train, test = (LabelledPool(torch.arange(size) % classes, clients, classes) for size in (samples, tests))
    return train, test


def test_classes_by_hand() -> None:
    """Client 0 has the classes 0 and 1, client 1 the classes 1 and 2, client 2 the classes 2 and 0."""
    assert owners_in_turn(3, 3, 2).tolist() == RING


def test_counts_by_hand() -> None:
    """One of each for its owners; then 8 of class 0 as 3 : 1, 3 of class 1 as 1 : 2, and nothing of class 2 is left."""
    weights = torch.tensor([[3.0, 9.0, 1.0], [1.0, 2.0, 9.0], [9.0, 1.0, 1.0]], dtype=torch.float64)
    owned, supply = torch.tensor(RING), torch.tensor([10, 5, 2])
    assert most_each(owned, supply) == 1
    assert share_out(weights.log(), owned, supply, 1).T.tolist() == [[7, 0, 3], [2, 3, 0], [0, 1, 1]]


def test_a_class_that_nobody_owns_stays_undealt() -> None:
    owned, supply = torch.tensor([[True, True], [False, False]]), torch.tensor([4, 7])
    assert most_each(owned, supply) == 2
    assert share_out(torch.zeros(2, 2, dtype=torch.float64), owned, supply, 1).tolist() == [[2, 0], [2, 0]]


def test_infinite_weights() -> None:
    """A very large sigma comes to these: one such owner takes all but the others' least, two of them share alike, and
    nothing goes to a client that does not own the class."""
    weights = torch.tensor([[math.inf, 3.0, 0.0], [math.inf, math.inf, 0.0]], dtype=torch.float64)
    owned = torch.tensor([[True, True, False]] * 2)
    assert share_out(weights, owned, torch.tensor([10, 10]), 1).T.tolist() == [[9, 1, 0], [5, 5, 0]]


@examples(100)
@given(
    clients=st.integers(1, 30),
    classes=st.integers(1, 12),
    sigma=st.sampled_from([0.0, 0.5, 2.0, 1e3]),
    least=st.integers(1, 4),
    data=st.data(),
    seed=st.integers(0, 1000),
)
def test_each_has_its_classes_and_every_sample_is_dealt(
    clients: int, classes: int, sigma: float, least: int, data: st.DataObject, seed: int
) -> None:
    each = data.draw(st.integers(1, classes))
    train, test = pools(classes * clients * least + seed % 50, classes * clients, clients, classes)
    splits = FewClasses(each, sigma, least).split(train, test, seed)
    theirs = [{(client + turn) % classes for turn in range(each)} for client in range(clients)]
    for split, pool, floor in zip(splits, (train, test), (least, 1), strict=True):
        dealt = [row for row, label in enumerate(pool.labels.tolist()) if label in set().union(*theirs)]
        assert sorted(split.rows.tolist()) == dealt
        for classes_of, counts in zip(theirs, split.class_counts(pool.labels, classes).tolist(), strict=True):
            assert {label for label, count in enumerate(counts) if count} == classes_of
            assert min(counts[label] for label in classes_of) >= floor


def test_the_seed_decides_the_split() -> None:
    first, again, other = (FewClasses().split(*pools(5000, 1000, 100), seed) for seed in (1, 1, 2))
    for a, b, c in zip(first, again, other, strict=True):
        assert torch.equal(a.rows, b.rows)
        assert torch.equal(a.offsets, b.offsets)
        assert not torch.equal(a.offsets, c.offsets)


def test_no_spread_deals_evenly() -> None:
    train, test = pools(1000, 200, 10)
    splits = FewClasses(3, sigma=0).split(train, test, 0)
    for split, pool in zip(splits, (train, test), strict=True):
        assert bool(((split.sizes - pool.share).abs() <= 3).all())


def rule(clients: int, each: int, sigma: float, least: int, supply: int, draws: np.random.Generator) -> list[int]:
    """The rule as it is written, client by client: so many of each class, then shares of the rest; sizes (clients,)."""
    cells = [(client, (client + turn) % 10) for client in range(clients) for turn in range(each)]
    weight = {cell: math.exp(draws.normal(0, sigma)) for cell in cells}
    totals = [sum(w for (_, label), w in weight.items() if label == c) for c in range(10)]
    owners = [sum(label == c for _, label in cells) for c in range(10)]
    sizes = [0.0] * clients
    for (client, label), share in weight.items():
        sizes[client] += least + (supply - least * owners[label]) * share / totals[label]
    return [round(size) for size in sizes]


def test_sizes_are_as_the_rule_gives_them() -> None:
    """Spread, smallest and largest of the sizes: 6,000 samples of each class for 100 clients with two classes."""
    ours, theirs = [], []
    for seed in range(150):
        split = FewClasses(2, 2.0, 5).split(*pools(60_000, 10_000, 100), seed)[0]
        sizes = split.sizes.numpy()
        ours.append((sizes.std(), np.median(sizes), sizes.max()))
        drawn = np.array(rule(100, 2, 2.0, 5, 6000, np.random.default_rng(seed)))
        theirs.append((drawn.std(), np.median(drawn), drawn.max()))
    for own, reference in zip(np.transpose(ours), np.transpose(theirs), strict=True):
        assert ks_2samp(own, reference).pvalue > 0.01


def test_a_thousand_clients_of_mnist() -> None:
    """60 images on average; most clients have few of them and some have many."""
    sizes = FewClasses().split(*pools(60_000, 10_000, 1000), 0)[0].sizes.double()
    assert float(sizes.mean()) == 60
    assert int(sizes.min()) >= 10
    assert float(sizes.median()) < 40
    assert int(sizes.max()) > 600


def test_impossible_settings() -> None:
    with pytest.raises(ConfigError, match=r"data\.partition\.classes_per_client: got 11, allowed: at most 10, the cl"):
        FewClasses(11).split(*pools(1000, 200, 10), 0)
    with pytest.raises(ConfigError, match=r"data\.partition\.least: got 51, allowed: at most 50, samples of a class"):
        FewClasses(2, least=51).split(*pools(1000, 200, 10), 0)
    with pytest.raises(ConfigError, match=r"data\.num_clients: got 10, allowed: so few that each can be tested on all"):
        FewClasses(2).split(*pools(1000, 19, 10), 0)
    with pytest.raises(ConfigError, match=r"data\.partition\.classes_per_client: got 0, allowed: an integer >= 1"):
        FewClasses(0)
    with pytest.raises(ConfigError, match=r"data\.partition\.least: got 0, allowed: an integer >= 1"):
        FewClasses(least=0)
    for sigma in (-1.0, math.inf, math.nan):
        with pytest.raises(ConfigError, match=r"data\.partition\.sigma: got .*, allowed: a number >= 0"):
            FewClasses(sigma=sigma)


def test_the_digits_by_class() -> None:
    data = FederatedDataModule(num_clients=5, partition=FewClasses(2)).data
    counts = data.train_shards.class_counts(data.train.labels, 10)
    assert (counts > 0).sum(1).tolist() == [2] * 5
    assert int(counts[:, 6:].sum()) == 0  # five clients have the classes 0 to 5
