"""k-means that draws nothing, of many problems at once."""

from __future__ import annotations

import torch
from torch import Tensor

_STEPS = 300


def k_means(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm until no point changes its cluster, but at most 300 steps.

    The first centroid is the point farthest from the mean, each next one the point farthest from those chosen; of
    points as far the first. A cluster that gets empty keeps its centroid.

    Args:
        points: (n, K, d) of n problems.
        count: C, clusters of a problem; as many as there are points, where those are fewer.

    Returns:
        Centroids (n, C, d) in float64, and each point's cluster (n, K) int64.
    """
    points = points.to(torch.float64)
    centroids = _farthest_first(points, min(count, points.shape[1]))
    choice = torch.full(points.shape[:2], -1)
    for _ in range(_STEPS):
        nearest = torch.cdist(points, centroids).argmin(-1)
        if torch.equal(nearest, choice):
            break
        choice = nearest
        members = torch.nn.functional.one_hot(choice, centroids.shape[1]).to(points.dtype)  # (n, K, C)
        sizes = members.sum(1)[:, :, None]
        centroids = torch.where(sizes > 0, members.transpose(1, 2) @ points / sizes.clamp_min(1), centroids)
    return centroids, choice


def _farthest_first(points: Tensor, count: int) -> Tensor:
    """(n, K, d) points → (n, C, d) of them."""
    problems = torch.arange(len(points))
    distance, found = torch.cdist(points, points.mean(1, keepdim=True))[:, :, 0], list[Tensor]()
    for _ in range(count):
        found.append(points[problems, distance.argmax(1)])
        distance = torch.cdist(points, torch.stack(found, 1)).min(-1).values
    return torch.stack(found, 1)
