"""The learner: how a network learns, predicts and is tested."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import Metric

from scarlet_pl.data import Batch
from scarlet_pl.errors import ConfigError, require, where
from scarlet_pl.functional.losses import DISTANCES, Distance, distillation
from scarlet_pl.learning.metrics import Accuracy
from scarlet_pl.learning.optim import OptimizerCallable, make_optimizer
from scarlet_pl.models import logits

_TAKEN = ("accuracy", "loss", "distill_loss", "train_loss")
"""What is recorded under these names is our own."""


class Learner(LightningModule):
    """How a network learns, predicts and is tested. Each client has one and so has the server; a user's own is a
    subclass, given as `client.learner` or `server.learner`.

    The defaults are the losses of SCARLET (arXiv 2504.19602): cross-entropy on private samples, KL divergence from
    soft labels on public ones.

    Args:
        network: what learns; its parameters are given to the optimizer, and it is what is averaged and saved.
        distance: between the network and soft labels: "kl", "l2", "l1_logits" or "l2_logits".
        temperature: T at which soft labels are distilled.
        hard_share: share of the cross-entropy with the soft labels' likeliest classes in the distillation loss, in
            [0, 1].
        extra_metrics: further metrics by name, beside the accuracy; they are given logits (B, N) and classes (B,).
    """

    for_clients = False
    """Whether it is another learner in local training alone, which a server has none of."""

    def __init__(
        self,
        network: nn.Module,
        distance: Distance = "kl",
        temperature: float = 1.0,
        hard_share: float = 0.0,
        extra_metrics: dict[str, Metric] | None = None,
    ) -> None:
        super().__init__()
        require(distance in DISTANCES, "learner.distance", distance, ", ".join(DISTANCES))
        require(temperature > 0, "learner.temperature", temperature, "a number > 0")
        require(0 <= hard_share <= 1, "learner.hard_share", hard_share, "a number in [0, 1]")
        self.network = network
        self.distance, self.temperature, self.hard_share = distance, temperature, hard_share
        self._extra_metrics = dict(extra_metrics or {})
        for name in self._extra_metrics:
            ok = name not in _TAKEN and "/" not in name
            require(ok, "learner.extra_metrics", name, f"names without a slash, and none of {', '.join(_TAKEN)}")

    def forward(self, batch: Batch) -> Tensor:
        """(B, N) logits."""
        return logits(self.network, batch)

    def soft_labels(self, batch: Batch) -> Tensor:
        """(B, N) float32 distributions, what is predicted of public samples: not by a softmax of less precision, whose
        rows do not sum to 1."""
        found = self(batch)
        labels: Tensor = found.softmax(-1, dtype=torch.promote_types(found.dtype, torch.float32))
        return labels.float()

    def on_train_start(self) -> None:
        """Before the local training of a round, with the weights that it starts from."""

    def private_loss(self, batch: Batch, labels: Tensor) -> Tensor:
        """Loss of a step of local training: samples and their classes (B,) → scalar."""
        return F.cross_entropy(self(batch), labels)

    def distillation_loss(self, batch: Batch, labels: Tensor) -> Tensor:
        """Loss of a step of distillation → scalar.

        Args:
            labels: (R, N) soft labels of the first R samples of the batch. Others are there for batch normalisation
                alone, where a batch is shared by several processes.
        """
        found = self(batch)[: len(labels)]
        return distillation(found, labels, self.distance, self.temperature, self.hard_share)

    def optimizer(self, make: OptimizerCallable, field: str) -> Optimizer:
        """A new optimizer of the network; override it for groups of parameters.

        Args:
            make: as configured under `field`.

        Raises:
            ConfigError: it takes no such arguments.
        """
        return make_optimizer(make, self.network.parameters(), field)

    def metrics(self, classes: int) -> dict[str, Metric]:
        """New metrics of test samples by name; "accuracy" is always there."""
        return {"accuracy": Accuracy(classes), **deepcopy(self._extra_metrics)}


LearnerCallable = Callable[[nn.Module], Learner]
"""A learner as the configuration gives it: a function of the network."""


def make_learner(make: LearnerCallable, network: nn.Module, field: str) -> Learner:
    """A learner of the network, as configured under `field`; raises `ConfigError`."""
    try:
        made = make(network)
    except ConfigError as error:
        name = error.field.removeprefix("client.").removeprefix("server.").removeprefix("learner")
        raise ConfigError(f"{field}{name}", error.value, error.allowed) from error
    except Exception as error:  # whatever a user's constructor raises
        raise ConfigError(field, str(make), f"a learner of the network ({where(error)})") from error
    kind = type(made).__name__
    require(isinstance(made, Learner), field, kind, "a class of scarlet_pl.learning.Learner")
    inside = all(name.startswith("network.") for name in made.state_dict())
    require(inside, field, kind, "a learner whose parameters and buffers are all in its network, which is what is kept")
    return made
