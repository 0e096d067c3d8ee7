"""Metrics that torchmetrics has, to the last digit."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torchmetrics import Metric
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


def of_one_process(metrics: Mapping[str, Metric]) -> Mapping[str, Metric]:
    """The same metrics, now of this process's samples alone: torchmetrics' own are of all ranks' samples together, and
    each rank tests other clients."""
    for metric in metrics.values():
        for part in metric.modules():  # a metric may hold others
            if isinstance(part, Metric):
                part.distributed_available_fn = _alone
    return metrics


def _alone() -> bool:
    return False
