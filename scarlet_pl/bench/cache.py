"""The cache on tensors against a loop over its entries."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.bench.timing import race, report
from scarlet_pl.cache import CachePolicy, ServerCache, Signal

CLASSES, DURATION, ROUNDS = 10, 3, 5


def run() -> None:
    """Half of 10⁴, 10⁵ and 10⁶ public samples drawn in each of five rounds: what each sample's signal is, the labels
    that the server distils, what a client lacks, and the new cache. Both sides give the same."""
    for samples in (10_000, 100_000, 1_000_000):
        draws = torch.Generator().manual_seed(0)
        drawn = [torch.randperm(samples, generator=draws)[: samples // 2].sort().values for _ in range(ROUNDS)]
        fresh = [torch.rand(samples // 2, CLASSES, generator=draws).softmax(-1) for _ in range(ROUNDS)]
        for ours, naive in zip(_tensors(samples, drawn, fresh), _loop(drawn, fresh), strict=True):
            if not all(map(torch.equal, ours, naive)):
                raise AssertionError("the two sides disagree")
        sides = {
            "entry by entry": lambda: deque(_loop(drawn, fresh), 0),  # noqa: B023
            "tensors": lambda: deque(_tensors(samples, drawn, fresh), 0),  # noqa: B023
        }
        report(f"{samples:,} public samples", race(sides, 1 if samples > 10**5 else 3), "tensors")


def _tensors(samples: int, drawn: list[Tensor], fresh: list[Tensor]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    cache = ServerCache(CachePolicy(DURATION), samples, CLASSES)
    for round, (draw, new) in enumerate(zip(drawn, fresh, strict=True)):
        signals = cache.policy.signals(cache.stored.index_select(0, draw), round, rng.generator(0, "cache", round))
        hit = signals == Signal.HIT
        used = cache.complete(draw, hit, new[: int((~hit).sum())])
        lacking = cache.lacking(0, draw, signals)
        cache.apply(draw, signals, used, round)
        cache.mark_sent(0, draw)
        yield signals, used, lacking


def _loop(drawn: list[Tensor], fresh: list[Tensor]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """As straightforward code does it: a dictionary of the tensors' rows."""
    cache: dict[int, tuple[Tensor, int]] = {}
    held: dict[int, int] = {}
    for round, (draw, new) in enumerate(zip(drawn, fresh, strict=True)):
        signals, used, lacking, asked = [], [], [], iter(new)
        for index in draw.tolist():
            entry = cache.get(index)
            if entry is None:
                signals.append(int(Signal.NEW))
                used.append(next(asked))
                cache[index] = (used[-1], round)
                held[index] = round
            elif 1 <= round - entry[1] <= DURATION:
                signals.append(int(Signal.HIT))
                used.append(entry[0])
                if held.get(index) != entry[1]:
                    lacking.append(index)
                held[index] = entry[1]
            else:
                signals.append(int(Signal.EXPIRED))
                used.append(next(asked))
                del cache[index]
                held.pop(index, None)
        yield torch.tensor(signals, dtype=torch.uint8), torch.stack(used), torch.tensor(lacking).long()
