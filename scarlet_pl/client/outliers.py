"""Selectors of the literature: a client labels what is like its own data."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl.client.selectors import ClientSelector
from scarlet_pl.errors import require
from scarlet_pl.functional.clusters import k_means
from scarlet_pl.functional.density import kulsif
from scarlet_pl.functional.shares import whole


@dataclass(frozen=True)
class KuLSIF(ClientSelector):
    """The clients' selector of Selective-FD: a public sample is labelled if the density of the client's own samples
    there, against that of uniform noise over the public samples' range, is above a quantile of what it is at own
    samples that were held out.

    On images of 28 × 28 and more the noise is so far from everything that only the distance to the client's own
    samples counts. Source:
    Shao, Wu, Zhang, Nature Communications 15, 349 (2024), arXiv 2304.01731. The authors' code multiplies by a matrix
    where the method has its inverse; this is the method.

    Args:
        width: σ of the kernel, in units of the network's input.
        quantile: of the held-out samples; the larger, the fewer are labelled.
        share: of the client's samples from which the density is estimated; the others are held out.
        auxiliary: number of noise samples.
        ridge: λ; 1/√auxiliary if null.
    """

    width: float = 5.0
    quantile: float = 0.25
    share: float = 0.5
    auxiliary: int = 250
    ridge: float | None = None

    def __post_init__(self) -> None:
        _check_quantile(self.quantile)
        _check_share(self.share)
        require(0 < self.width < math.inf, "method.selector.width", self.width, "a number > 0")
        require(self.auxiliary >= 1, "method.selector.auxiliary", self.auxiliary, "an integer >= 1")
        ok = self.ridge is None or 0 < self.ridge < math.inf
        require(ok, "method.selector.ridge", self.ridge, "a number > 0, or null")

    def inliers(self, own: Tensor, public: Tensor, draws: torch.Generator) -> Tensor:
        used, held = _halves(own, self.share, draws)
        low, high = public.min(), public.max()
        noise = low + (high - low) * torch.rand(self.auxiliary, own.shape[1], generator=draws)
        ratio = kulsif(used, noise, self.width, self.ridge or self.auxiliary**-0.5)
        return ratio(public) > ratio(held).quantile(self.quantile)


@dataclass(frozen=True)
class Centroids(ClientSelector):
    """The clients' selector of EdgeFD: a public sample is labelled if it is no farther from the nearest centroid of
    the client's own samples than most of its held-out samples are.

    Source: EdgeFD (arXiv 2508.14769) for k-means and distances; the rule for the bound is ours.

    Args:
        count: centroids of a client, found by k-means.
        quantile: share of held-out samples that are farther; the larger, the fewer are labelled.
        share: of the client's samples in which centroids are found; the others are held out.
    """

    count: int = 10
    quantile: float = 0.25
    share: float = 0.5

    def __post_init__(self) -> None:
        _check_quantile(self.quantile)
        _check_share(self.share)
        require(self.count >= 1, "method.selector.count", self.count, "an integer >= 1")

    def inliers(self, own: Tensor, public: Tensor, draws: torch.Generator) -> Tensor:
        used, held = _halves(own, self.share, draws)
        (centroids,), _ = k_means(used[None], self.count)
        near, bound = (torch.cdist(each.double(), centroids).min(1).values for each in (public, held))
        return near <= bound.quantile(1 - self.quantile)


def _halves(own: Tensor, share: float, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """A client's samples in two parts at random, none of them empty: a single sample is in both."""
    shuffled = own[torch.randperm(len(own), generator=draws)]
    cut = min(max(1, whole(share, len(own))), max(1, len(own) - 1))
    return shuffled[:cut], shuffled[cut:] if cut < len(own) else shuffled


def _check_quantile(quantile: float) -> None:
    require(0 <= quantile < 1, "method.selector.quantile", quantile, "a number in [0, 1)")


def _check_share(share: float) -> None:
    require(0 < share < 1, "method.selector.share", share, "a number in (0, 1)")
