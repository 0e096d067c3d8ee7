"""Soft labels of public samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SoftLabels:
    """Soft labels (n, N) of the public samples at `indices` (n,)."""

    indices: Tensor
    labels: Tensor

    def filled(self, size: int) -> SoftLabels | None:
        """`size` labels, some more than once where there are fewer, so that a round in which samples were left without
        a label keeps its number of steps; None where there are none."""
        count = len(self.indices)
        if count in (0, size):
            return self if size == count else None
        places = torch.arange(size) % count
        return SoftLabels(self.indices[places], self.labels[places])
