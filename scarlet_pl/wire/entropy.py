"""Adaptive entropy coding: `constriction`'s range coder under categorical models that both sides learn.

A model is the counts of what was coded before, plus one. It is renewed after 16, 32, 64, … symbols, so that it
costs little where messages are short and nothing in time where they are long. The first bit says whether models
learn at all: symbols that mislead a model are coded as equally likely, so the length has a bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from scarlet_pl.errors import WireError
from scarlet_pl.wire.fields import Buffer

Symbols = NDArray[np.int32]
Categorical, Uniform = constriction.stream.model.Categorical, constriction.stream.model.Uniform
RangeDecoder, RangeEncoder = constriction.stream.queue.RangeDecoder, constriction.stream.queue.RangeEncoder

_FIRST, _MOST = 16, 8192


class SymbolWriter:
    """Codes symbols to bytes.

    Args:
        learns: whether models adapt; if not, every symbol costs the logarithm of its alphabet.
    """

    def __init__(self, learns: bool = True) -> None:
        self._coder, self._learns = RangeEncoder(), learns
        self.uniform(np.array([learns], np.int32), 2)

    def adaptive(self, symbols: Symbols, alphabet: int) -> None:
        """Symbols in [0, alphabet), under a model of their own that starts uniform."""
        if alphabet < 2 or not self._learns:
            return self.uniform(symbols, alphabet)
        counts = np.ones(alphabet)
        for start, stop in _blocks(len(symbols)):
            block = symbols[start:stop]
            self._coder.encode(block, Categorical(counts / counts.sum(), perfect=False))
            counts += np.bincount(block, minlength=alphabet)
        return None

    def uniform(self, symbols: Symbols, alphabet: int) -> None:
        """Symbols in [0, alphabet), all equally likely."""
        if alphabet > 1 and len(symbols):
            self._coder.encode(symbols, Uniform(alphabet))

    def bytes(self) -> bytes:
        """What was written: whole 32-bit words."""
        words: NDArray[np.uint32] = self._coder.get_compressed()
        return words.astype("<u4").tobytes()


class SymbolReader:
    """The inverse of `SymbolWriter`, called in the same order. Raises `WireError` on what no writer wrote."""

    def __init__(self, data: Buffer) -> None:
        if len(data) % 4:
            raise WireError(f"entropy-coded data of {len(data)} bytes are not whole words")
        self._coder = RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))
        self._learns = bool(self.uniform(1, 2)[0])

    def adaptive(self, count: int, alphabet: int) -> Symbols:
        """`count` symbols in [0, alphabet)."""
        if alphabet < 2 or not self._learns:
            return self.uniform(count, alphabet)
        found = np.zeros(count, np.int32)
        counts = np.ones(alphabet)
        for start, stop in _blocks(count):
            found[start:stop] = self._decode(Categorical(counts / counts.sum(), perfect=False), stop - start)
            counts += np.bincount(found[start:stop], minlength=alphabet)
        return found

    def uniform(self, count: int, alphabet: int) -> Symbols:
        """`count` symbols in [0, alphabet)."""
        return self._decode(Uniform(alphabet), count) if alphabet > 1 and count else np.zeros(count, np.int32)

    def close(self) -> None:
        """Raise `WireError` if more was written than was read."""
        if not self._coder.maybe_exhausted():
            raise WireError("entropy-coded data go on after their last symbol")

    def _decode(self, model: Any, count: int) -> Symbols:
        try:
            symbols: Symbols = self._coder.decode(model, count)
        except AssertionError as error:  # what constriction raises
            raise WireError(f"entropy-coded data: {error}") from error
        return symbols


def _blocks(count: int) -> Iterator[tuple[int, int]]:
    start, size = 0, _FIRST
    while start < count:
        yield start, min(start + size, count)
        start, size = start + size, min(2 * size, _MOST)
