"""The LightningModule of a client."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from scarlet_pl.client.task import ClientConfig, Stage
from scarlet_pl.functional.losses import distillation_loss
from scarlet_pl.models import make_optimizer


class ClientModule(LightningModule):
    """The LightningModule of a client. It is run by a light loop of its own: a nested `Trainer.fit` costs 5 ms."""

    def __init__(self, network: nn.Module, config: ClientConfig) -> None:
        super().__init__()
        self.network, self.config = network, config

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) normalised images → (B, N) float32 logits."""
        if self.config.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        if self.config.precision == "32-true":
            logits: Tensor = self.network(images)
            return logits
        with torch.autocast(images.device.type, torch.bfloat16):
            logits = self.network(images)
        return logits.float()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Cross-entropy on private (images, classes)."""
        return F.cross_entropy(self(batch[0]), batch[1])

    def distillation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """KL divergence from public (images, soft labels)."""
        return distillation_loss(self(batch[0]), batch[1])

    def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Images → (B, N) soft labels."""
        labels: Tensor = self(batch).softmax(-1)
        return labels

    def configure_optimizers(self) -> Optimizer:
        """The optimizer of local training."""
        return self.optimizer("train")

    def optimizer(self, stage: Stage) -> Optimizer:
        """A new optimizer of local training or of distillation; raises `ConfigError`."""
        if stage == "distill" and self.config.distillation_optimizer is not None:
            return make_optimizer(
                self.config.distillation_optimizer, self.parameters(), "client.distillation_optimizer"
            )
        return make_optimizer(self.config.optimizer, self.parameters(), "client.optimizer")
