"""Which public samples are like a client's own."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from scarlet_pl.client.outliers import Centroids, KuLSIF
from scarlet_pl.errors import ConfigError
from scarlet_pl.functional.density import kulsif


def points(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("auxiliary", "wanted"),
    [
        (points(0), [0.205880, 0.885590, 1.157336, 1.130761, 0.135669]),
        (points(-1, 0), [0.317444, 0.946645, 1.170416, 1.131818, 0.135670]),
    ],
)
def test_kulsif_by_hand(auxiliary: Tensor, wanted: list[float]) -> None:
    """Own samples 1 and 3, σ = 1, λ = 0.5."""
    ratio = kulsif(points(1, 3), auxiliary, 1, 0.5)
    assert torch.allclose(ratio(points(0, 1, 2, 3, 5)), torch.tensor(wanted).double(), atol=1e-5)
    assert ratio(torch.zeros(0, 1)).shape == (0,)


@pytest.mark.parametrize("selector", [KuLSIF(width=1.0), Centroids(2)])
def test_what_is_like_the_own_samples_is_labelled(selector: KuLSIF | Centroids) -> None:
    own = torch.randn(40, 3, generator=draws()) * 0.3 + 1
    public = torch.cat([torch.full((5, 3), 1.0), torch.full((5, 3), -4.0)])
    found = selector.inliers(own, public, draws())
    assert found.tolist() == [True] * 5 + [False] * 5
    assert torch.equal(found, selector.inliers(own, public, draws()))


@pytest.mark.parametrize("kind", [KuLSIF, Centroids])
def test_a_larger_quantile_labels_fewer(kind: type[KuLSIF] | type[Centroids]) -> None:
    own, public = torch.randn(30, 4, generator=draws()), torch.randn(200, 4, generator=draws().manual_seed(1))
    found = [kind(quantile=quantile).inliers(own, public, draws()) for quantile in (0.0, 0.25, 0.5, 0.9)]
    counts = [int(each.sum()) for each in found]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]
    for more, fewer in pairwise(found):
        assert bool((more | ~fewer).all())


@pytest.mark.parametrize("selector", [KuLSIF(), Centroids()])
def test_a_client_of_one_sample(selector: KuLSIF | Centroids) -> None:
    assert selector.inliers(torch.ones(1, 3), torch.zeros(4, 3), draws()).shape == (4,)


def test_images_are_far_from_noise_but_not_too_far_to_compare() -> None:
    """Over 32 × 32 × 3 values a kernel of width 5 is far below float32's least number."""
    own = torch.rand(20, 3072, generator=draws()) * 2 - 1
    public = torch.cat([own + 0.01, torch.rand(20, 3072, generator=draws().manual_seed(1)) * 2 - 1])
    found = KuLSIF(auxiliary=10).inliers(own, public, draws())
    assert int(found[:20].sum()) > int(found[20:].sum())


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: KuLSIF(width=0), "width"),
        (lambda: KuLSIF(quantile=1), "quantile"),
        (lambda: KuLSIF(share=0), "share"),
        (lambda: KuLSIF(auxiliary=0), "auxiliary"),
        (lambda: KuLSIF(ridge=0), "ridge"),
        (lambda: Centroids(0), "count"),
        (lambda: Centroids(quantile=-1), "quantile"),
        (lambda: Centroids(share=1), "share"),
    ],
)
def test_bad_settings(make: object, field: str) -> None:
    with pytest.raises(ConfigError, match=rf"method\.selector\.{field}: got"):
        make()  # type: ignore[operator]
