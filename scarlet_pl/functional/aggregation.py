"""How many clients' soft labels become one, and how the one is sharpened."""

from __future__ import annotations

import torch
from torch import Tensor


def mean(labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean of the clients' soft labels.

    Args:
        labels: (K, n, N), a distribution over N classes for each of K clients and n samples.
        weights: non-negative, (K,) one for each client, or (K, n) one for each of its labels; equal when None.

    Returns:
        (n, N) in the type of `labels`, accumulated in float64; 0 where all weights are.
    """
    exact = labels.to(torch.float64)
    if weights is None:
        return exact.mean(0).to(labels.dtype)
    each = weights.to(exact).view(len(labels), -1, 1)
    total = each.sum(0)
    return ((exact * each).sum(0) / torch.where(total > 0, total, 1)).to(labels.dtype)


def era(p: Tensor, temperature: float) -> Tensor:
    """Entropy Reduction Aggregation of DS-FL: softmax(p / T) of a mean of *probabilities* p, (n, N).

    It has no identity setting: a one-hot p at T = 1 becomes (.232, .085, …) for N = 10.
    Source: DS-FL (Itahara et al. 2021), as restated by SCARLET (arXiv 2504.19602).
    """
    return torch.softmax(p.to(torch.float64) / temperature, -1).to(p.dtype)


def enhanced_era(p: Tensor, beta: float) -> Tensor:
    """Enhanced ERA of SCARLET: p^β / Σ p^β over the last axis of p, (n, N).

    β = 1 returns p itself, β → 0 the uniform distribution, β → ∞ the most likely class. Computed as
    softmax(β·log p): p^β underflows to 0/0 at β = 50 and N = 10, its logarithm does not, and a zero stays zero.
    Source: arXiv 2504.19602.
    """
    if beta == 1:
        return p
    sharpened: Tensor = torch.softmax(beta * p.to(torch.float64).log(), -1)
    return sharpened.to(p.dtype)


def entropy(p: Tensor) -> Tensor:
    """Shannon entropy in nat over the last axis: (…, N) → (…)."""
    total: Tensor = torch.special.entr(p).sum(-1)
    return total
