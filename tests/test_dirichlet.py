"""The Dirichlet split is SCARLET's: its priors, its statistics, and the exact law of small splits."""

from __future__ import annotations

import random
from bisect import bisect
from collections import Counter

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import chisquare, ks_2samp

from scarlet_pl import rng
from scarlet_pl.data import Dirichlet
from scarlet_pl.data.partitions import LabelledPool
from scarlet_pl.functional.partition import draw_until_full, log_dirichlet


def test_prior_and_draws_are_dirichlet() -> None:
    priors = log_dirichlet(0.5, 20_000, 4, rng.numpy_generator(0, "partition")).exp()
    # Dir(α·1): mean 1/N, variance (1/N)(1 - 1/N) / (Nα + 1)
    assert priors.mean(0).tolist() == pytest.approx([0.25] * 4, abs=0.01)
    assert priors.var(0).tolist() == pytest.approx([0.25 * 0.75 / 3] * 4, rel=0.05)


def one_by_one(priors: NDArray[np.float64], share: int, supply: list[int], draws: random.Random) -> NDArray[np.int64]:
    """SCARLET's split as it is described, sample by sample: counts (K, N)."""
    clients, classes = priors.shape
    cumulative, left = priors.cumsum(1).tolist(), list(supply)
    counts, lacking = np.zeros((clients, classes), np.int64).tolist(), [(client, share) for client in range(clients)]
    while lacking:
        place = draws.randrange(len(lacking))
        client, lacks = lacking[place]
        chosen = min(bisect(cumulative[client], draws.random()), classes - 1)
        if not left[chosen]:
            chosen = draws.choice([c for c in range(classes) if left[c]])
        left[chosen] -= 1
        counts[client][chosen] += 1
        lacking[place] = (client, lacks - 1)
        if lacks == 1:
            lacking.pop(place)
    return np.array(counts)


def split_statistics(train: NDArray[np.int64], test: NDArray[np.int64]) -> tuple[float, float, float]:
    """Means over the clients: class entropy in bits, classes, and L1 distance of the test shares to the training's."""
    own, other = train / train.sum(1, keepdims=True), test / test.sum(1, keepdims=True)
    entropy = -(own * np.log2(np.where(own > 0, own, 1))).sum(1)
    return entropy.mean(), (train > 0).sum(1).mean(), abs(own - other).sum(1).mean()


@pytest.mark.slow
@pytest.mark.parametrize("clients", [20, pytest.param(100, marks=pytest.mark.full)])
@pytest.mark.parametrize("alpha", [0.05, pytest.param(0.1, marks=pytest.mark.full), 0.3, 1.0])
def test_dirichlet_is_scarlets_split(alpha: float, clients: int) -> None:
    parts = [LabelledPool(torch.arange(size) % 10, clients, 10) for size in (60_000, 10_000)]
    ours, theirs = [], []
    for seed in range(20):
        shards = Dirichlet(alpha).split(*parts, seed)
        counts = [part.class_counts(pool.labels, 10).numpy() for pool, part in zip(parts, shards, strict=True)]
        ours.append(split_statistics(*counts))
        priors = np.random.default_rng([seed, clients]).dirichlet([alpha] * 10, clients)
        draws = random.Random(seed)
        theirs.append(split_statistics(*(one_by_one(priors, p.share, p.supply.tolist(), draws) for p in parts)))
    for own, reference in zip(np.transpose(ours), np.transpose(theirs), strict=True):
        assert ks_2samp(own, reference).pvalue > 0.01


def law_of_one_by_one(priors: list[list[float]], share: int, supply: list[int]) -> dict[tuple[int, ...], float]:
    """What the split of SCARLET can give, counts (K · N,), and how probable that is: every course it can take."""
    clients, classes = len(priors), len(supply)
    law = {(0,) * (clients * classes): 1.0}
    for _ in range(clients * share):
        after: dict[tuple[int, ...], float] = Counter()
        for counts, chance in law.items():
            lacking = [k for k in range(clients) if sum(counts[k * classes : (k + 1) * classes]) < share]
            left = [c for c in range(classes) if sum(counts[c::classes]) < supply[c]]
            for k in lacking:
                redrawn = (1 - sum(priors[k][c] for c in left)) / len(left)
                for c in left:
                    more = tuple(n + (cell == k * classes + c) for cell, n in enumerate(counts))
                    after[more] += chance / len(lacking) * (priors[k][c] + redrawn)
        law = after
    return law


@pytest.mark.slow
@pytest.mark.parametrize(
    ("priors", "share", "supply"),
    [
        ([[0.8, 0.15, 0.05], [0.6, 0.3, 0.1]], 3, [2, 3, 2]),
        ([[0.7, 0.1, 0.1, 0.1], [0.2, 0.6, 0.1, 0.1], [0.25] * 4], 2, [0, 2, 3, 2]),
        ([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0]], 4, [3, 2, 4]),
    ],
)
def test_small_splits_have_the_exact_law(priors: list[list[float]], share: int, supply: list[int]) -> None:
    law, draws, runs = law_of_one_by_one(priors, share, supply), torch.Generator().manual_seed(0), 6_000
    given = torch.tensor(priors, dtype=torch.float64), share, torch.tensor(supply)
    found = Counter(tuple(draw_until_full(*given, draws).view(-1).tolist()) for _ in range(runs))
    assert set(found) <= set(law)
    likely = sorted(law, key=law.__getitem__, reverse=True)[: sum(chance * runs >= 5 for chance in law.values()) - 1]
    seen, expected = [found[counts] for counts in likely], [runs * law[counts] for counts in likely]
    assert chisquare([*seen, runs - sum(seen)], [*expected, runs - sum(expected)]).pvalue > 0.01
