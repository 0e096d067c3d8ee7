"""How networks learn: losses, schedules, clipping, metrics, learners of a user's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau, StepLR
from torchmetrics.classification import MulticlassF1Score

from scarlet_pl.callbacks import RoundCheckpoint
from scarlet_pl.client import ClientConfig, ClientRunner, ClientTask
from scarlet_pl.errors import ConfigError
from scarlet_pl.executors import Executor, Processes, Serial, Threads
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.learning import Learner, LearnerCallable, RoundSchedule
from scarlet_pl.loop import FederatedTrainer
from scarlet_pl.methods import Distillation, UniformDraw
from scarlet_pl.run_files import checkpoints
from scarlet_pl.server import ServerConfig, ServerModule, ServerWork

from .conftest import tiny_data, tiny_trainer
from .naive import data_module


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distance": "cosine"}, r"client\.learner\.distance: got 'cosine', allowed: kl, l2"),
        ({"temperature": 0}, r"client\.learner\.temperature: got 0, allowed: a number > 0"),
        ({"hard_share": 1.5}, r"client\.learner\.hard_share: got 1\.5, allowed: a number in \[0, 1\]"),
        ({"depth": 2}, r"client\.learner: got .*unexpected keyword argument 'depth'"),
    ],
)
def test_a_learner_that_cannot_be(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClientRunner(ClientConfig("mlp", learner=partial(Learner, **options)), tiny_data(), 0)  # type: ignore[arg-type]


def test_what_is_no_learner_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"client\.learner: got 'Linear', allowed: a class of"):
        ClientRunner(ClientConfig("mlp", learner=lambda network: nn.Linear(1, 1)), tiny_data(), 0)  # type: ignore


def test_a_schedule_is_a_function_of_the_round() -> None:
    weights = [nn.Parameter(torch.zeros(1))]
    learner = Learner(nn.Linear(1, 1))
    make = partial(StepLR, step_size=2, gamma=0.1)
    schedule = RoundSchedule(make, lambda own: SGD(own.parameters(), lr=1.0), learner, "f")
    rates = []
    for round in (5, 0, 1, 2, 3):
        optimizer = SGD(weights, lr=1.0)
        schedule.apply(optimizer, round)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.01, 1, 1, 0.1, 0.1])


def test_a_scheduler_that_wants_a_loss_is_refused() -> None:
    config = ClientConfig("mlp", lr_scheduler=ReduceLROnPlateau)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"client\.lr_scheduler: got 'ReduceLROnPlateau', allowed: a scheduler of"):
        ClientRunner(config, tiny_data(), 0)


def test_clients_learn_at_the_rounds_rate() -> None:
    data, labels = tiny_data(), SoftLabels(torch.tensor([0, 4, 7]), torch.eye(3))
    half = ClientConfig("mlp", optimizer=partial(SGD, lr=0.05))
    falling = ClientConfig(
        "mlp", optimizer=partial(SGD, lr=0.1), lr_scheduler=partial(StepLR, step_size=3, gamma=0.5), keep_optimizer=True
    )
    task = ClientTask(0, 3, distill=labels, train=True)
    one, other = (ClientRunner(config, data, 0).run(task, None).state for config in (half, falling))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_gradient_is_clipped_to_its_norm() -> None:
    data, task = tiny_data(), ClientTask(0, 0, train=True)
    config = ClientConfig("mlp", optimizer=partial(SGD, lr=1.0), epochs=1, batch_size=100, gradient_clip_val=0.01)
    runner = ClientRunner(config, data, 0)
    start, end = runner.initial_state(0), runner.run(task, None).state
    step = torch.cat([(end[name] - start[name]).flatten() for name in start])
    assert float(step.norm()) == pytest.approx(0.01, rel=1e-3)


def fit(server: ServerConfig, rounds: int) -> tuple[FederatedTrainer, ServerModule]:
    trainer, _ = tiny_trainer(Distillation(), rounds, data=tiny_data(public=150))
    data = trainer.federation.data
    module = ServerModule(server, data, trainer.federation.method.server_work, 0)
    trainer.fit(module, data_module(data))
    return trainer, module


def test_the_servers_rate_takes_a_step_a_round() -> None:
    config = ServerConfig("mlp", lr_scheduler=partial(CosineAnnealingLR, T_max=4), epochs=2)
    trainer, _ = fit(config, 2)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1 * (1 + math.cos(math.pi / 2)) / 2)


def test_a_server_may_begin_each_round_with_a_new_optimizer() -> None:
    make = partial(SGD, lr=0.1, momentum=0.9)
    kept, new = (fit(ServerConfig("mlp", optimizer=make, keep_optimizer=each), 2)[1] for each in (True, False))
    weights = [torch.cat([p.flatten() for p in module.network.parameters()]) for module in (kept, new)]
    assert not torch.equal(*weights)
    once = [fit(ServerConfig("mlp", optimizer=make, keep_optimizer=each), 1)[1] for each in (True, False)]
    assert all(torch.equal(a, b) for a, b in zip(*(module.network.parameters() for module in once), strict=True))


def test_metrics_of_ones_own_are_measured_of_server_and_clients() -> None:
    learner = partial(Learner, extra_metrics={"f1": MulticlassF1Score(3)})
    client = ClientConfig("mlp", learner, epochs=1, batch_size=4)  # type: ignore[arg-type]
    trainer, _ = tiny_trainer(Distillation(), 1, data=tiny_data(public=150), client=client)
    data = trainer.federation.data
    server = ServerModule(ServerConfig("mlp", learner), data, trainer.federation.method.server_work, 0)  # type: ignore
    trainer.fit(server, data_module(data))
    score = MulticlassF1Score(3)
    score.update(server.eval()(dict(data.test.fields)), data.test.labels)
    assert float(trainer.callback_metrics["server/f1"]) == pytest.approx(float(score.compute()))
    measured = trainer.federation.evaluate_clients(0, server)
    assert measured.keys() == {"accuracy", "f1"}
    assert measured["f1"].shape == (3,)


class Noisy(Learner):
    """One whose loss draws, though its network does not."""

    def private_loss(self, batch: dict[str, Tensor], labels: Tensor) -> Tensor:  # type: ignore[override]
        logits = self(batch)
        return nn.functional.cross_entropy(logits + torch.randn_like(logits), labels)


CONSTANT = partial(StepLR, step_size=1000)


def run(client: ClientConfig, executor: Executor, folder: Path | None = None, rounds: int = 4) -> FederatedTrainer:
    callbacks = [] if folder is None else [RoundCheckpoint(folder)]
    trainer, server = tiny_trainer(
        Distillation(draw=UniformDraw(6)), rounds, client=client, executor=executor, callbacks=callbacks
    )
    saved = checkpoints(folder) if folder else []
    trainer.fit(server, data_module(trainer.federation.data), str(saved[-1]) if saved else None)
    return trainer


@pytest.mark.slow
@pytest.mark.parametrize("keep", [False, True])
def test_a_schedule_moves_no_weights(keep: bool, tmp_path: Path, processes: Callable[[int], Processes]) -> None:
    """One that never changes a rate is none, on every executor and after a resume."""
    plain = ClientConfig("mlp", epochs=1, distillation_epochs=2, batch_size=4, keep_optimizer=keep)
    scheduled, digest = replace(plain, lr_scheduler=CONSTANT), run(plain, Serial()).digest()
    for executor in (Serial(), Threads(2), processes(2)):
        assert run(scheduled, executor).digest() == digest
    run(scheduled, Serial(), tmp_path, rounds=3)
    assert run(scheduled, Serial(), tmp_path).digest() == digest


@pytest.mark.slow
def test_a_learner_that_draws_gives_one_digest(tmp_path: Path, processes: Callable[[int], Processes]) -> None:
    client = ClientConfig("mlp", Noisy, epochs=1, distillation_epochs=2, batch_size=4)
    digest = run(client, Serial()).digest()
    assert run(client, processes(2)).digest() == digest
    run(client, Serial(), tmp_path, rounds=2)
    assert run(client, Serial(), tmp_path).digest() == digest


class Remembers(Learner):
    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.centre = nn.Parameter(torch.zeros(3))


class Fails(Learner):
    def private_loss(self, batch: dict[str, Tensor], labels: Tensor) -> Tensor:  # type: ignore[override]
        return self(batch)[:, 7].mean()


@pytest.mark.parametrize(
    ("learner", "message"),
    [
        (Remembers, r"client\.learner: got 'Remembers', allowed: a learner whose parameters and buffers are all in"),
        (Fails, r"client\.learner: got 'Fails', allowed: a learner of such samples and 3 classes \(.*index 7"),
        (partial(Learner, extra_metrics={"loss": MulticlassF1Score(3)}), r"client\.learner\.extra_metrics: got 'loss'"),
        (
            partial(Learner, extra_metrics={"f1": MulticlassF1Score(2)}),
            r"client\.learner\.extra_metrics\.f1: got 'MulticlassF1Score', allowed: a metric of logits of 3 classes",
        ),
        (
            partial(Learner, extra_metrics={"f1": MulticlassF1Score(3, average="none")}),
            r"client\.learner\.extra_metrics\.f1: got 'MulticlassF1Score', allowed: a metric that is a single number",
        ),
    ],
)
def test_a_learner_that_does_not_fit(learner: LearnerCallable, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClientRunner(ClientConfig("mlp", learner), tiny_data(), 0)


def test_a_schedule_that_ends_before_the_run_is_refused() -> None:
    short = partial(OneCycleLR, max_lr=0.1, total_steps=3)
    with pytest.raises(ConfigError, match=r"client\.lr_scheduler: got 'OneCycleLR', allowed: .*for all rounds"):
        tiny_trainer(Distillation(draw=UniformDraw(6)), 4, client=ClientConfig("mlp", lr_scheduler=short))
    work = ServerWork("public", 6)
    server = ServerModule(ServerConfig("mlp", lr_scheduler=short), tiny_data(), work, 0)
    server.check_rounds(3)
    with pytest.raises(ConfigError, match=r"server\.lr_scheduler: got 'OneCycleLR', allowed: .*for all rounds"):
        server.check_rounds(4)
    with pytest.raises(ConfigError, match=r"server\.lr_scheduler: got 'ReduceLROnPlateau', allowed: a scheduler of"):
        ServerModule(ServerConfig("mlp", lr_scheduler=ReduceLROnPlateau), tiny_data(), work, 0)  # type: ignore
