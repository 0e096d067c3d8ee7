"""A connection that breaks."""

from __future__ import annotations

import random
from collections.abc import Callable

from scarlet_pl.bench.proxy import Proxy


class BreakingProxy(Proxy):
    """Breaks connections, in either direction, after a number of bytes that is drawn for each.

    Args:
        mean: bytes that a connection lives for, on average.
    """

    def __init__(self, address: str, mean: float, seed: int) -> None:
        self._mean, self._random, self.broken = mean, random.Random(seed), 0
        super().__init__(address)

    def connection(self) -> Callable[[bytes], bool]:
        left = [self._random.expovariate(1 / self._mean)]

        def goes_on(chunk: bytes) -> bool:
            left[0] -= len(chunk)
            self.broken += left[0] < 0
            return left[0] >= 0

        return goes_on
