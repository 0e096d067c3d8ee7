"""Means and random mixtures of several networks' weights, one tensor at a time."""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST_LENGTH, _LEAST_VARIANCE = 1e-300, 1e-5


def as_type(value: Tensor, dtype: torch.dtype) -> Tensor:
    """A float64 tensor in the type that the weights have: rounded for integers."""
    return (value if dtype.is_floating_point else value.round()).to(dtype)


def mixture(weights: Tensor, shares: Tensor) -> Tensor:
    """Σ_k share_k θ_k of K clients' weights (K, …), shares (K,) → (…), float64."""
    mean: Tensor = torch.tensordot(shares.to(torch.float64), weights.to(torch.float64), 1)
    return mean


def gaussian(weights: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of K clients' weights (K, …), of each number by itself, weighted by shares (K,) that
    sum to 1 → (…) both, float64.

    Source: FedBE (Chen and Chao 2021, arXiv 2009.01974), the Gaussian of its text.
    """
    mean = mixture(weights, shares)
    return mean, mixture((weights.to(torch.float64) - mean).square(), shares).sqrt()


def gaussian_of_directions(weights: Tensor, origin: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of where K clients may go from common weights, by the directions
    u_k = (θ_k − θ) / ‖θ_k − θ‖ in which they went and their mean distance l: θ + l·mean(u) and l·sd(u) → (…) both,
    float64. The variance of u is at least 1e-5.

    Source: FedBE's official code, which does so with each of a network's tensors.

    Args:
        weights: (K, …), θ_k.
        origin: (…), θ.
    """
    start = origin.to(torch.float64)
    moved = weights.to(torch.float64) - start
    lengths = moved.flatten(1).norm(dim=1) if moved.ndim > 1 else moved.abs()
    directions = moved / lengths.clamp_min(_LEAST_LENGTH).view(-1, *[1] * origin.ndim)
    mean = directions.mean(0)
    variance = (directions.square().mean(0) - mean.square()).clamp_min(_LEAST_VARIANCE)
    return start + lengths.mean() * mean, lengths.mean() * variance.sqrt()
