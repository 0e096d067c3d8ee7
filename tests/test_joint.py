"""Distillation in the steps of local training."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from scarlet_pl.client import ClientConfig, ClientRunner, ClientTask
from scarlet_pl.data import Batch
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.learning import Learner

from .conftest import tiny_data


class Pair(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))

    def forward(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), 3) + self.weight.sum() * 0


class Linear(Learner):
    """Losses whose gradients are known: private (.2, −.4), of distillation (.1, .3)."""

    def private_loss(self, batch: Batch, labels: Tensor) -> Tensor:
        return 0.2 * self.network.weight[0] - 0.4 * self.network.weight[1]  # type: ignore[index]

    def distillation_loss(self, batch: Batch, labels: Tensor) -> Tensor:
        return 0.1 * self.network.weight[0] + 0.3 * self.network.weight[1]  # type: ignore[index]


def run(**settings: Any) -> Tensor:
    """Weights after a round of one batch each."""
    config = ClientConfig(
        models="tests.test_joint.Pair",
        learner=Linear,
        optimizer=partial(SGD, lr=1.0),
        epochs=1,
        distillation_epochs=1,
        **settings,
    )
    labels = SoftLabels(torch.arange(4), torch.full((4, 3), 1 / 3))
    result = ClientRunner(config, tiny_data(clients=1), 0).run(ClientTask(0, 0, distill=labels, train=True), None)
    assert result.steps == (2 if settings.get("joint_weight") is None else 1)
    return result.state["weight"]


@pytest.mark.parametrize(("weight", "moved"), [(0.5, [-0.25, 0.25]), (1.0, [-0.3, 0.1]), (None, [-0.3, 0.1])])
def test_by_hand(weight: float | None, moved: list[float]) -> None:
    assert torch.allclose(run(joint_weight=weight), torch.tensor(moved))


def test_the_clipped_gradient_is_that_of_both() -> None:
    assert torch.allclose(run(joint_weight=0.5, gradient_clip_val=0.25).norm(), torch.tensor(0.25), atol=1e-5)
    assert torch.allclose(run(gradient_clip_val=10.0), torch.tensor([-0.3, 0.1]))


def test_without_labels_it_is_local_training() -> None:
    config = ClientConfig(models="mlp", epochs=1, batch_size=4)
    task = ClientTask(0, 0, train=True)
    plain = ClientRunner(config, tiny_data(), 0).run(task, None)
    joint = ClientRunner(ClientConfig(models="mlp", epochs=1, batch_size=4, joint_weight=2.0), tiny_data(), 0)
    found = joint.run(task, None)
    assert found.distill_loss is None
    assert all(torch.equal(found.state[name], plain.state[name]) for name in plain.state)
