"""Density ratios: how likely a sample is under a client's data, against noise."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_BLOCK = 1000


def kulsif(own: Tensor, auxiliary: Tensor, width: float, ridge: float) -> Callable[[Tensor], Tensor]:
    """Kernel unconstrained least-squares importance fitting: the ratio r of the density of `own` to that of
    `auxiliary`.

    With k(a, b) = exp(−‖a − b‖² / 2σ²): (K11/n + λI) α = −(1/(n m λ)) K12·1, and
    r(v) = Σ_i α_i k(v, x_i) + (1/(m λ)) Σ_j k(v, y_j). Source: Kanamori, Suzuki, Sugiyama (Machine Learning 86, 2012),
    as Selective-FD uses it (arXiv 2304.01731). In float64: over images k goes far below float32's least number.

    Args:
        own: (m, d), y.
        auxiliary: (n, d), x.
        width: σ > 0.
        ridge: λ > 0.

    Returns:
        A function from (P, d) to (P,) float64.
    """
    own, auxiliary = own.to(torch.float64), auxiliary.to(torch.float64)
    size, reference = len(own), len(auxiliary)
    system = _kernel(auxiliary, auxiliary, width) / reference + ridge * torch.eye(reference, dtype=torch.float64)
    alpha = torch.linalg.solve(system, -_kernel(auxiliary, own, width).sum(1) / (reference * size * ridge))

    def ratio(samples: Tensor) -> Tensor:
        blocks = [
            _kernel(block, auxiliary, width) @ alpha + _kernel(block, own, width).sum(1) / (size * ridge)
            for block in samples.to(torch.float64).split(_BLOCK)
        ]
        return torch.cat([torch.zeros(0, dtype=torch.float64), *blocks])

    return ratio


def _kernel(a: Tensor, b: Tensor, width: float) -> Tensor:
    """(p, d) and (q, d) → (p, q)."""
    return torch.exp(-torch.cdist(a, b).square() / (2 * width**2))
