"""Filters: what soft labels go through before they are coded, the parts behind `method.uplink_filters` and
`method.downlink_filters`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl.errors import require
from scarlet_pl.functional import aggregation, simplex
from scarlet_pl.functional.labels import SoftLabels

Memory = Mapping[str, Tensor]
"""What a filter keeps from round to round, by names of its own."""


class Filter(ABC):
    """Changes the labels that a client uploads, or that the server sends, before they are coded."""

    private = False
    """Whether it promises how little uploads tell of a client's data."""
    zeros = False
    """Whether it makes probabilities 0."""

    @abstractmethod
    def __call__(self, labels: SoftLabels, draws: torch.Generator, memory: Memory) -> tuple[Tensor, Memory]:
        """Labels as they are sent, and the memory afterwards.

        Args:
            labels: of n public samples; `labels.labels` are (n, N) float32 distributions.
            draws: of this round and of this client, or the server: the only source of randomness.
            memory: of this filter at this client, or at the server, as of the last round whose labels were used;
                empty before the first.

        Returns:
            (n, N) float32 distributions, and tensors by name.
        """

    def metrics(self, asked: Tensor) -> dict[str, float | None]:
        """Numbers for rounds.csv, of a filter of uploads; the same names in every round.

        Args:
            asked: (clients,) int64, how many labels each client has been asked for so far, sent or not.
        """
        return {}


def apply(
    filters: Sequence[Filter], labels: SoftLabels, draws: torch.Generator, memories: Sequence[Memory]
) -> tuple[Tensor, list[Memory]]:
    """What labels become that go through all filters in turn, and the filters' memories.

    Args:
        memories: one for each filter, or none at all; they stay as they are.

    Raises:
        ValueError: a filter makes of them what is no label; names it.
    """
    after = list[Memory]()
    for filter, memory in zip(filters, memories or [{}] * len(filters), strict=True):
        made, kept = filter(labels, draws, _copy(memory))
        _check(type(filter).__name__, made, labels.labels, kept)
        labels = SoftLabels(labels.indices, made)
        after.append(_copy(kept))
    return labels.labels, after


def copied(memories: Sequence[Memory] | None) -> list[Memory]:
    """The same content elsewhere."""
    return [_copy(memory) for memory in memories or []]


def _copy(memory: Memory) -> Memory:
    return {name: value.clone() for name, value in memory.items()}


def _check(name: str, made: Tensor, before: Tensor, kept: Memory) -> None:
    if not all(isinstance(value, Tensor) for value in kept.values()):
        raise ValueError(f"filter {name} keeps what is no tensor")
    wrong = f"shape {tuple(made.shape)} for {tuple(before.shape)}" if made.shape != before.shape else ""
    wrong = wrong or (f"type {made.dtype} for {before.dtype}" if made.dtype != before.dtype else "")
    wrong = wrong or simplex.not_distributions(made)
    if wrong:
        raise ValueError(f"filter {name} made labels that are none: {wrong}")


@dataclass(frozen=True)
class Temperature(Filter):
    """p^(1/t) / Σ p^(1/t), which is softmax(log p / t).

    Args:
        temperature: t; above 1 labels become flatter, below 1 sharper.
    """

    temperature: float = 2.0

    def __post_init__(self) -> None:
        ok = 0 < self.temperature < math.inf
        require(ok, "Temperature.temperature", self.temperature, "a number > 0")

    def __call__(self, labels: SoftLabels, draws: torch.Generator, memory: Memory) -> tuple[Tensor, Memory]:
        return aggregation.enhanced_era(labels.labels, 1 / self.temperature), memory


@dataclass(frozen=True)
class TopK(Filter):
    """The k largest probabilities of a label, scaled to sum to 1; the others become 0.

    Args:
        count: k.
    """

    count: int = 3

    zeros = True

    def __post_init__(self) -> None:
        require(self.count >= 1, "TopK.count", self.count, "an integer >= 1")

    def __call__(self, labels: SoftLabels, draws: torch.Generator, memory: Memory) -> tuple[Tensor, Memory]:
        return simplex.largest(labels.labels, self.count), memory
