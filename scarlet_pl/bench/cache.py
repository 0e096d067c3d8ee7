"""The cache on tensors against a loop over its entries."""

from __future__ import annotations

import torch

from scarlet_pl import rng
from scarlet_pl.bench.timing import race, report
from scarlet_pl.cache import CachePolicy, LabelStore, ServerCache, Signal

CLASSES, DURATION = 10, 3


def run() -> None:
    """Half of 10⁴, 10⁵ and 10⁶ public samples drawn in each of five rounds: signals, labels, update, one client."""
    for samples in (10_000, 100_000, 1_000_000):
        draws = torch.Generator().manual_seed(0)
        drawn = [torch.randperm(samples, generator=draws)[: samples // 2].sort().values for _ in range(5)]
        labels = torch.rand(samples // 2, CLASSES, generator=draws).softmax(-1)
        sides = {"entry by entry": lambda: _loop(drawn, labels), "tensors": lambda: _tensors(samples, drawn, labels)}  # noqa: B023
        report(f"{samples:,} public samples", race(sides, 1 if samples > 10**5 else 3), "tensors")


def _tensors(samples: int, drawn: list[torch.Tensor], labels: torch.Tensor) -> None:
    cache = ServerCache(CachePolicy(DURATION), LabelStore(samples, CLASSES))
    for round, draw in enumerate(drawn):
        signals = cache.policy.signals(cache.stored[draw], round, rng.generator(0, "cache", round))
        hit = signals == Signal.HIT
        used = labels.clone()
        used[hit] = cache.labels(draw[hit])
        cache.lacking(0, draw, signals)
        cache.apply(draw, signals, used, torch.full(draw.shape, round))
        cache.told(0, draw)


def _loop(drawn: list[torch.Tensor], labels: torch.Tensor) -> None:
    cache: dict[int, tuple[torch.Tensor, int]] = {}
    held: dict[int, int] = {}
    for round, draw in enumerate(drawn):
        for row, index in enumerate(draw.tolist()):
            entry = cache.get(index)
            if entry is not None and 1 <= round - entry[1] <= DURATION:
                if held.get(index) != entry[1]:
                    held[index] = entry[1]
            elif entry is not None:
                del cache[index]
                held.pop(index, None)
            else:
                cache[index] = (labels[row], round)
                held[index] = round
