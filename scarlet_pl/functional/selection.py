"""Active selection: which public samples a model finds worth labelling."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from scarlet_pl.functional.aggregation import entropy

Criterion = Literal["entropy", "certainty", "margin"]


def select(predictions: Tensor, size: int, criterion: Criterion) -> Tensor:
    """The `size` samples with the highest score, ascending: predictions (P, N) → (size,) int64.

    Scores: the entropy; minus the largest probability ("certainty"); the second largest minus the largest
    ("margin"). All three prefer what the model is unsure of. Source: CFD (arXiv 2012.00632), equations 7 to 9.
    """
    if criterion == "entropy":
        score = entropy(predictions)
    else:
        top = predictions.topk(2, -1).values
        score = -top[:, 0] if criterion == "certainty" else top[:, 1] - top[:, 0]
    return score.argsort(descending=True, stable=True)[:size].sort().values
