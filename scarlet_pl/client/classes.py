"""Soft labels of classes: for a client, a class is its own samples of it."""

from __future__ import annotations

import torch
from torch import Tensor

from scarlet_pl.data import Batch
from scarlet_pl.functional.labels import SoftLabels


class ClassLabels:
    """The soft labels of some of the classes, and of samples by their class.

    Args:
        labels: by class.
    """

    def __init__(self, labels: SoftLabels) -> None:
        count = labels.labels.shape[1]
        self._known, self._table = torch.zeros(count, dtype=torch.bool), torch.zeros(count, count)
        self._known[labels.indices], self._table[labels.indices] = True, labels.labels

    def of(self, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Which samples have a label by their class, and which.

        Args:
            classes: (m,) of a client's samples.

        Returns:
            Rows (r,) of those whose class has a label, in order, and their labels (r, N).
        """
        rows = self._known[classes].nonzero()[:, 0]
        return rows, self._table[classes[rows]]

    def beside(self, batch: Batch, classes: Tensor) -> tuple[Batch, Tensor, float]:
        """What is distilled beside the private loss: the same samples, those whose class has a label first.

        Args:
            batch: B of the client's own samples.
            classes: (B,) theirs.

        Returns:
            The samples, the labels (R, N) of the first R, and R/B: samples without a label have a loss of 0.
        """
        rows, targets = self.of(classes.cpu())
        others = torch.ones(len(classes), dtype=torch.bool).index_fill_(0, rows, False).nonzero()[:, 0]
        order = torch.cat([rows, others]).to(classes.device)
        there = {name: value[order] for name, value in batch.items()}
        return there, targets.to(classes.device), len(rows) / len(classes)


def class_means(predictions: Tensor, classes: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """The mean prediction by class.

    Args:
        predictions: (m, N) of a client's samples.
        classes: (m,) theirs.
        wanted: (r,) classes.

    Returns:
        Those of the wanted classes of which there are samples, and their means (·, N), accumulated in float64.
    """
    count = predictions.shape[1]
    sums = torch.zeros(count, count, dtype=torch.float64).index_add_(0, classes, predictions.double())
    samples = torch.bincount(classes, minlength=count)
    there = wanted[samples[wanted] > 0]
    return there, (sums[there] / samples[there, None]).to(predictions.dtype)
