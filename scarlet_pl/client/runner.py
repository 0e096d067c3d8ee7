"""The runner that carries out a client's task."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import get_args

import torch
from torch import Tensor
from torch.optim import Optimizer

from scarlet_pl import rng
from scarlet_pl.client.classes import class_means
from scarlet_pl.client.inputs import Inputs
from scarlet_pl.client.optimizers import KeptOptimizers, new_optimizer, schedules, split, try_optimizer
from scarlet_pl.client.selectors import ClientSelector, Selection
from scarlet_pl.client.task import ClientConfig, ClientFailure, ClientResult, ClientTask, Stage, State
from scarlet_pl.data import FederatedData
from scarlet_pl.errors import NonFiniteError
from scarlet_pl.learning import Learner, draws_globally, make_learner, of_one_process, try_metrics
from scarlet_pl.models import ModelSpec, build, check, passing_buffers, put_back
from scarlet_pl.wire.weights import decode_weights

_COMMON = -1
"""In place of a client's number: the draw of the network that all clients share."""

_NAMES: dict[Stage, str] = {"train": "training", "distill": "distillation"}


class ClientRunner:
    """Carries out tasks, one at a time, on one reused learner for each architecture. Its loop is a light one of its
    own: a nested `Trainer.fit` costs 5 ms.

    A runner belongs to one worker; what it returns depends on its task and the client's state alone.

    Attributes:
        draws_globally: whether a learner draws from torch's global generator in training, as plain dropout does; it
            is then seeded for each task.
    """

    def __init__(
        self,
        config: ClientConfig,
        data: FederatedData,
        seed: int,
        device: torch.device | str = "cpu",
        selector: ClientSelector | None = None,
    ) -> None:
        self._selection = Selection(selector, data, seed)
        self.config, self.data, self.seed, self.device = config, data, seed, torch.device(device)
        with rng.seeded(seed, "probe"):  # whatever they are filled with: no other worker's draws may be disturbed
            learners = [self._make(spec) for spec in config.architectures]
        self._passing = [passing_buffers(learner.network) for learner in learners]
        for learner, spec in zip(learners, config.architectures, strict=True):
            check(learner.network, spec, "client.models", data.blank, data.num_classes)
            for stage in get_args(Stage):
                try_optimizer(learner, config, stage)
            try_metrics(learner, data.num_classes, "client.learner")
        drew = [draws_globally(learner, data.blank, data.num_classes, "client.learner") for learner in learners]
        self.draws_globally = any(drew)
        self._learners = [learner.to(self.device) for learner in learners]
        self._metrics = [of_one_process(learner.metrics(data.num_classes)) for learner in learners]
        self._kept = [KeptOptimizers(learner, config) for learner in learners] if config.keep_optimizer else None
        self._schedules = [schedules(learner, config) for learner in learners]
        self._inputs = Inputs(data, config, seed, self.device)

    def check_rounds(self, rounds: int) -> None:
        """Raise `ConfigError` if the learning rates are not for so many rounds."""
        for each in self._schedules:
            for schedule in each.values():
                schedule.check(rounds)

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
        self._steps, architecture = 0, self.architecture(task.client)
        learner, (own, kept) = self._learners[architecture], split(state or {})
        learner.network.load_state_dict(self._start(task, own or None, learner))
        put_back(learner.network, self._passing[architecture])  # what one client leaves there must not reach the next
        optimizers = self._optimizers(learner, task, kept)
        losses = dict[Stage, float]()
        for stage, optimizer in optimizers.items():
            losses |= self._fit(learner, task, stage, optimizer)
        asked, labels = (None, None) if task.predict is None else self._predict(learner, task, task.predict)
        metrics = self._test(learner, task.client) if task.evaluate else {}
        to_keep = {} if task.only_looks or self._kept is None else self._kept[architecture].after(kept, optimizers)
        return ClientResult(
            task.client,
            {} if task.only_looks else _weights(learner, task),
            0 if task.only_looks else len(self.data.train_shards[task.client]),  # a teacher may be no client's model
            asked,
            labels,
            losses.get("distill"),
            losses.get("train"),
            metrics,
            to_keep,
            self._steps,
        )

    def _optimizers(self, learner: Learner, task: ClientTask, kept: State) -> dict[Stage, Optimizer]:
        """The optimizers of the stages that the task has, in the stages' order."""
        stages: list[Stage] = ["distill"] if self._inputs.teaches(task) and self.config.joint_weight is None else []
        stages += ["train"] if task.train else []
        architecture, found = self.architecture(task.client), dict[Stage, Optimizer]()
        for stage in stages:
            if self._kept is None:
                found[stage] = new_optimizer(learner, self.config, stage)
            else:
                found[stage] = self._kept[architecture].start(stage, learner, kept)
            if self._schedules[architecture]:
                self._schedules[architecture][stage].apply(found[stage], task.round)
        return found

    def _start(self, task: ClientTask, state: State | None, learner: Learner) -> State:
        if task.start == "received" and task.weights is not None:
            return decode_weights(task.weights, learner.network.state_dict())
        if task.start == "common":
            return self._random_state(task.client, number=_COMMON)
        return self.initial_state(task.client) if state is None else state

    def _fit(self, learner: Learner, task: ClientTask, stage: Stage, optimizer: Optimizer) -> dict[Stage, float]:
        """Learn what the stage has; the mean losses of its steps."""
        learner.train()
        totals, steps = dict[Stage, Tensor](), 0
        with torch.enable_grad():
            for terms in self._terms(learner, task, stage):
                optimizer.zero_grad()
                self._loss(terms, stage).backward()
                if self.config.gradient_clip_val is not None:
                    torch.nn.utils.clip_grad_norm_(learner.network.parameters(), self.config.gradient_clip_val)
                optimizer.step()
                for name, term in terms.items():
                    totals[name] = totals.get(name, 0) + term.detach()
                steps += 1
        self._steps += steps
        means = {name: total / steps for name, total in totals.items()}
        return {name: float(_finite(mean, task, f"{_NAMES[name]} loss")) for name, mean in means.items()}

    def _terms(self, learner: Learner, task: ClientTask, stage: Stage) -> Iterator[dict[Stage, Tensor]]:
        """The losses of each of the stage's steps, by what is learnt from."""
        draws = rng.generator(self.seed, stage, task.round, task.client)
        if stage == "distill":
            for batch, labels in self._inputs.distillation(task, draws, self.config.distillation_epochs):
                with self._inputs.autocast():
                    loss = learner.distillation_loss(batch, labels)
                yield {"distill": loss}
            return
        learner.on_train_start()
        joint = self._inputs.joint(task)
        for batch, labels in self._inputs.training(task.client, draws):
            with self._inputs.autocast():
                terms: dict[Stage, Tensor] = {"train": learner.private_loss(batch, labels)}
                if joint is not None:
                    samples, targets, share = joint(batch, labels)
                    if len(targets):
                        terms["distill"] = share * learner.distillation_loss(samples, targets)
            yield terms

    def _loss(self, terms: dict[Stage, Tensor], stage: Stage) -> Tensor:
        if len(terms) == 1 or self.config.joint_weight is None:
            return terms[stage]
        return terms["train"] + self.config.joint_weight * terms["distill"]

    @torch.no_grad()
    def _predict(self, learner: Learner, task: ClientTask, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Which of the wanted the client labels, and its soft labels."""
        learner.eval()
        if task.labels_of == "classes":
            asked, labels = self._predict_classes(learner, task.client, wanted)
        else:
            asked = self._selection.of(task.client, wanted)
            with self._inputs.autocast():
                blocks = [learner.soft_labels(batch).cpu() for batch in self._inputs.public(asked)]
            labels = torch.cat([torch.zeros(0, self.data.num_classes), *blocks])
        return asked, _finite(labels, task, "soft label")

    def _predict_classes(self, learner: Learner, client: int, wanted: Tensor) -> tuple[Tensor, Tensor]:
        blocks, classes = [], []
        for batch, labels in self._inputs.own(client):
            with self._inputs.autocast():
                blocks.append(learner.soft_labels(batch).cpu())
            classes.append(labels)
        return class_means(torch.cat(blocks), torch.cat(classes), wanted)

    @torch.no_grad()
    def _test(self, learner: Learner, client: int) -> dict[str, float]:
        """The learner's metrics on the client's test shard."""
        learner.eval()
        metrics = self._metrics[self.architecture(client)]
        for batch, labels in self._inputs.test(client):
            with self._inputs.autocast():
                found = learner(batch).float().cpu()
            for metric in metrics.values():
                metric.update(found, labels)
        measured = {name: float(metric.compute()) for name, metric in metrics.items()}
        for metric in metrics.values():
            metric.reset()
        return measured

    def _make(self, spec: ModelSpec) -> Learner:
        network = build(spec, "client.models", self.data.network_facts)
        if self.config.channels_last:
            network = network.to(memory_format=torch.channels_last)
        return make_learner(self.config.learner, network, "client.learner")


def _weights(learner: Learner, task: ClientTask) -> State:
    after = {key: value.detach().to("cpu", copy=True) for key, value in learner.network.state_dict().items()}
    _finite(torch.stack([value.sum(dtype=torch.float32) for value in after.values()]), task, "weight")
    return after


def _finite(value: Tensor, task: ClientTask, what: str) -> Tensor:
    if not bool(torch.isfinite(value).all()):
        raise NonFiniteError(task.round, f"client {task.client}", what)
    return value
