"""Losses and metrics, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from scarlet_pl.functional.losses import distillation, kl, l1_logits, l2, l2_logits, tempered
from scarlet_pl.learning import Accuracy

LOGITS, TARGETS = torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([[0.5, 0.3, 0.2]])


@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_losses_by_hand(shift: float) -> None:
    """Values computed in float64 elsewhere; a constant added to the logits changes none."""
    logits = LOGITS + shift
    assert float(kl(logits, TARGETS)) == pytest.approx(0.077953, abs=1e-6)
    assert float(l2(logits, TARGETS)) == pytest.approx(0.042453, abs=1e-6)
    assert float(l1_logits(logits, TARGETS)) == pytest.approx(0.372943, abs=1e-6)
    assert float(l2_logits(logits, TARGETS)) == pytest.approx(0.196354, abs=1e-6)


def test_logit_losses_take_labels_of_zero() -> None:
    assert math.isfinite(float(l2_logits(LOGITS, torch.tensor([[1.0, 0.0, 0.0]]))))


def test_temperature_and_hard_labels_by_hand() -> None:
    soft = [math.sqrt(0.5), math.sqrt(0.3), math.sqrt(0.2)]
    target = [each / sum(soft) for each in soft]
    assert tempered(TARGETS, 2.0)[0].tolist() == pytest.approx(target, abs=1e-6)
    z = [0.5, 0.0, -0.5]
    log_p = [each - math.log(sum(map(math.exp, z))) for each in z]
    by_hand = 4 * sum(t * (math.log(t) - q) for t, q in zip(target, log_p, strict=True))
    assert float(distillation(LOGITS, TARGETS, "kl", 2.0)) == pytest.approx(by_hand, abs=1e-6)
    hard = -1 + math.log(math.e + 1 + 1 / math.e)
    mixed = float(distillation(LOGITS, TARGETS, "kl", 2.0, 0.25))
    assert mixed == pytest.approx(0.75 * by_hand + 0.25 * hard, abs=1e-6)
    assert float(distillation(LOGITS, TARGETS)) == float(kl(LOGITS, TARGETS))


def test_accuracy_is_exact() -> None:
    metric = Accuracy(3)
    metric.update(torch.eye(3), torch.tensor([0, 1, 1]))
    assert float(metric.compute()) == 2 / 3
