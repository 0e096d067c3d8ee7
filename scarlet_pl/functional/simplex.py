"""Distributions: which rows are some, and how to come to some."""

from __future__ import annotations

import torch
from torch import Tensor


def not_distributions(labels: Tensor) -> str:
    """What keeps the rows of (n, N) from being distributions: NaN, a negative entry, a sum that is off by more than
    1e-3; nothing where they are."""
    if not bool(torch.isfinite(labels).all()):
        return "NaN or infinite"
    if bool((labels < 0).any()):
        return "a negative probability"
    if len(labels) and float((labels.sum(-1) - 1).abs().max()) > 1e-3:
        return "a row that does not sum to 1"
    return ""


def largest(p: Tensor, count: int) -> Tensor:
    """The `count` largest entries of each row of (n, N), of equal ones the first, scaled to sum to 1; else 0."""
    places = p.argsort(dim=-1, descending=True, stable=True)[:, :count]
    kept = torch.zeros_like(p).scatter_(-1, places, p.gather(-1, places))
    return kept / kept.sum(-1, keepdim=True)


def project(rows: Tensor) -> Tensor:
    """The nearest distribution in L2 of each row of (n, N): max(v − τ, 0), with the τ that makes it sum to 1.

    Source: Duchi et al., Efficient projections onto the l1-ball (ICML 2008), figure 1.
    """
    exact = rows.to(torch.float64)
    ordered = exact.sort(-1, descending=True).values
    excess = ordered.cumsum(-1) - 1
    count = torch.arange(1, rows.shape[-1] + 1)
    positive = (ordered * count > excess).sum(-1, keepdim=True)
    threshold = excess.gather(-1, positive - 1) / positive
    return (exact - threshold).clamp_min(0).to(rows.dtype)
