"""The runner that carries out a client's task."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any, get_args

import torch
from torch import Tensor
from torch.optim import Optimizer

from scarlet_pl import rng
from scarlet_pl.client.module import ClientModule
from scarlet_pl.client.optimizers import KeptOptimizers, split, try_optimizer
from scarlet_pl.client.task import ClientConfig, ClientFailure, ClientResult, ClientTask, Stage, State
from scarlet_pl.data import FederatedData
from scarlet_pl.errors import NonFiniteError
from scarlet_pl.models import ModelSpec, build, check, draws_globally
from scarlet_pl.wire.weights import decode_weights

_PREDICT_BATCH = 1000
_COMMON = -1
"""In place of a client's number: the draw of the network that all clients share."""


class ClientRunner:
    """Carries out tasks, one at a time, on one reused module for each architecture.

    A runner belongs to one worker; what it returns depends on its task and the client's state alone.

    Attributes:
        draws_globally: whether a network draws from torch's global generator in training, as plain dropout does; it
            is then seeded for each task.
    """

    def __init__(
        self, config: ClientConfig, data: FederatedData, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        self.config, self.data, self.seed, self.device = config, data, seed, torch.device(device)
        with rng.seeded(seed, "probe"):  # whatever they are filled with: no other worker's draws may be disturbed
            modules = [self._make(spec) for spec in config.architectures]
        for module, spec in zip(modules, config.architectures, strict=True):
            check(module.network, spec, "client.models", data.num_classes, data.image_shape)
            for stage in get_args(Stage):
                try_optimizer(module, stage)
        self.draws_globally = any(draws_globally(module.network, data.image_shape) for module in modules)
        self._modules = [module.to(self.device) for module in modules]
        self._kept = [KeptOptimizers(module) for module in self._modules] if config.keep_optimizer else None

    def initial_state(self, client: int) -> State:
        """The weights a client starts its first round with, its own draw from (seed, client)."""
        return self._random_state(client, number=client + 1)  # 0 is the server

    def _random_state(self, client: int, number: int) -> State:
        with rng.seeded(self.seed, "init", client=number):
            return self._make(self.config.architectures[self.architecture(client)]).network.state_dict()

    def architecture(self, client: int) -> int:
        """Which of the configured models the client has."""
        return client % len(self.config.architectures)

    def run(self, task: ClientTask, state: State | None) -> ClientResult:
        """Carry out `task` from `state` (the initial one if None).

        Raises:
            NonFiniteError: a loss or a prediction is NaN or infinite.
        """
        if self.draws_globally:
            with rng.seeded(self.seed, "dropout", task.round, task.client):
                return self._run(task, state)
        return self._run(task, state)

    def attempt(self, task: ClientTask, state: State | None) -> ClientResult | ClientFailure:
        """`run`, with what it raises as its result: one client's failure must not end the others' work."""
        try:
            return self.run(task, state)
        except Exception as error:
            traceback.clear_frames(error.__traceback__)  # they hold batches, graph and optimizer
            return ClientFailure(task.client, error)

    def _run(self, task: ClientTask, state: State | None) -> ClientResult:
        architecture = self.architecture(task.client)
        module, (own, kept) = self._modules[architecture], split(state or {})
        module.network.load_state_dict(self._start(task, own or None, module))
        optimizers = self._optimizers(module, task, kept)
        distill_loss = self._distill(module, task, optimizers["distill"]) if "distill" in optimizers else None
        train_loss = self._train(module, task, optimizers["train"]) if "train" in optimizers else None
        labels = None if task.predict is None else self._predict(module, task, task.predict)
        accuracy = self._accuracy(module, task.client) if task.evaluate else None
        after = {} if task.only_evaluates else _weights(module, task)
        samples = len(self.data.train_shards[task.client])
        to_keep = {} if task.only_evaluates or self._kept is None else self._kept[architecture].after(kept, optimizers)
        return ClientResult(
            task.client, after, samples, task.predict, labels, distill_loss, train_loss, accuracy, to_keep
        )

    def _optimizers(self, module: ClientModule, task: ClientTask, kept: State) -> dict[Stage, Optimizer]:
        """The optimizers of the stages that the task has."""
        stages: list[Stage] = ["distill"] if task.distill is not None and len(task.distill.indices) else []
        stages += ["train"] if task.train else []
        if self._kept is None:
            return {stage: module.optimizer(stage) for stage in stages}
        memory = self._kept[self.architecture(task.client)]
        return {stage: memory.start(stage, module, kept) for stage in stages}

    def _start(self, task: ClientTask, state: State | None, module: ClientModule) -> State:
        if task.start == "received" and task.weights is not None:
            return decode_weights(task.weights, module.network.state_dict())
        if task.start == "common":
            return self._random_state(task.client, number=_COMMON)
        return self.initial_state(task.client) if state is None else state

    def _distill(self, module: ClientModule, task: ClientTask, optimizer: Optimizer) -> float:
        draws = rng.generator(self.seed, "distill", task.round, task.client)
        indices, labels = task.distill.indices, task.distill.labels  # type: ignore[union-attr]

        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            for rows in _batches(
                len(indices), self.config.distillation_epochs, self.config.distillation_batch_size, draws
            ):
                yield self._augmented(self.data.public[indices[rows]], draws), self._there(labels[rows])

        return self._fit(module, module.distillation_step, optimizer, batches(), task, "distillation loss")

    def _train(self, module: ClientModule, task: ClientTask, optimizer: Optimizer) -> float:
        draws = rng.generator(self.seed, "train", task.round, task.client)
        shard, private = self.data.train_shards[task.client], self.data.train

        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            for rows in _batches(len(shard), self.config.epochs, self.config.batch_size, draws):
                images = self._augmented(private.images[shard[rows]], draws)
                yield images, self._there(private.labels[shard[rows]])

        return self._fit(module, module.training_step, optimizer, batches(), task, "training loss")

    def _augmented(self, images: Tensor, draws: torch.Generator) -> Tensor:
        return self.data.transform(self._there(images), self.data.transform.draw(len(images), draws))

    def _there(self, batch: Tensor) -> Tensor:
        """On the device; its queue is not waited for."""
        return batch.to(self.device, non_blocking=True)

    def _fit(
        self,
        module: ClientModule,
        step: Callable[[Any, int], Tensor],
        optimizer: Optimizer,
        batches: Iterator[tuple[Tensor, Tensor]],
        task: ClientTask,
        what: str,
    ) -> float:
        module.train()
        total, steps = torch.zeros((), device=self.device), 0
        with torch.enable_grad():
            for steps, batch in enumerate(batches, 1):
                loss = step(batch, steps - 1)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.detach()
        return float(_finite(total / max(steps, 1), task, what))

    @torch.no_grad()
    def _predict(self, module: ClientModule, task: ClientTask, indices: Tensor) -> Tensor:
        module.eval()
        blocks = [
            module.predict_step(self.data.transform(self._there(self.data.public[rows])), i).cpu()
            for i, rows in enumerate(indices.split(_PREDICT_BATCH))
            if len(rows)
        ]
        labels = torch.cat([torch.zeros(0, self.data.num_classes), *blocks])
        return _finite(labels, task, "soft label")

    @torch.no_grad()
    def _accuracy(self, module: ClientModule, client: int) -> float:
        module.eval()
        shard, right = self.data.test_shards[client], 0
        for rows in shard.split(_PREDICT_BATCH):
            logits = module(self.data.transform(self._there(self.data.test.images[rows])))
            right += int((logits.argmax(-1).cpu() == self.data.test.labels[rows]).sum())
        return right / len(shard)

    def _make(self, spec: ModelSpec) -> ClientModule:
        network = build(spec, "client.models", self.data.num_classes, self.data.image_shape)
        if self.config.channels_last:
            network = network.to(memory_format=torch.channels_last)
        return ClientModule(network, self.config)


def _batches(count: int, epochs: int, size: int, draws: torch.Generator) -> Iterator[Tensor]:
    """Shuffled batches of row numbers, `epochs` passes. A last batch of one sample is left out where there are
    others, because batch normalisation cannot train on it."""
    for _ in range(epochs):
        batches = torch.randperm(count, generator=draws).split(size)
        yield from batches[:-1] if len(batches) > 1 and len(batches[-1]) == 1 else batches


def _weights(module: ClientModule, task: ClientTask) -> State:
    after = {key: value.detach().to("cpu", copy=True) for key, value in module.network.state_dict().items()}
    _finite(torch.stack([value.sum(dtype=torch.float32) for value in after.values()]), task, "weight")
    return after


def _finite(value: Tensor, task: ClientTask, what: str) -> Tensor:
    if not bool(torch.isfinite(value).all()):
        raise NonFiniteError(task.round, f"client {task.client}", what)
    return value
