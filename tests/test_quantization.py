"""Quantisation to levels on the simplex: worked examples, brute force, and ties that are drawn."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scarlet_pl.functional.quantization import constrained_quantize, from_levels

WORKED = {
    (0.5, 0.3, 0.2): {1: [1, 0, 0], 2: [1, 1, 1], 3: [4, 2, 1]},
    (0.62, 0.25, 0.13): {1: [1, 0, 0], 2: [2, 1, 0], 3: [4, 2, 1]},
    (0.4, 0.35, 0.25): {1: [1, 0, 0], 2: [1, 1, 1], 3: [3, 2, 2]},
    (0.1, 0.1, 0.8): {1: [0, 0, 1], 2: [0, 0, 3], 3: [1, 1, 5]},
    (0.28, 0.26, 0.24, 0.22): {1: [1, 0, 0, 0], 2: [1, 1, 1, 0], 3: [2, 2, 2, 1]},
}


@pytest.mark.parametrize("p", WORKED, ids=str)
def test_quantiser_worked_examples(p: tuple[float, ...]) -> None:
    """Worked by hand."""
    for bits, levels in WORKED[p].items():
        assert constrained_quantize(torch.tensor([p]), bits)[0].tolist() == levels


@pytest.mark.parametrize(("classes", "bits"), [(2, 1), (3, 1), (5, 1), (2, 3), (3, 2), (4, 2), (5, 2), (3, 3), (5, 3)])
def test_quantiser_is_the_nearest_point_by_brute_force(classes: int, bits: int) -> None:
    steps = 2**bits - 1
    grid = torch.tensor(
        [levels for levels in itertools.product(range(steps + 1), repeat=classes) if sum(levels) == steps]
    )
    p = torch.rand(150, classes, generator=torch.Generator().manual_seed(bits), dtype=torch.float64)
    p = p.pow(3) / p.pow(3).sum(1, keepdim=True)
    best = (p[:, None] - grid / steps).abs().sum(-1).min(1).values
    for draws in (None, torch.Generator().manual_seed(0)):
        found = constrained_quantize(p, bits, draws)
        assert torch.allclose((p - found / steps).abs().sum(-1), best, atol=1e-12)


@given(st.integers(1, 16), st.integers(1, 12), st.integers(0, 10_000))
def test_quantised_rows_stay_on_the_simplex(bits: int, classes: int, seed: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    p = torch.rand(5, classes, generator=draws).mul(9).softmax(-1)
    levels = constrained_quantize(p, bits, draws)
    steps = 2**bits - 1
    assert levels.sum(-1).tolist() == [steps] * 5
    assert int(levels.min()) >= 0
    assert float((from_levels(levels, bits) - p).abs().max()) <= 1 / steps + 1e-6
    assert torch.equal(constrained_quantize(from_levels(levels, bits), bits, draws), levels)


def test_ties_are_drawn_and_the_draw_is_seeded() -> None:
    uniform = torch.full((2000, 4), 0.25)
    found = constrained_quantize(uniform, 1, torch.Generator().manual_seed(0))
    assert torch.equal(found, constrained_quantize(uniform, 1, torch.Generator().manual_seed(0)))
    assert found.sum(0).tolist() == pytest.approx([500] * 4, rel=0.15)
