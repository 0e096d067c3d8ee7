"""Shares of a number of things are those of the decimal number that was written."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from scarlet_pl.cache import RandomShare
from scarlet_pl.functional.aggregation import robust_mean
from scarlet_pl.functional.shares import whole


def test_by_hand() -> None:
    assert int(0.29 * 100) == 28  # what this is for
    assert (whole(0.29, 100), whole(0.57, 100), whole(1e-3, 2000), whole(1.0, 7), whole(0.5, 0)) == (29, 57, 2, 7, 0)


@given(st.integers(0, 1000), st.integers(0, 3000))
def test_thousandths(thousandths: int, count: int) -> None:
    assert whole(thousandths / 1000, count) == thousandths * count // 1000


def test_an_admitted_share_is_rounded_down_once() -> None:
    admitted = RandomShare(0.29).admits(torch.zeros(100, 2), 0, torch.Generator())
    assert int(admitted.sum()) == 29


def test_a_robust_mean_leaves_out_the_share_that_is_written() -> None:
    """21 % of 300 labels are far away, 63 of them: none is left."""
    labels = torch.tensor([[1.0, 0.0]] * 63 + [[0.2, 0.8]] * 237)[:, None]
    assert torch.allclose(robust_mean(labels, 0.21), torch.tensor([[0.2, 0.8]]))
