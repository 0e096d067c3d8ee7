"""The longest messages that a round can have, where which labels will be reused is known only in a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl.cache import CachePolicy, ServerCache, Signal
from scarlet_pl.methods.parts.draws import DrawPolicy
from scarlet_pl.methods.population import Population


@dataclass(frozen=True)
class LongestDraw(DrawPolicy):
    """The draw whose indices take the most bytes: as many gaps of two bytes as fit, then of three, …

    A part of it, such as a request, takes no more than the whole, since a gap that two gaps merge into is never longer
    than both.
    """

    size: int

    def draw(self, population: Population, round: int, predict: Callable[[], Tensor] | None = None) -> Tensor:
        gaps, spare, before = torch.zeros(self.size, dtype=torch.int64), population.public_size - self.size, 0
        for longer in (1 << 7, 1 << 14, 1 << 21, 1 << 28):
            count = min(self.size, spare // (longer - before))
            gaps[:count] = longer
            spare, before = spare - count * (longer - before), longer
        return (gaps + 1).cumsum(0) - 1


@dataclass(frozen=True)
class LongestCachePolicy(CachePolicy):
    """Every label is requested, and all but one are sent as catch-up: with their indices, and in a code of their own.

    Args:
        duration: as of every policy; nothing is ever reused here.
    """

    duration: int | None = None

    def hits(self, stored: Tensor, round: int) -> Tensor:
        return torch.zeros(stored.shape, dtype=torch.bool)

    def signals(self, stored: Tensor, round: int, draws: torch.Generator, labels: Tensor | None = None) -> Tensor:
        signals = torch.full(stored.shape, int(Signal.HIT), dtype=torch.uint8)
        signals[: len(signals) > 1] = int(Signal.UNCACHED)
        return signals


class NobodysCache(ServerCache):
    """A server's cache that no client ever got anything of."""

    def lacking(self, client: int, draw: Tensor, signals: Tensor) -> Tensor:
        return draw[signals == Signal.HIT]
