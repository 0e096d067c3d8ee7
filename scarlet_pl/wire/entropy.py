"""Adaptive entropy coding: `constriction`'s range coder under models that both sides learn.

A model is the counts of what was coded before, on top of a prior. It is renewed after 16, 32, 64, … symbols, so that
it costs little where messages are short and nothing in time where they are long. The first bit says whether models
learn at all: symbols that mislead a model are coded as equally likely, so the length has a bound.

Both directions are one class: a writer is given symbols and gives them back, a reader is given as many of any value
and gives back what was written. So the code of a message is one function of a `SymbolCoder`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from scarlet_pl.errors import WireError
from scarlet_pl.wire.fields import Buffer

Symbols = NDArray[np.int32]
Bernoulli, Categorical = constriction.stream.model.Bernoulli, constriction.stream.model.Categorical
Uniform = constriction.stream.model.Uniform
RangeDecoder, RangeEncoder = constriction.stream.queue.RangeDecoder, constriction.stream.queue.RangeEncoder

_FIRST, _MOST = 16, 8192


class SymbolCoder(ABC):
    """Codes symbols (n,) int32, and gives back what was coded."""

    learns: bool

    def adaptive(
        self, symbols: Symbols, alphabet: int, prior: NDArray[np.float64] | None = None, first: int = _FIRST
    ) -> Symbols:
        """Symbols in [0, alphabet), under a model of their own.

        Args:
            prior: (alphabet,) the counts that it starts from, all 1 when None. Smaller ones learn faster, and cost
                more where they are wrong.
            first: after so many symbols it is renewed for the first time.
        """
        if alphabet < 2 or not self.learns:
            return self.uniform(symbols, alphabet)
        coded, counts = np.zeros(len(symbols), np.int32), np.ones(alphabet) if prior is None else prior.copy()
        for start, stop in _blocks(len(symbols), first):
            model = Categorical(counts / counts.sum(), perfect=False)
            coded[start:stop] = self._code(symbols[start:stop], model)
            counts += np.bincount(coded[start:stop], minlength=alphabet)
        return coded

    def uniform(self, symbols: Symbols, sizes: int | Symbols) -> Symbols:
        """Symbols in [0, size), all equally likely, of one size or of a size each; those of size 1 take no bits."""
        sizes = np.broadcast_to(np.asarray(sizes, np.int32), symbols.shape)
        coded, several = np.zeros(len(symbols), np.int32), np.flatnonzero(sizes > 1)
        coded[several] = self._code(symbols[several], Uniform(), sizes[several])
        return coded

    def binary(self, symbols: Symbols, chances: NDArray[np.float64]) -> Symbols:
        """Symbols 0 and 1, each with its own chance of a 1."""
        return self._code(symbols, Bernoulli(perfect=False), chances)

    @abstractmethod
    def _code(self, symbols: Symbols, model: Any, *parameters: NDArray[Any]) -> Symbols:
        """Symbols under a model, or under a family of models with a parameter for each symbol."""


class SymbolWriter(SymbolCoder):
    """Codes symbols to bytes.

    Args:
        learns: whether models adapt; if not, every symbol costs the logarithm of its alphabet.
    """

    def __init__(self, learns: bool = True) -> None:
        self._coder, self.learns = RangeEncoder(), learns
        self.uniform(np.array([learns], np.int32), 2)

    def bytes(self) -> bytes:
        """What was written: whole 32-bit words."""
        words: NDArray[np.uint32] = self._coder.get_compressed()
        return words.astype("<u4").tobytes()

    def _code(self, symbols: Symbols, model: Any, *parameters: NDArray[Any]) -> Symbols:
        self._coder.encode(symbols, model, *parameters)
        return symbols


class SymbolReader(SymbolCoder):
    """The inverse of `SymbolWriter`, called in the same order. Raises `WireError` on what no writer wrote."""

    def __init__(self, data: Buffer) -> None:
        if len(data) % 4:
            raise WireError(f"entropy-coded data of {len(data)} bytes are not whole words")
        self._coder = RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))
        self.learns = bool(self.uniform(np.zeros(1, np.int32), 2)[0])

    def close(self) -> None:
        """Raise `WireError` if more was written than was read."""
        if not self._coder.maybe_exhausted():
            raise WireError("entropy-coded data go on after their last symbol")

    def _code(self, symbols: Symbols, model: Any, *parameters: NDArray[Any]) -> Symbols:
        try:
            coded: Symbols = self._coder.decode(model, *(parameters or (len(symbols),)))
        except AssertionError as error:  # what constriction raises
            raise WireError(f"entropy-coded data: {error}") from error
        return coded


def _blocks(count: int, first: int) -> Iterator[tuple[int, int]]:
    start, size = 0, first
    while start < count:
        yield start, min(start + size, count)
        start, size = start + size, min(2 * size, _MOST)
