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


def geometric_mean(labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """softmax(Σ_k w_k log p_k / Σ_k w_k) of the clients' soft labels.

    That is exactly the softmax of the mean of their logits: a softmax forgets of logits only a constant, and so does
    the last step. So methods that average logits (FedMD, arXiv 1910.03581; FedDF, arXiv 2006.07242) need none on the
    wire.

    Args:
        labels: (K, n, N); a 0 counts as the least float32.
        weights: as in `mean`.

    Returns:
        (n, N) in the type of `labels`, accumulated in float64; uniform where all weights are 0.
    """
    logs = labels.to(torch.float64).clamp_min(torch.finfo(torch.float32).tiny).log()
    return torch.softmax(mean(logs, weights), -1).to(labels.dtype)


def robust_mean(labels: Tensor, share: float, bound: float = 0.0, sent: Tensor | None = None) -> Tensor:
    """Mean of the clients' soft labels without those farthest along the direction in which they differ most.

    For each sample, ⌊share · K⌋ times: the mean and covariance of those left, its largest eigenvalue and that one's
    eigenvector v; nothing more is left out where the eigenvalue is at most `bound`; else the client with the largest
    (v · (p_k − mean))². Where labels differ equally in several directions, as few labels of one class each do, v is any
    of these. After the filter of Diakonikolas et al. (arXiv 1703.00893), which Cronus
    uses (arXiv 1912.11279): its thresholds suppose many points of unit covariance, so here their share is given.

    Args:
        labels: (K, n, N).
        share: of the clients that are left out, in [0, 0.5).
        bound: of the variance that is taken for honest.
        sent: (K, n) bool, which labels were sent; all if None. K of a sample is the number of those.

    Returns:
        (n, N) in the type of `labels`; 0 where nobody sent.
    """
    left = torch.ones(labels.shape[:2], dtype=torch.bool) if sent is None else sent.clone()
    drops = (left.sum(0).to(torch.float64) * share + 1e-9).long()  # (n,); 0.29 · 100 is less than 29 in floats
    points = labels.transpose(0, 1).to(torch.float64)  # (n, K, N)
    for step in range(int(drops.max()) if len(drops) else 0):
        members = left.T[:, :, None].to(torch.float64)
        counts = members.sum(1, keepdim=True).clamp_min(1)
        away = (points - (points * members).sum(1, keepdim=True) / counts) * members
        values, vectors = torch.linalg.eigh(away.transpose(1, 2) @ away / counts)
        scores = (away @ vectors[:, :, -1:])[:, :, 0].square()
        worst = torch.where(left.T, scores, -1.0).argmax(1)
        dropped = (step < drops) & (values[:, -1] > bound)
        left[worst[dropped], dropped] = False
    return mean(labels, left.to(labels.dtype) if share or sent is not None else None)


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
