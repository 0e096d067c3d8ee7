"""`client.keep_optimizer`: a client's optimizers go on where they were, whoever runs it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, NAdam, Optimizer, RMSprop

from scarlet_pl.callbacks import RoundCheckpoint
from scarlet_pl.client import ClientConfig, ClientRunner, ClientTask
from scarlet_pl.client.optimizers import KeptOptimizers, new_optimizer
from scarlet_pl.errors import ConfigError
from scarlet_pl.executors import Executor, Processes, Serial, Threads
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.learning import Learner, OptimizerCallable
from scarlet_pl.loop import FederatedTrainer
from scarlet_pl.methods import FedAvg, Method
from scarlet_pl.run_files import checkpoints

from .conftest import share, tiny_data, tiny_trainer
from .naive import data_module
from .test_executors import scarlet
from .test_workers import ONE_OR_TWO

OPTIMIZERS = [
    partial(SGD, lr=0.1),
    partial(SGD, lr=0.1, momentum=0.9),
    partial(Adam, lr=0.01),
    partial(AdamW, lr=0.01, amsgrad=True),
    partial(NAdam, lr=0.01),
    partial(RMSprop, lr=0.01, momentum=0.5),
]


def kept(optimizer: OptimizerCallable = OPTIMIZERS[2], **options: object) -> ClientConfig:
    settings = {"models": "mlp", "optimizer": optimizer, "keep_optimizer": True, "batch_size": 4, **options}
    return ClientConfig(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_three_rounds_are_one_optimizers_steps(make: OptimizerCallable) -> None:
    """Against two optimizers that live as long as the network: one of distillation, one of training."""
    living: list[Optimizer] = []

    def alive(stage: int, network: nn.Module) -> Callable[..., Optimizer]:
        def same(_: object) -> Optimizer:
            if len(living) <= stage:
                living.extend(make(network.parameters()) for _ in range(2))
            return living[stage]

        return same

    labels = SoftLabels(torch.tensor([0, 4, 7]), torch.eye(3))
    runner = ClientRunner(kept(make), tiny_data(), seed=1)
    plain = ClientRunner(ClientConfig(models="mlp", batch_size=4), tiny_data(), seed=1)
    network = plain._learners[0].network
    object.__setattr__(plain.config, "optimizer", alive(0, network))
    object.__setattr__(plain.config, "distillation_optimizer", alive(1, network))
    state = expected = None
    for round in range(3):
        task = ClientTask(1, round, labels if round else None, train=round != 1)
        result = runner.run(task, state)
        state = {**result.state, **result.optimizers}
        expected = plain.run(task, expected).state
        assert all(torch.equal(result.state[name], value) for name, value in expected.items()), round
        assert result.optimizers.keys() == runner.run(task, None).optimizers.keys()


def fit(
    method: Method,
    executor: Executor,
    folder: Path | None = None,
    rounds: int = 4,
    store: Any = "memory",
    **client: Any,
) -> FederatedTrainer:
    data, saved = tiny_data(clients=4), checkpoints(folder) if folder else []
    callbacks: Any = [RoundCheckpoint(folder)] if folder else []
    options: dict[str, Any] = {"executor": executor, "callbacks": callbacks, "config": share(0.5, store=store)}
    trainer, server = tiny_trainer(method, rounds, data=data, client=kept(**client), **options)
    if folder:
        trainer.federation.transport.keep_states_in(folder / "clients")
    trainer.fit(server, data_module(data), str(saved[-1]) if saved else None)
    return trainer


@pytest.mark.slow
@pytest.mark.parametrize("make", [scarlet, FedAvg])
@pytest.mark.parametrize("store", ["memory", "disk"])
def test_kept_optimizers_are_resumed(make: Callable[[], Method], store: str, tmp_path: Path) -> None:
    """With half of the clients a round: a state waits until its client comes back."""
    whole = fit(make(), Serial(), store=store)
    fit(make(), Threads(2), tmp_path, 2, store=store)
    assert fit(make(), Serial(), tmp_path, store=store).digest() == whole.digest()
    assert fit(make(), Threads(2), store=store).digest() == whole.digest()


@pytest.mark.slow
@ONE_OR_TWO
def test_kept_optimizers_cross_to_processes(workers: int) -> None:
    """With batch normalisation, whose state has whole numbers beside the floats, and states on disk."""
    client = {"models": "resnet20", "epochs": 1, "distillation_epochs": 1, "store": "disk"}
    assert fit(scarlet(), Processes(workers), **client).digest() == fit(scarlet(), Serial(), **client).digest()


def test_fedavg_sends_no_optimizer() -> None:
    sent = fit(FedAvg(), Serial()).federation.ledger.total("up")
    data = tiny_data(clients=4)
    trainer, server = tiny_trainer(FedAvg(), 4, data=data, config=share(0.5), client=ClientConfig(models="mlp"))
    trainer.fit(server, data_module(data))
    assert trainer.federation.ledger.total("up") == sent


class Partly(nn.Module):
    """Some parameters are frozen, some take part only when the first image of a batch is bright."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.frozen, self.seldom, self.last = nn.Linear(16, 8), nn.Linear(8, 8), nn.Linear(8, num_classes)
        self.frozen.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.frozen(images.flatten(1))
        if bool(images[0].mean() > 0.3):
            hidden = self.seldom(hidden)
        logits: Tensor = self.last(hidden)
        return logits


@pytest.mark.parametrize("make", OPTIMIZERS[1:3])
def test_parameters_without_gradients_have_no_state(make: OptimizerCallable) -> None:
    """They keep none, and one that takes its first step late starts as if there had been none before."""
    module, config = Learner(Partly(3)), kept(make)
    memory = KeptOptimizers(module, config)
    dark, bright = torch.zeros(4, 1, 4, 4), torch.ones(4, 1, 4, 4)
    living, state = new_optimizer(module, config, "train"), dict[str, Tensor]()
    other = deepcopy(module)
    for images in (dark, dark, bright, dark):
        resumed = memory.start("train", other, state)
        for each, optimizer in ((module, living), (other, resumed)):
            optimizer.zero_grad()
            each({"image": images}).sum().backward()
            optimizer.step()
        names = state.keys()
        state = memory.after(state, {"train": resumed})
        assert not names or names == state.keys()
        for a, b in zip(module.parameters(), other.parameters(), strict=True):
            assert torch.equal(a, b)


def test_an_optimizer_without_a_state_by_parameter_is_refused() -> None:
    class Listing(SGD):
        def step(self, closure: object = None) -> None:  # type: ignore[override]
            for group in self.param_groups:
                for parameter in group["params"]:
                    self.state[parameter]["history"] = [1, 2]

    with pytest.raises(ConfigError, match=r"client.optimizer: got 'Listing', allowed: with client.keep_optimizer"):
        ClientRunner(kept(partial(Listing, lr=0.1)), tiny_data(), seed=0)
