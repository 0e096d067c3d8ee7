"""Aggregation and losses against hand-worked examples and their laws."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scarlet_pl.errors import ConfigError
from scarlet_pl.functional.aggregation import enhanced_era, entropy, era, mean
from scarlet_pl.functional.losses import kl
from scarlet_pl.methods import ERA, EnhancedERA

P = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("beta", "expected"),
    [
        (0.5, (0.415446, 0.321803, 0.262751)),
        (1.5, (0.582160, 0.270564, 0.147276)),
        (2.0, (25 / 38, 9 / 38, 4 / 38)),
        (3.0, (0.78125, 0.16875, 0.05)),
    ],
)
def test_enhanced_era_worked_examples(beta: float, expected: tuple[float, ...]) -> None:
    assert enhanced_era(P, beta)[0].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        (0.1, (0.843795, 0.114195, 0.042010)),
        (0.05, (0.979629, 0.017943, 0.002428)),
        (0.5, (0.450627, 0.302064, 0.247309)),
        (1.0, (0.390694, 0.319873, 0.289433)),
    ],
)
def test_era_worked_examples(temperature: float, expected: tuple[float, ...]) -> None:
    assert era(P, temperature)[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_two_clients_worked_example() -> None:
    uploads = torch.tensor([[[0.8, 0.1, 0.1]], [[0.2, 0.6, 0.2]]], dtype=torch.float64)
    average = mean(uploads)
    assert average[0].tolist() == pytest.approx([0.5, 0.35, 0.15])
    assert EnhancedERA(2).sharpen(average)[0].tolist() == pytest.approx([0.632911, 0.310127, 0.056962], abs=1e-6)
    assert ERA(0.1).sharpen(average)[0].tolist() == pytest.approx([0.797876, 0.178030, 0.024094], abs=1e-6)


def test_entropy_worked_examples() -> None:
    assert float(entropy(P)) == pytest.approx(1.02965, abs=1e-5)
    assert float(entropy(enhanced_era(P, 2))) == pytest.approx(0.853584, abs=1e-6)


def test_the_ceiling_of_era() -> None:
    for classes, sharp, flat in ((10, 0.99959, 0.2320), (100, 0.99553, 0.0267), (200, 0.99105, 0.0135)):
        one_hot = torch.eye(classes, dtype=torch.float64)[:1]
        assert float(era(one_hot, 0.1).max()) == pytest.approx(sharp, abs=1e-5)
        assert float(era(one_hot, 1.0).max()) == pytest.approx(flat, abs=1e-4)


def test_a_uniform_row_survives_a_large_beta() -> None:
    assert torch.equal(enhanced_era(torch.full((1, 10), 0.1), 50), torch.full((1, 10), 0.1))


def test_zero_stays_zero_and_one_leaves_alone() -> None:
    row = torch.tensor([[0.0, 0.25, 0.75]])
    assert enhanced_era(row, 1) is row
    for beta in (0.3, 2.0, 50.0):
        assert float(enhanced_era(row, beta)[0, 0]) == 0


def test_no_rows() -> None:
    assert enhanced_era(torch.zeros(0, 10), 2).shape == (0, 10)
    assert mean(torch.zeros(3, 0, 10)).shape == (0, 10)


def rows(classes: int = 5) -> st.SearchStrategy[Tensor]:
    number = st.floats(0, 1, allow_nan=False, width=32)
    return (
        st.lists(st.lists(number, min_size=classes, max_size=classes), min_size=1, max_size=6)
        .map(lambda values: torch.tensor(values, dtype=torch.float32) + 1e-6)
        .map(lambda values: values / values.sum(-1, keepdim=True))
    )


@given(rows(), st.floats(0.05, 50))
def test_enhanced_era_laws(p: Tensor, beta: float) -> None:
    sharpened = enhanced_era(p, beta)
    assert torch.allclose(sharpened.sum(-1), torch.ones(len(p)), atol=1e-5)
    # the order of the classes stays; entropy falls for beta > 1 and rises for beta < 1
    order = p.argsort(-1)
    assert bool((sharpened.gather(-1, order).diff(dim=-1) >= -1e-6).all())
    change = entropy(sharpened) - entropy(p)
    assert bool((change <= 1e-4).all()) if beta >= 1 else bool((change >= -1e-4).all())


@given(rows(), st.floats(0.2, 3), st.floats(0.2, 3))
def test_enhanced_era_composes(p: Tensor, first: float, second: float) -> None:
    twice = enhanced_era(enhanced_era(p.double(), first), second)
    assert torch.allclose(twice, enhanced_era(p.double(), first * second), atol=1e-9)


@given(st.integers(1, 5), st.integers(0, 2**31))
def test_mean_laws(clients: int, seed: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    uploads = torch.rand(clients, 4, 3, generator=draws).softmax(-1)
    weights = torch.rand(clients, generator=draws) + 0.1
    by_hand = sum(weights[k] * uploads[k].double() for k in range(clients)) / weights.sum().double()
    assert torch.allclose(mean(uploads, weights).double(), by_hand, atol=1e-6)
    assert torch.allclose(mean(uploads, torch.ones(clients)), mean(uploads))


def test_distillation_loss_by_hand() -> None:
    logits, targets = torch.randn(4, 3, dtype=torch.float64), torch.rand(4, 3, dtype=torch.float64).softmax(-1)
    by_hand = (targets * (targets.log() - logits.softmax(-1).log())).sum() / 4
    assert torch.allclose(kl(logits, targets), by_hand)
    one_hot = torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0]]
    assert torch.allclose(kl(logits, one_hot), torch.nn.functional.cross_entropy(logits, one_hot))


@pytest.mark.parametrize("make", [lambda: EnhancedERA(0), lambda: EnhancedERA(-1), lambda: ERA(0)])
def test_bad_parameters(make: object) -> None:
    with pytest.raises(ConfigError, match=r"method\.aggregator\.\w+: got .*, allowed: a number > 0"):
        make()  # type: ignore[operator]
