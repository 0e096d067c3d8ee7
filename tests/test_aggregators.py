"""Aggregators of the literature, by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scarlet_pl.errors import ConfigError
from scarlet_pl.functional.clusters import k_means
from scarlet_pl.methods import (
    Clusters,
    Confident,
    Distillation,
    GeometricMean,
    LeaveOneOut,
    Mean,
    RobustMean,
    Votes,
)
from scarlet_pl.wire import Float16, Quantized


def votes(*labels: tuple[float, ...]) -> Votes:
    """Of one sample."""
    return Votes(torch.tensor(labels)[:, None])


def some(clients: int, samples: int, seed: int, classes: int = 3) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    return torch.rand(clients, samples, classes, generator=draws).mul(3).softmax(-1)


def close(found: Tensor, wanted: list[float], atol: float = 1e-6) -> bool:
    return torch.allclose(found.double(), torch.tensor(wanted).double(), atol=atol)


def test_the_geometric_mean_by_hand() -> None:
    found = GeometricMean().combine(votes((0.8, 0.1, 0.1), (0.2, 0.6, 0.2)))
    assert close(found.labels[0], [0.508666, 0.311493, 0.179841])
    veto = GeometricMean().combine(votes((1.0, 0.0, 0.0), (0.2, 0.6, 0.2)))
    assert close(veto.labels[0], [1.0, 0.0, 0.0])


def test_the_geometric_mean_is_the_softmax_of_the_mean_logits() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 3.0]])
    found = GeometricMean().combine(Votes(logits.softmax(-1)[:, None])).labels[0]
    assert close(found, [0.383652, 0.232697, 0.383652])
    assert torch.allclose(found, logits.mean(0).softmax(-1))


FIVE = ((0.7, 0.2, 0.1), (0.6, 0.3, 0.1), (0.8, 0.1, 0.1), (0.7, 0.1, 0.2), (0.0, 0.0, 1.0))
FOUR = ((0.6, 0.4), (0.8, 0.2), (0.7, 0.3), (0.1, 0.9))


@pytest.mark.parametrize(
    ("labels", "share", "bound", "wanted"),
    [
        (FIVE, 0.2, 0.0, [0.7, 0.175, 0.125]),
        (FIVE, 0.2, 0.05, [0.7, 0.175, 0.125]),
        (FIVE, 0.2, 0.3, [0.56, 0.14, 0.30]),
        (FIVE, 0.4, 0.0, [0.733333, 0.133333, 0.133333]),
        (FOUR, 0.25, 0.0, [0.7, 0.3]),
    ],
)
def test_the_robust_mean_by_hand(
    labels: tuple[tuple[float, ...], ...], share: float, bound: float, wanted: list[float]
) -> None:
    assert close(RobustMean(share, bound).combine(votes(*labels)).labels[0], wanted)


def test_the_robust_mean_of_those_who_sent() -> None:
    """Of the second sample one client of five sent nothing: ⌊0.25 · 4⌋ of the others is left out."""
    labels = torch.tensor(FIVE)[:, None].repeat(1, 2, 1)
    weights = torch.ones(5, 2)
    labels[0, 1], weights[0, 1] = 0, 0
    found = RobustMean(0.25).combine(Votes(labels, weights))
    assert close(found.labels[0], [0.7, 0.175, 0.125])
    assert close(found.labels[1], [0.7, 0.166667, 0.133333])


FIRST = torch.tensor([[0.9, 0.8], [0.7, 0.6], [0.2, 0.7], [0.1, 0.1]])


@pytest.mark.parametrize(
    ("by", "own"),
    [
        ("sample", [[0.8, 0.7], [0.8, 0.7], [0.15, 0.7], [0.15, 0.1]]),
        ("client", [[0.8, 0.7], [0.8, 0.7], [0.15, 0.4], [0.15, 0.4]]),
    ],
)
def test_clusters_by_hand(by: str, own: list[list[float]]) -> None:
    labels = torch.stack([FIRST, 1 - FIRST], -1)
    found = Clusters(2, by).combine(Votes(labels))  # type: ignore[arg-type]
    assert found.groups is not None
    assert torch.allclose(found.groups[found.choice, torch.arange(2)][:, :, 0], torch.tensor(own))
    assert torch.allclose(found.labels[:, 0], torch.tensor([0.475, 0.55]))
    alone = Clusters(2, by).combine(Votes(labels[:1]))  # type: ignore[arg-type]
    assert alone.groups is not None
    assert torch.allclose(alone.groups, labels[:1])


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**31))
def test_k_means_ends_where_every_point_is_nearest_to_its_centroid(clients: int, count: int, seed: int) -> None:
    points = some(clients, 5, seed).transpose(0, 1)
    centroids, choice = k_means(points, count)
    assert centroids.shape == (5, min(count, clients), 3)
    distance = torch.cdist(points.double(), centroids)
    assert torch.equal(distance.argmin(-1), choice)
    for problem, cluster in ((p, c) for p in range(5) for c in range(centroids.shape[1])):
        members = points[problem][choice[problem] == cluster].double()
        if len(members):
            assert torch.allclose(centroids[problem, cluster], members.mean(0))


NONE = (0.0, 0.0, 0.0)
THREE = (
    ((0.8, 0.1, 0.1), (0.3, 0.6, 0.1), NONE),
    ((0.6, 0.2, 0.2), NONE, (0.1, 0.2, 0.7)),
    (NONE, (0.2, 0.7, 0.1), (0.2, 0.2, 0.6)),
)


def test_leave_one_out_by_hand() -> None:
    """Three clients, two of three classes each."""
    labels = torch.tensor(THREE)
    found = LeaveOneOut().combine(Votes(labels, (labels.sum(-1) > 0).float()))
    assert found.groups is not None
    mean = [[0.7, 0.15, 0.15], [0.25, 0.65, 0.1], [0.15, 0.2, 0.65]]
    assert torch.allclose(found.labels, torch.tensor(mean))
    own = [
        [[0.6, 0.2, 0.2], [0.2, 0.7, 0.1], [0.15, 0.2, 0.65]],
        [[0.8, 0.1, 0.1], [0.25, 0.65, 0.1], [0.2, 0.2, 0.6]],
        [[0.7, 0.15, 0.15], [0.3, 0.6, 0.1], [0.1, 0.2, 0.7]],
    ]
    assert torch.allclose(found.groups[found.choice, torch.arange(3)], torch.tensor(own))


@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 2**31))
def test_what_is_the_same(clients: int, samples: int, seed: int) -> None:
    labels = some(clients, samples, seed)
    mean = Mean().combine(Votes(labels)).labels
    assert torch.equal(RobustMean(0.0).combine(Votes(labels)).labels, mean)
    one = Clusters(1).combine(Votes(labels))
    assert one.groups is not None
    assert torch.allclose(one.groups[0], mean, atol=1e-7)
    same = labels[:1].expand(clients, -1, -1)
    assert torch.allclose(GeometricMean().combine(Votes(same)).labels, labels[0], atol=1e-6)
    pair = LeaveOneOut().combine(Votes(labels[:2]))
    assert pair.groups is not None
    assert torch.equal(pair.groups, labels[:2].flip(0))
    ones = torch.ones(clients, samples)
    for aggregator in (GeometricMean(), RobustMean(0.3), LeaveOneOut(), Clusters(2)):
        found, weighted = aggregator.combine(Votes(labels)), aggregator.combine(Votes(labels, ones))
        assert torch.equal(found.labels, weighted.labels)
        if found.groups is not None and weighted.groups is not None:
            assert torch.equal(found.groups, weighted.groups)


@given(st.permutations(range(5)), st.integers(0, 2**31))
def test_the_order_of_clients_does_not_matter(order: list[int], seed: int) -> None:
    labels = some(5, 3, seed)
    for aggregator in (GeometricMean(), RobustMean(0.4), LeaveOneOut(), Clusters(2), Clusters(2, "client")):
        found, other = aggregator.combine(Votes(labels)), aggregator.combine(Votes(labels[order]))
        assert torch.allclose(found.labels, other.labels, atol=1e-6)
        if found.groups is not None and other.groups is not None:
            own = [each.groups[each.choice, torch.arange(3)] for each in (found, other)]  # type: ignore[index]
            assert torch.allclose(own[0][order], own[1], atol=1e-6)


@pytest.mark.parametrize("aggregator", [GeometricMean(), Confident(GeometricMean())])
def test_a_geometric_mean_needs_small_probabilities(aggregator: GeometricMean) -> None:
    for codec in (Quantized(1), Quantized(16), Float16()):
        small = torch.tensor([[1 - 1e-9, 1e-9]])
        assert float(codec.quantize(small, torch.Generator())[0, 1]) == 0
        with pytest.raises(ConfigError, match=r"method\.uplink_codec: got '\w+', allowed: Float32 with "):
            Distillation(aggregator, None, uplink_codec=codec)
    Distillation(aggregator, None, uplink_codec=Quantized(32), downlink_codec=Quantized(1))


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: RobustMean(0.5), "share"),
        (lambda: RobustMean(0.2, -1), "bound"),
        (lambda: Clusters(0), "count"),
        (lambda: Clusters(2, "class"), "by"),  # type: ignore[arg-type]
    ],
)
def test_bad_settings(make: object, field: str) -> None:
    with pytest.raises(ConfigError, match=rf"method\.aggregator\.{field}: got"):
        make()  # type: ignore[operator]
