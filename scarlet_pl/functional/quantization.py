"""Constrained uniform quantisation of distributions: every row stays on the simplex."""

from __future__ import annotations

import torch
from torch import Tensor


def constrained_quantize(p: Tensor, bits: int, draws: torch.Generator | None = None) -> Tensor:
    """The nearest point in L1 of each row on the grid l / (2^b − 1) with Σ l = 2^b − 1, by largest remainder.

    Args:
        p: (n, N) distributions.
        bits: b, 1 to 16; at b = 1 a row becomes its most likely class.
        draws: breaks ties at random; ties go to the lower class if None.

    Returns:
        (n, N) int64 levels l.

    Source: CFD (arXiv 2012.00632), section III. Its text gives the number of steps as 2^(b−1); its own code, and
    that levels above 1 can then be used at all, say 2^b − 1.
    """
    if bits == 1:
        return _most_likely(p, draws)
    steps = 2**bits - 1
    exact = p.to(torch.float64)
    exact = exact / exact.sum(-1, keepdim=True) * steps
    levels = exact.floor()
    missing = (steps - levels.sum(-1)).long()
    remainder = exact - levels
    if draws is not None:
        shuffle = torch.rand(p.shape, generator=draws).argsort(-1)
    else:
        shuffle = torch.arange(p.shape[-1]).expand(p.shape)
    by_remainder = (-remainder.gather(-1, shuffle)).argsort(dim=-1, stable=True)
    rank = torch.empty_like(shuffle)
    rank.scatter_(-1, shuffle.gather(-1, by_remainder), torch.arange(p.shape[-1]).expand(p.shape))
    chosen: Tensor = levels.long() + (rank < missing[..., None])
    return chosen


def _most_likely(p: Tensor, draws: torch.Generator | None) -> Tensor:
    """The quantiser at one bit, where it is the most likely class: (n, N) one-hot int64."""
    best = p == p.max(-1, keepdim=True).values
    winners = p.argmax(-1)
    tied = (best.sum(-1) > 1).nonzero()[:, 0]
    if draws is None:
        winners[tied] = best[tied].to(torch.uint8).argmax(-1)
    else:
        winners[tied] = (best[tied] * (torch.rand(len(tied), p.shape[-1], generator=draws) + 1)).argmax(-1)
    return torch.zeros(p.shape, dtype=torch.int64).scatter_(-1, winners[:, None], 1)


def grid_levels(labels: Tensor, bits: int) -> Tensor:
    """The levels of labels that lie on the grid: (n, N) float → int64."""
    levels: Tensor = (labels.to(torch.float64) * (2**bits - 1)).round().long()
    return levels


def from_levels(levels: Tensor, bits: int) -> Tensor:
    """The labels of levels: (n, N) int → float32."""
    labels: Tensor = levels.to(torch.float64) / (2**bits - 1)
    return labels.to(torch.float32)


def entropy_bits(counts: Tensor) -> float:
    """n · H in bits of a message of n = Σ counts symbols that come `counts`, (A,), times each: the Shannon bound of a
    code that treats them as independent draws."""
    known = counts[counts > 0].to(torch.float64)
    return max(0.0, float(-(known * (known / known.sum()).log2()).sum()))


def row_entropy_bits(rows: Tensor) -> float:
    """`entropy_bits` of a message whose symbols are whole rows, (n, N)."""
    return entropy_bits(torch.unique(rows, dim=0, return_counts=True)[1]) if len(rows) else 0.0
