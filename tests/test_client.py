"""Clients: what a task does, and that it depends on nothing but the task and the state."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from scarlet_pl.client import ClientConfig, ClientFailure, ClientRunner, ClientTask
from scarlet_pl.data import ImageTransform
from scarlet_pl.errors import ConfigError, NonFiniteError
from scarlet_pl.functional.labels import SoftLabels

from .conftest import tiny_data

CONFIG = ClientConfig(models="mlp", batch_size=4, epochs=3)


def labels_for(indices: list[int]) -> SoftLabels:
    return SoftLabels(torch.tensor(indices), torch.eye(3)[[i % 3 for i in indices]])


def test_a_task_is_a_function_of_task_and_state() -> None:
    first, second = (ClientRunner(CONFIG, tiny_data(), seed=1) for _ in range(2))
    task = ClientTask(2, 5, labels_for([0, 4, 7]), train=True, predict=torch.tensor([1, 3]), evaluate=True)
    second.run(ClientTask(0, 3, train=True), None)  # another client before it leaves no trace
    a, b = first.run(task, None), second.run(task, None)
    assert all(torch.equal(a.state[key], b.state[key]) for key in a.state)
    assert torch.equal(a.labels, b.labels)
    assert (a.distill_loss, a.train_loss, a.metrics) == (b.distill_loss, b.train_loss, b.metrics)
    third = first.run(ClientTask(2, 6, train=True), None)
    assert any(not torch.equal(a.state[key], third.state[key]) for key in a.state)


def test_clients_start_differently_and_as_their_seed_says() -> None:
    runner = ClientRunner(CONFIG, tiny_data(), seed=1)
    states = [runner.initial_state(client) for client in (0, 1, 0)]
    key = next(iter(states[0]))
    assert torch.equal(states[0][key], states[2][key])
    assert not torch.equal(states[0][key], states[1][key])


def test_training_and_distillation_reduce_their_losses() -> None:
    runner = ClientRunner(CONFIG, tiny_data(shard=40), seed=0)
    state, losses = None, []
    for round in range(30):
        result = runner.run(ClientTask(0, round, labels_for(list(range(6))), train=True, evaluate=True), state)
        state = result.state
        losses.append((result.train_loss or 0) + (result.distill_loss or 0))
    assert losses[-1] < 0.5 * losses[0]
    assert result.metrics["accuracy"] > 0.7


def test_nothing_asked_nothing_done() -> None:
    runner = ClientRunner(CONFIG, tiny_data(), seed=0)
    result = runner.run(ClientTask(0, 0, SoftLabels(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 3))), None)
    assert all(torch.equal(result.state[key], value) for key, value in runner.initial_state(0).items())
    assert (result.labels, result.distill_loss, result.train_loss, result.metrics) == (None, None, None, {})
    empty = runner.run(ClientTask(0, 0, predict=torch.zeros(0, dtype=torch.int64)), None).labels
    assert empty is not None
    assert empty.shape == (0, 3)


def test_labels_are_predicted_on_images_as_they_are() -> None:
    """Whatever the augmentation, a prediction is that of the plain image, in evaluation mode."""
    data = tiny_data()
    object.__setattr__(data, "transform", ImageTransform(flip=True, crop_padding=2))
    runner = ClientRunner(ClientConfig(models=[{"name": "tests.test_client.Dropping"}]), data, seed=0)
    draws = [runner.run(ClientTask(0, round, predict=torch.arange(12)), None).labels for round in range(2)]
    assert draws[0] is not None
    assert torch.equal(draws[0], draws[1])
    assert torch.allclose(draws[0].sum(1), torch.ones(12))


class Dropping(nn.Sequential):
    """A network that is another in training mode."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, num_classes))


def test_models_are_given_in_turn() -> None:
    config = ClientConfig(models=["mlp", {"name": "mlp", "width": 5}])
    runner = ClientRunner(config, tiny_data(clients=4), seed=0)
    sizes = [sum(v.numel() for v in runner.run(ClientTask(k, 0), None).state.values()) for k in range(4)]
    assert sizes[0] == sizes[2] != sizes[1] == sizes[3]
    assert ClientConfig(models={"name": "mlp", "width": 5}).architectures == config.architectures[1:]


def test_a_last_batch_of_one_does_not_break_batch_normalisation() -> None:
    config = ClientConfig(models=[{"name": "tests.test_client.Normalised"}], batch_size=4)
    runner = ClientRunner(config, tiny_data(shard=9), seed=0)
    assert runner.run(ClientTask(0, 0, train=True), None).train_loss is not None


class Normalised(nn.Sequential):
    """Batch normalisation over single pixels: it cannot train on one sample."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, num_classes))


@pytest.mark.parametrize("size", [1, 2])
def test_a_batch_of_one_is_left_out_only_where_there_are_larger_ones(size: int) -> None:
    runner = ClientRunner(ClientConfig(models="mlp", batch_size=size, epochs=1), tiny_data(shard=5), seed=0)
    assert runner.run(ClientTask(0, 0, train=True), None).steps == {1: 5, 2: 2}[size]


def test_what_no_state_holds_does_not_reach_the_next_client() -> None:
    config = ClientConfig(models=[{"name": "tests.test_client.Running"}])
    both, alone = (ClientRunner(config, tiny_data(), seed=0) for _ in range(2))
    both.run(ClientTask(0, 0, train=True), None)
    found, wanted = (runner.run(ClientTask(1, 0, train=True), None).state for runner in (both, alone))
    assert all(torch.equal(value, wanted[key]) for key, value in found.items())


class Running(nn.Linear):
    """Takes off a running mean that is in no state dict, and keeps its last batch beside it."""

    mean: torch.Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__(16, num_classes)
        self.register_buffer("mean", torch.zeros(16), persistent=False)
        self.register_buffer("last", torch.zeros(0), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        flat = self.last = images.flatten(1)
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * flat.detach().mean(0)
        return super().forward(flat - self.mean)


def explode(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=1e38)


def test_nan_names_the_round_and_the_client() -> None:
    runner = ClientRunner(ClientConfig(models="mlp", optimizer=explode), tiny_data(), seed=0)
    with pytest.raises(NonFiniteError, match=r"round 4: client 1 produced a .* that is NaN or infinite"):
        runner.run(ClientTask(1, 4, train=True, predict=torch.tensor([0])), None)


class OutOfMemory(nn.Sequential):
    """Raises in its first step, with an activation at hand."""

    armed = False
    activations: ClassVar[list[weakref.ref[torch.Tensor]]] = []

    def __init__(self, num_classes: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(16, num_classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = super().forward(images)
        if not self.armed:
            return logits
        self.activations.append(weakref.ref(logits))
        raise RuntimeError("out of memory")


def test_a_failure_holds_no_tensor_of_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lives as long as the round; on a GPU the next client could not have its memory."""
    config = ClientConfig(models={"name": "tests.test_client.OutOfMemory"})
    runner = ClientRunner(config, tiny_data(), seed=0)
    monkeypatch.setattr(OutOfMemory, "armed", True)
    failure = runner.attempt(ClientTask(0, 0, train=True), None)
    assert isinstance(failure, ClientFailure)
    assert [reference() for reference in OutOfMemory.activations] == [None]


@pytest.mark.parametrize("name", ["epochs", "distillation_epochs", "batch_size", "distillation_batch_size"])
def test_bad_settings(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"client\.{name}: got 0, allowed: an integer >= 1"):
        ClientConfig(**{name: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"precision": "bf16-mixed"}, {"channels_last": True}])
def test_precision_and_memory_format_change_speed_and_not_sense(options: dict[str, Any]) -> None:
    task = ClientTask(0, 0, labels_for([0, 1, 2]), train=True, predict=torch.arange(12))
    results = []
    for config in (ClientConfig(models="cnn", epochs=3), ClientConfig(models="cnn", epochs=3, **options)):
        results.append(ClientRunner(config, tiny_data(shard=30), 0).run(task, None))
    plain, other = results
    assert other.labels is not None
    assert other.labels.dtype == torch.float32
    assert plain.labels is not None
    assert torch.allclose(plain.labels, other.labels, atol=0.05)
    assert all(value.dtype == plain.state[key].dtype for key, value in other.state.items())


def test_bad_options() -> None:
    for options in ({"precision": "16"}, {"epochs": 0}):
        with pytest.raises(ConfigError, match=rf"client\.{next(iter(options))}: got"):
            ClientConfig(**options)  # type: ignore[arg-type]
