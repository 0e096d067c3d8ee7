"""Batches as the clients' networks get them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.client.classes import ClassLabels
from scarlet_pl.client.task import ClientConfig, ClientTask
from scarlet_pl.data import FORWARD_BATCH, Batch, FederatedData

Joint = Callable[[Batch, Tensor], tuple[Batch, Tensor, float]]
"""From a private batch and its classes (B,) to samples, the soft labels of the first R of them, and the weight of their
mean loss."""


class Inputs:
    """A federation's samples in batches, on a device, as the configuration wants them.

    Args:
        data: the samples.
        config: batch sizes, precision, memory format.
        seed: of shuffling and augmentation.
    """

    def __init__(self, data: FederatedData, config: ClientConfig, seed: int, device: torch.device) -> None:
        self.data, self.config, self.seed, self.device = data, config, seed, device

    def distillation(
        self, task: ClientTask, draws: torch.Generator, epochs: int | None
    ) -> Iterator[tuple[Batch, Tensor]]:
        """Samples and soft labels (B, N) of the task, shuffled and augmented: public samples, or the client's own with
        their classes' labels.

        Args:
            epochs: passes; without end if None.
        """
        if task.distill is None:
            return
        if task.labels_of == "public":
            samples, indices, labels = self.data.public, task.distill.indices, task.distill.labels
        else:
            shard, samples = self.data.train_shards[task.client], self.data.train
            rows, labels = ClassLabels(task.distill).of(samples.labels[shard])
            indices = shard[rows]
        for rows in _batches(len(indices), epochs, self.config.distillation_batch_size, draws):
            yield self._augmented(samples.batch(indices[rows]), draws), self._there(labels[rows])

    def teaches(self, task: ClientTask) -> bool:
        """Whether there is something to distil: public samples, or enough of its own whose classes have labels, which
        is two of them where it has as many, because batch normalisation cannot train on one."""
        if task.distill is None or not len(task.distill.indices):
            return False
        own = self.data.train.labels[self.data.train_shards[task.client]]
        return task.labels_of == "public" or int(torch.isin(own, task.distill.indices).sum()) >= min(2, len(own))

    def joint(self, task: ClientTask) -> Joint | None:
        """What the steps of local training distil; None where there is nothing."""
        if self.config.joint_weight is None or task.distill is None or not self.teaches(task):
            return None
        if task.labels_of == "classes":
            return ClassLabels(task.distill).beside
        draws = rng.generator(self.seed, "distill", task.round, task.client)
        batches = self.distillation(task, draws, None)
        return lambda batch, classes: (*next(batches), 1.0)

    def training(self, client: int, draws: torch.Generator) -> Iterator[tuple[Batch, Tensor]]:
        """A client's own samples and classes (B,), shuffled and augmented."""
        shard, train = self.data.train_shards[client], self.data.train
        for rows in _batches(len(shard), self.config.epochs, self.config.batch_size, draws):
            yield self._augmented(train.batch(shard[rows]), draws), self._there(train.labels[shard[rows]])

    def public(self, indices: Tensor) -> Iterator[Batch]:
        """Public samples in order, as they are."""
        for rows in indices.split(FORWARD_BATCH) if len(indices) else ():
            yield self._input(self.data.public.batch(rows))

    def own(self, client: int) -> Iterator[tuple[Batch, Tensor]]:
        """A client's own samples in order, as they are, and their classes on the CPU."""
        for rows in self.data.train_shards[client].split(FORWARD_BATCH):
            yield self._input(self.data.train.batch(rows)), self.data.train.labels[rows]

    def test(self, client: int) -> Iterator[tuple[Batch, Tensor]]:
        """A client's test samples in order, and their classes on the CPU."""
        for rows in self.data.test_shards[client].split(FORWARD_BATCH):
            yield self._input(self.data.test.batch(rows)), self.data.test.labels[rows]

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which networks compute."""
        if self.config.precision == "32-true":
            return nullcontext()
        # its cache of cast weights is the process's, and another thread empties it
        return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)

    def _augmented(self, batch: Batch, draws: torch.Generator) -> Batch:
        count = len(next(iter(batch.values())))
        return self._input(batch, self.data.transform.draw(count, draws))

    def _input(self, batch: Batch, draws: Tensor | None = None) -> Batch:
        there = self.data.transform({name: self._there(value) for name, value in batch.items()}, draws)
        return {name: self._laid_out(value) for name, value in there.items()}

    def _laid_out(self, value: Tensor) -> Tensor:
        """Images channel by channel in a pixel, where that is wanted."""
        if self.config.channels_last and value.ndim == 4:
            return value.contiguous(memory_format=torch.channels_last)
        return value

    def _there(self, value: Tensor) -> Tensor:
        """On the device; its queue is not waited for."""
        return value.to(self.device, non_blocking=True)


def _batches(count: int, epochs: int | None, size: int, draws: torch.Generator) -> Iterator[Tensor]:
    """Shuffled batches of row numbers, `epochs` passes, without end if None. A last batch of one sample is left out
    where there are larger ones, because batch normalisation cannot train on it."""
    for _ in (range(epochs) if epochs is not None else itertools.count()) if count else ():
        batches = torch.randperm(count, generator=draws).split(size)
        yield from batches[:-1] if size > 1 and len(batches) > 1 and len(batches[-1]) == 1 else batches
