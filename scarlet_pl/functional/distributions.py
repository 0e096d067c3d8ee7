"""Positive numbers drawn from a distribution that is given by its mean and its relative spread."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal

Kind = Literal["constant", "uniform", "exponential", "lognormal"]


def quantile(kind: Kind, mean: float, spread: float, share: float) -> float:
    """The number below which a `share` of (0, 1) of the distribution lies.

    Args:
        spread: standard deviation over mean; an exponential distribution's is 1, whatever is said here.

    Examples:
        >>> quantile("uniform", 10.0, 0.1, 0.5), quantile("exponential", 2.0, 1.0, 0.5) == 2 * math.log(2)
        (10.0, True)
    """
    if kind == "constant":
        return mean
    if kind == "uniform":
        return mean * (1 + spread * math.sqrt(3) * (2 * share - 1))
    if kind == "exponential":
        return -mean * math.log1p(-share)
    variance = math.log1p(spread**2)  # of the logarithm
    return mean * math.exp(math.sqrt(variance) * NormalDist().inv_cdf(share) - variance / 2)
