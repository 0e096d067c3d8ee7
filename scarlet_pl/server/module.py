"""The server: a LightningModule whose training epoch is the distillation of one communication round."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader
from torchmetrics import MetricCollection

from scarlet_pl import rng
from scarlet_pl.data import FORWARD_BATCH, Batch, FederatedData, RoundBatches, SampleBatches
from scarlet_pl.errors import ConfigError, NonFiniteError, require, where
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.learning import Learner, OptimizerCallable, RoundSchedule, make_learner, make_scheduler, try_metrics
from scarlet_pl.models import build, check
from scarlet_pl.server.averaging import StepAverage
from scarlet_pl.server.config import ServerConfig, ServerWork, Stateful


class ServerModule(LightningModule):
    """Distils the clients' aggregated soft labels into the server's network.

    Args:
        config: model, optimizer, epochs, batch size.
        data: the samples, and the form and number of classes that the network must fit.
        work: what it trains on, as the method says.
        seed: of the network's first weights, of shuffling and of augmentation.

    Attributes:
        saved_with: what travels in the module's checkpoints, by name.
        measured: of this round's model on the test set, in float64 where the metric is; empty until it is tested.
    """

    def __init__(self, config: ServerConfig, data: FederatedData, work: ServerWork, seed: int = 0) -> None:
        super().__init__()
        self.config, self.seed, self.work = config, seed, work
        self.saved_with: dict[str, Stateful] = {}
        with rng.seeded(seed, "init"):
            network = build(config.model, "server.model", data.network_facts)
        check(network, config.model, "server.model", data.blank, data.num_classes)
        self.learner = make_learner(config.learner, network, "server.learner")
        name = type(self.learner).__name__
        require(not self.learner.for_clients, "server.learner", name, "a learner that is not for clients alone")
        try_metrics(self.learner, data.num_classes, "server.learner")
        self.configure_optimizers()  # raises now what is wrong with it
        self.check_rounds(2)
        self._transform, self._public = data.transform, data.public
        self._pool = data.train.select(data.train_shards.rows) if work.pool == "private" else data.public
        self._targets = torch.zeros(len(self._pool), data.num_classes)
        self._round, self._batches, self._augment = 0, self._make_batches(), torch.Generator()
        self._loss, self._steps, self.measured, self._idle = torch.zeros(()), 0, dict[str, float](), False
        first, steps = config.average_from, 0 if work.pool == "nothing" else len(self._batches)
        self._average = None if first is None else StepAverage(first, config.average_every, steps)
        self._tested = torch.zeros(2, dtype=torch.float64)  # sum of losses, number of samples
        self.metrics = MetricCollection(dict(self.learner.metrics(data.num_classes)), compute_groups=False)

    def check_rounds(self, rounds: int) -> None:
        """Raise `ConfigError` if the learning rates are not for so many rounds."""
        if self.config.lr_scheduler is not None and self.work.pool != "nothing":
            make, optimizer = self.config.lr_scheduler, partial(_optimizer, make=self.config.optimizer)
            RoundSchedule(make, optimizer, self.learner, "server.lr_scheduler").check(rounds)

    @property
    def network(self) -> nn.Module:
        """What learns."""
        return self.learner.network

    def start_round(self, round: int, targets: SoftLabels | None, weights: Mapping[str, Tensor] | None) -> None:
        """What the next epoch distils, and the weights it starts from if they are not its own."""
        self._round, self.measured, self._idle = round, {}, targets is None
        if weights is not None:
            self.network.load_state_dict(weights)
        if targets is not None:
            self._targets = self._targets.to(self.device)
            self._targets[targets.indices] = targets.labels.to(self.device)
            self._batches.set_draw(round, targets.indices)
            if not self.config.keep_optimizer:
                for optimizer in self.trainer.optimizers:
                    optimizer.state.clear()

    def forward(self, batch: Batch) -> Tensor:
        """Samples as they lie in memory → (B, N) logits."""
        logits: Tensor = self.learner(self._input(batch))
        return logits

    def predict_public(self, indices: Tensor) -> Tensor:
        """Soft labels (n, N) of public samples without augmentation, in evaluation mode: rank 0's, since processors
        that differ round differently."""
        training = self.training
        self.eval()
        with torch.no_grad():
            blocks = [
                self.learner.soft_labels(self._input(self._there(self._public.batch(rows))))
                for rows in indices.split(FORWARD_BATCH)
                if len(rows)
            ]
        self.train(training)
        labels = torch.cat([torch.zeros(0, self._targets.shape[1], device=self.device), *blocks])
        if torch.distributed.is_initialized():
            torch.distributed.broadcast(labels, 0)
        return labels.cpu()

    def synchronize(self) -> None:
        """Take over rank 0's buffers: each rank's batch normalisation has seen batches of its own."""
        if torch.distributed.is_initialized():
            for buffer in self.network.buffers():
                torch.distributed.broadcast(buffer, 0)

    def weights(self) -> dict[str, Tensor]:
        """A copy of the network's parameters and buffers, as float32 whatever the server computes with."""
        copy = {key: value.detach().to("cpu", copy=True) for key, value in self.network.state_dict().items()}
        return {key: value.float() if value.is_floating_point() else value for key, value in copy.items()}

    @property
    def learnt(self) -> bool:
        """Whether the server took a step in this round."""
        return self._steps > 0

    def training_loader(self) -> DataLoader[tuple[Batch, Tensor]]:
        """Batches of (samples, rows) for an epoch, the part of this rank."""
        self._batches = self._make_batches(self.trainer.global_rank, self.trainer.world_size)
        # the loader draws a seed from the global generator unless it has one of its own
        generator = torch.Generator().manual_seed(0)
        return DataLoader(SampleBatches(self._pool), batch_size=None, sampler=self._batches, generator=generator)

    def configure_optimizers(self) -> Any:
        """The optimizer of distillation, with its scheduler where there is one; none where the server does not
        learn."""
        if self.work.pool == "nothing":
            return None
        optimizer = _optimizer(self.learner, self.config.optimizer)
        if self.config.lr_scheduler is None:
            return optimizer
        return [optimizer], [make_scheduler(self.config.lr_scheduler, optimizer, "server.lr_scheduler")]

    def on_train_epoch_start(self) -> None:
        """Start a round's distillation."""
        self._augment = rng.generator(self.seed, "augment", self._round)
        rng.seed_global(self.seed, "dropout", self._round, -1 - self.global_rank)
        self._loss, self._steps = torch.zeros((), device=self.device), 0

    def training_step(self, batch: tuple[Batch, Tensor], batch_idx: int) -> Tensor:
        """The learner's distillation loss with the soft-label table, on this rank's part of a batch."""
        samples, indices = batch
        if self._idle:  # Lightning's epoch needs a batch, and DDP a loss
            loss = torch.stack([(p * 0).sum() for p in self.network.parameters()]).sum()
        else:
            part = self._batches.part(batch_idx)
            draws = self._transform.draw(part.whole, self._augment)
            there = self._input(samples, None if draws is None else draws[..., part.places])
            rows = max(part.rows, 1)  # of weight 0 where there is none
            loss = self.learner.distillation_loss(there, self._targets[indices[:rows]]) * part.weight
        self._loss += loss.detach()
        self._steps += not self._idle
        return loss

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """No step in a round that has no targets: momentum and weight decay would move the weights."""
        if self._idle:
            optimizer_closure()
        else:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Average the weights, where that is wanted; not later, since Lightning validates before the epoch's end."""
        if self._average is not None and not self._idle:
            self._average.after_step(batch_idx + 1, self.network)

    def on_train_epoch_end(self) -> None:
        """Log the round's mean distillation loss.

        Raises:
            NonFiniteError: it is NaN or infinite.
        """
        if not self._steps:
            return
        loss = self.trainer.strategy.reduce(self._loss / self._steps, reduce_op="mean")
        if not bool(torch.isfinite(loss)):
            raise NonFiniteError(self._round, "the server", "distillation loss")
        self.log("server/distill_loss", loss, logger=False, sync_dist=True)

    def validation_step(self, batch: tuple[Batch, Tensor], batch_idx: int) -> None:
        """The learner's metrics and the cross-entropy on the whole test set."""
        logits = self(batch[0])
        self.metrics.update(logits, batch[1])
        loss = F.cross_entropy(logits, batch[1], reduction="sum")
        self._tested += torch.stack([loss.detach().double(), loss.new_tensor(len(logits), dtype=torch.float64)])

    test_step = validation_step

    def on_validation_epoch_start(self) -> None:
        """Nothing has been tested yet."""
        self.metrics.reset()
        self._tested = torch.zeros(2, dtype=torch.float64, device=self.device)

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_epoch_end(self) -> None:
        """Log `server/accuracy` and the learner's other metrics, and `server/loss`, the mean over all ranks' samples:
        Lightning's own cuts their mean number to an integer."""
        found = {f"server/{name}": value for name, value in self.metrics.compute().items()}
        total, samples = self.trainer.strategy.reduce(self._tested, reduce_op="sum")
        found["server/loss"] = total / samples
        self.measured = {name: float(value) for name, value in found.items()}
        self.log_dict({name: value.float() for name, value in found.items()}, logger=False, sync_dist=True)

    on_test_epoch_end = on_validation_epoch_end

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put in what is saved with the module."""
        checkpoint |= {name: each.state_dict() for name, each in self.saved_with.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take out what was saved with the module; raises `ConfigError` for a checkpoint of another configuration."""
        try:
            self.load_state_dict(checkpoint["state_dict"])
            for name, each in self.saved_with.items():
                each.load_state_dict(checkpoint[name])
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            allowed = f"a checkpoint of a run with this configuration ({type(error).__name__}: {where(error)})"
            raise ConfigError("ckpt_path", str(self.trainer.ckpt_path), allowed[:300]) from error

    def _input(self, batch: Batch, draws: Tensor | None = None) -> Batch:
        """What the network gets: floats in the server's precision."""
        made = self._transform(batch, draws).items()
        return {name: value.to(self.dtype) if value.is_floating_point() else value for name, value in made}

    def _there(self, batch: Batch) -> Batch:
        return {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}

    def _make_batches(self, rank: int = 0, world: int = 1) -> RoundBatches:
        config = self.config
        if self.work.pool == "nothing":
            return RoundBatches(self.seed, 1, 1, 1, rank, world)
        return RoundBatches(self.seed, self.work.samples, config.batch_size, config.epochs, rank, world)


def _optimizer(learner: Learner, make: OptimizerCallable) -> Optimizer:
    return learner.optimizer(make, "server.optimizer")
