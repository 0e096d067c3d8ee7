"""FedProx: clients are held near the weights that they start a round from."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from scarlet_pl.data import Batch
from scarlet_pl.errors import require
from scarlet_pl.learning.learner import Learner


class FedProx(Learner):
    """A learner whose local training has the loss F(θ) + μ/2 ‖θ − θ_start‖², over the trainable parameters;
    θ_start is what local training starts from, after distillation where there is some.

    Source: Li et al., MLSys 2020, Federated Optimization in Heterogeneous Networks (arXiv 1812.06127). Its clients that
    do only a part of their epochs are not offered.

    Args:
        network: what learns.
        mu: μ, how strongly the weights are held; 0 is FedAvg.
        **settings: of `Learner`.
    """

    for_clients = True

    def __init__(self, network: nn.Module, mu: float = 0.1, **settings: Any) -> None:
        super().__init__(network, **settings)
        require(0 <= mu < math.inf, "learner.mu", mu, "a number >= 0")
        self.mu = mu
        self._start: list[Tensor] = []

    def on_train_start(self) -> None:
        self._start = [parameter.detach().clone() for parameter in self._trained()]

    def private_loss(self, batch: Batch, labels: Tensor) -> Tensor:
        loss = super().private_loss(batch, labels)
        if self.mu == 0:
            return loss
        pairs = zip(self._trained(), self._start, strict=True)
        moved = torch.stack([(now - then).square().sum() for now, then in pairs])
        return loss + self.mu / 2 * moved.sum()

    def _trained(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.network.parameters() if parameter.requires_grad]
