"""Two codes for labels on the grid, rows of N levels that sum to m: class by class, given how much of m is left.

Where models learn, a level is coded as its distance to the nearer end of [0, left]: which end it is and how many
binary digits the distance has, under a model for each class and each number of digits of `left`; then the digits.

Where they do not, all C(m + N − 1, N − 1) points of the grid are equally likely (enumerative coding, Cover 1973). That
costs the logarithm of their number for every label, whatever it is, so it bounds the length.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from scarlet_pl.errors import WireError
from scarlet_pl.wire.entropy import SymbolCoder, Symbols

Levels = NDArray[np.int64]
Ways = tuple[NDArray[np.float64], NDArray[np.int32]]

_PRIOR, _FIRST = 0.1, 4
"""There are many models and each sees few symbols, so they learn fast."""


def code_levels(coder: SymbolCoder, levels: Levels, steps: int) -> Levels:
    """Levels (n, N) whose rows sum to `steps`, written or read: gives back what was coded.

    Raises:
        WireError: levels that cannot be.
    """
    coded, left = np.zeros_like(levels), np.full(len(levels), steps)
    classes = levels.shape[1]
    ways = _ways(steps, classes - 1)
    for column in range(classes - 1):
        rows = np.flatnonzero(left)
        known, rest = levels[rows, column], left[rows]
        if coder.learns:
            coded[rows, column] = _learnt(coder, known, rest, steps, classes - 1 - column)
        else:
            coded[rows, column] = _equally_likely(coder, known, rest, next(ways))
        left -= coded[:, column]
    coded[:, -1] = left
    return coded


def _learnt(coder: SymbolCoder, levels: Levels, left: Levels, steps: int, others: int) -> Levels:
    """The levels (n,) of a class, each in [0, left]; so many other classes are still to come.

    Where all of `steps` is left, the model is one of its own. On the grid, a level is 0 with probability
    others / (others + left), so a 0 starts `others` times as frequent as another symbol.
    """
    width, upper = _digits(left), levels > left // 2
    distance = np.where(upper, left - levels, levels)
    symbols = _digits(distance) + width * upper
    context = width + (left == steps)
    for each in np.unique(context):
        rows = np.flatnonzero(context == each)
        prior = np.full(2 * int(width[rows[0]]), _PRIOR)
        prior[0] *= others
        symbols[rows] = coder.adaptive(symbols[rows], len(prior), prior, _FIRST)
    upper = symbols >= width
    digits = symbols - width * upper
    first, last = (1 << digits) >> 1, np.minimum((1 << digits) - 1, (left - upper) // 2)
    if (last < first).any():
        raise WireError("labels: a level that cannot be")
    distance = first + coder.uniform((distance - first).astype(np.int32), (last - first + 1).astype(np.int32))
    return np.where(upper, left - distance, distance)


def _equally_likely(coder: SymbolCoder, levels: Levels, left: Levels, ways: Ways) -> Levels:
    """The levels (n,) of a class, each in [0, left], bisected: is it in the upper half of what it can still be?

    A level is `v` or more wherever the other classes hold fewer than left − v + 1.
    """
    low, high = np.zeros_like(left), left.copy()
    while len(rows := np.flatnonzero(low < high)):
        bottom, top, rest = low[rows], high[rows], left[rows]
        middle, whole = (bottom + top + 1) // 2, rest - bottom + 1
        beyond = _ratio(ways, rest - top, whole)
        chances = (_ratio(ways, rest - middle + 1, whole) - beyond) / (1 - beyond)
        above = coder.binary((levels[rows] >= middle).astype(np.int32), chances) == 1
        low[rows], high[rows] = np.where(above, middle, bottom), np.where(above, top, middle - 1)
    return low


def _ways(steps: int, others: int) -> Iterator[Ways]:
    """In how many ways k classes can hold fewer than x, for x = 0 … steps + 1: C(x + k − 1, k), for k = others … 1.

    Mantissas and exponents, for these numbers go up to 10^600. Made of IEEE products and quotients alone, so that
    both sides have the same to the bit.
    """
    x = np.arange(steps + 2)
    mantissa, exponent = np.frexp((x > 0).astype(np.float64))
    for k in range(1, others + 1):
        mantissa, more = np.frexp(mantissa * (x + k - 1) / k)
        exponent += more
    for k in range(others, 0, -1):
        yield mantissa, exponent
        mantissa, more = np.frexp(mantissa * k / np.maximum(x + k - 1, 1))
        exponent = exponent + more


def _ratio(ways: Ways, of: Levels, to: Levels) -> NDArray[np.float64]:
    mantissa, exponent = ways
    ratio: NDArray[np.float64] = np.ldexp(mantissa[of] / mantissa[to], exponent[of] - exponent[to])
    return ratio


def _digits(values: Levels) -> Symbols:
    """Binary digits: 0 → 0, 1 → 1, 2 and 3 → 2, 4 to 7 → 3, …"""
    return np.frexp(values.astype(np.float64))[1].astype(np.int32)
