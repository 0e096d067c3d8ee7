"""The round loop under Lightning: canaries for its protected names, hooks, digests, failures."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping

from scarlet_pl.cache import CachePolicy
from scarlet_pl.callbacks import RoundCheckpoint
from scarlet_pl.client import ClientConfig
from scarlet_pl.data import FederatedDataModule
from scarlet_pl.errors import ConfigError, NonFiniteError
from scarlet_pl.executors import Threads
from scarlet_pl.loop import FederatedCallback, FederatedTrainer
from scarlet_pl.methods import Distillation, EnhancedERA, UniformDraw
from scarlet_pl.options import NOT_HERE
from scarlet_pl.record import RoundRecord
from scarlet_pl.round import ClientPhase
from scarlet_pl.run_files import checkpoint_name, checkpoints

from .conftest import share, tiny_data, tiny_trainer
from .naive import data_module
from .test_client import explode


def scarlet(**options: Any) -> Distillation:
    return Distillation(EnhancedERA(1.5), CachePolicy(2), UniformDraw(6), **options)


def module() -> FederatedDataModule:
    return data_module(tiny_data())


class Recorder(FederatedCallback):
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.records: list[RoundRecord] = []

    def on_round_start(self, trainer: FederatedTrainer, server: Any, round: int) -> None:
        self.calls.append(f"start {round}")

    def on_client_end(self, trainer: FederatedTrainer, server: Any, result: Any) -> None:
        self.calls.append(f"client {result.client}")

    def on_client_phase_end(self, trainer: FederatedTrainer, server: Any, phase: ClientPhase) -> None:
        self.calls.append("phase")

    def round_metrics(self, record: RoundRecord) -> dict[str, float | None]:
        return {"mine": 10.0 * record.round}

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.calls.append("epoch")

    def on_round_end(self, trainer: FederatedTrainer, server: Any, record: RoundRecord) -> None:
        self.calls.append(f"end {record.round}")
        self.records.append(record)


def run(rounds: int = 4, seed: int = 0, ckpt_path: str | None = None, **options: Any) -> FederatedTrainer:
    trainer, server = tiny_trainer(scarlet(), rounds, seed, config=share(0.7), **options)
    trainer.fit(server, module(), ckpt_path)
    return trainer


def test_one_seed_one_digest() -> None:
    assert run().digest() == run().digest()
    assert run().digest() != run(seed=1).digest()


@pytest.mark.parametrize("stopped", [1, 2, 3])
def test_resumed_is_uninterrupted(stopped: int, tmp_path: Path) -> None:
    """The canary: if a new Lightning changes the loop, this is where it shows."""
    whole = run(4)
    run(stopped, callbacks=[RoundCheckpoint(tmp_path)])
    rest = run(4, ckpt_path=str(checkpoints(tmp_path)[-1]))
    assert rest.digest() == whole.digest()
    assert rest.current_epoch == 4


class Fails(FederatedCallback):
    """Fails in one round, at one place."""

    def __init__(self, place: str, round: int) -> None:
        self.place, self.round = place, round

    def on_client_end(self, trainer: FederatedTrainer, server: Any, result: Any) -> None:
        if self.place == "client" and trainer.current_epoch == self.round:
            raise RuntimeError("the power went")

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.place == "server" and trainer.current_epoch == self.round and batch_idx == 1:
            raise RuntimeError("the power went")


@pytest.mark.parametrize("place", ["client", "server"])
def test_a_run_that_failed_goes_on_from_its_last_round(place: str, tmp_path: Path) -> None:
    whole = run(4)
    with pytest.raises(RuntimeError, match="the power went"):
        run(4, callbacks=[RoundCheckpoint(tmp_path), Fails(place, 2)])
    assert [path.name for path in checkpoints(tmp_path)] == ["round_000001.ckpt", "round_000002.ckpt"]
    assert run(4, ckpt_path=str(checkpoints(tmp_path)[-1])).digest() == whole.digest()


def test_a_client_phase_that_fails_changes_nothing() -> None:
    trainer, server = tiny_trainer(scarlet(), 2)
    trainer.fit(server, module())
    before = trainer.digest()

    def fail(result: Any) -> None:
        if result.client == 2:
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        trainer.federation.run_round(2, trainer.server, fail)
    assert trainer.digest() == before


def test_hooks_come_in_order() -> None:
    recorder = Recorder()
    trainer, server = tiny_trainer(scarlet(), 2, callbacks=[recorder])
    trainer.fit(server, module())
    one = ["client 0", "client 1", "client 2", "phase", "epoch"]
    assert recorder.calls == ["start 0", *one, "end 0", "start 1", *one, "end 1"]
    assert [record.metrics["mine"] for record in recorder.records] == [0.0, 10.0]


@pytest.mark.parametrize("name", sorted(NOT_HERE))
def test_options_without_a_meaning_here_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"trainer.{name}: got 1, allowed: nothing, for a run of rounds; set "):
        tiny_trainer(scarlet(), 3, **{name: 1})


@pytest.mark.parametrize("duration", ["00:00:00:00", timedelta(0)])
def test_max_time_ends_a_run_at_the_end_of_a_round(duration: Any, tmp_path: Path) -> None:
    recorder = Recorder()
    stopped = run(4, max_time=duration, callbacks=[recorder, RoundCheckpoint(tmp_path, every_n_rounds=3)])
    assert stopped.current_epoch == 1
    assert recorder.records[-1].client["client/accuracy"] is not None  # as after any last round
    assert [path.name for path in checkpoints(tmp_path)] == [checkpoint_name(1)]
    rest = run(4, ckpt_path=str(checkpoints(tmp_path)[-1]), max_time="01:00:00:00")
    assert rest.digest() == run(4).digest()


@pytest.mark.parametrize("duration", ["1 hour", "10", "1:2:3", "00:00:00:-1"])
def test_a_wrong_max_time_is_refused(duration: str) -> None:
    with pytest.raises(ConfigError, match=r"trainer.max_time: got .*, allowed: a time as DD:HH:MM:SS"):
        run(2, max_time=duration)


def test_a_monitor_that_nobody_logs_is_refused() -> None:
    stopping = EarlyStopping("server/acuracy")
    with pytest.raises(ConfigError, match=r"trainer.callbacks.monitor: got 'server/acuracy', allowed: server/accuracy"):
        run(2, callbacks=[stopping])

    class Logs(FederatedCallback):
        def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            pl_module.log("server/acuracy", 1.0)

    assert run(2, callbacks=[stopping, Logs()]).current_epoch == 2


@pytest.mark.parametrize("who", ["client", "server"])
def test_nan_stops_the_run_and_leaves_the_last_good_state(who: str, tmp_path: Path) -> None:
    class Explodes(FederatedCallback):
        def on_round_start(self, trainer: FederatedTrainer, server: Any, round: int) -> None:
            if round == 2 and who == "server":
                for group in trainer.optimizers[0].param_groups:
                    group["lr"] = 1e38
            if round == 2 and who == "client":
                runner = trainer.federation.workers.executor._runner  # type: ignore[attr-defined]
                runner.config = ClientConfig(models="mlp", optimizer=explode)

    message = "round 2: client 0 produced" if who == "client" else "round 2: the server produced"
    with pytest.raises(NonFiniteError, match=message):
        run(4, callbacks=[RoundCheckpoint(tmp_path), Explodes()])
    saved = torch.load(checkpoints(tmp_path)[-1], weights_only=True)
    assert saved["epoch"] == 2 or saved["loops"]["fit_loop"]["epoch_progress"]["current"]["completed"] == 2
    assert all(bool(torch.isfinite(v).all()) for v in saved["state_dict"].values() if v.is_floating_point())
    assert run(4, ckpt_path=str(checkpoints(tmp_path)[-1])).digest() == run(4).digest()


@pytest.mark.parametrize(
    "options",
    [
        {"profiler": "simple"},
        {"precision": "bf16-mixed"},
        {"precision": "bf16-true"},
        {"check_val_every_n_epoch": 2},
        {"detect_anomaly": True},
        {"gradient_clip_val": 0.5},
    ],
)
def test_lightnings_options_still_work(options: dict[str, Any]) -> None:
    trainer, server = tiny_trainer(scarlet(), 3, **options)
    trainer.fit(server, module())
    assert trainer.current_epoch >= 1
    sums = server.predict_public(torch.arange(9)).sum(1)
    assert torch.allclose(sums, torch.ones(9), atol=1e-5)


def test_workers_end_with_a_run_that_fails() -> None:
    class Breaks(FederatedCallback):
        def on_round_end(self, trainer: FederatedTrainer, server: Any, record: RoundRecord) -> None:
            raise ArithmeticError("of a callback")

    executor = Threads(2)
    trainer, server = tiny_trainer(scarlet(), 2, executor=executor, callbacks=[Breaks()])
    with pytest.raises(ArithmeticError):
        trainer.fit(server, module())
    assert executor._pool is None
