"""Soft labels of public samples."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class SoftLabels:
    """Soft labels (n, N) of the public samples at `indices` (n,)."""

    indices: Tensor
    labels: Tensor
