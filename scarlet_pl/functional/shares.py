"""Shares of a number of things."""

from __future__ import annotations

from fractions import Fraction


def whole(share: float, count: int) -> int:
    """⌊share · count⌋ of the share as it is written: in floating point 0.29 · 100 is less than 29."""
    return int(Fraction(str(share)) * count)
