"""Metrics that torchmetrics has, to the last digit."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy


class Accuracy(MulticlassAccuracy):
    """Share of samples whose likeliest class is theirs, in float64: torchmetrics' own is in float32.

    Args:
        num_classes: N.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average="micro")

    def compute(self) -> Tensor:
        """Scalar float64."""
        right, wrong = torch.as_tensor(self.tp).sum(), torch.as_tensor(self.fn).sum()
        return right.double() / (right + wrong)
