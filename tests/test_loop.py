"""The round loop under Lightning: canaries for its protected names, hooks, digests, failures."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping

from scarlet_pl.cache import CachePolicy
from scarlet_pl.callbacks import CacheHitRate, CommunicatedBytes, RoundCheckpoint, SoftLabelDiagnostics
from scarlet_pl.client import ClientConfig
from scarlet_pl.data import FederatedDataModule
from scarlet_pl.errors import ConfigError, NonFiniteError
from scarlet_pl.executors import Threads
from scarlet_pl.federation import ClientPhase
from scarlet_pl.loop import FederatedCallback, FederatedTrainer
from scarlet_pl.methods import Distillation, EnhancedERA, FedAvg, UniformDraw
from scarlet_pl.options import NOT_HERE
from scarlet_pl.record import RoundRecord
from scarlet_pl.run_files import checkpoint_name, checkpoints
from scarlet_pl.wire import DIRECTIONS, Float16, Float32, LabelCodec, Quantized

from .conftest import node, tiny_data, tiny_trainer
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
    trainer, server = tiny_trainer(scarlet(participation=0.7), rounds, seed, **options)
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


def test_records_have_the_same_names_in_every_round() -> None:
    recorder = Recorder()
    callbacks = [recorder, CacheHitRate(), CommunicatedBytes(), SoftLabelDiagnostics()]
    trainer, server = tiny_trainer(scarlet(), 4, callbacks=callbacks, eval_clients_every_n_rounds=2)
    trainer.fit(server, module())
    scalars = [record.scalars() for record in recorder.records]
    assert len({tuple(s) for s in scalars}) == 1
    assert {"server/accuracy", "client/accuracy", "cache/hit_rate", "bytes/up/labels", "seconds"} <= set(scalars[0])
    assert [s["client/accuracy"] is None for s in scalars] == [True, False, True, False]
    assert scalars[0]["client/distill_loss"] is None
    assert scalars[1]["client/distill_loss"] is not None
    ledger = trainer.federation.ledger
    assert scalars[-1]["bytes/cumulative"] == ledger.total("up") + ledger.total("down")
    assert sum(s["paper_bytes/up"] or 0 for s in scalars) == ledger.total("up", "paper")
    hits = [record.phase.plan.hits for record in recorder.records]
    assert [s["cache/hits"] for s in scalars] == hits
    assert sum(hits) > 0


def test_server_accuracy_is_that_of_the_whole_test_set() -> None:
    recorder = Recorder()
    trainer, server = tiny_trainer(scarlet(), 3, callbacks=[recorder])
    trainer.fit(server, module())
    test = tiny_data().test
    with torch.no_grad():
        right = (server.eval()(test.images).argmax(-1) == test.labels).float().mean()
    assert recorder.records[-1].server["server/accuracy"] == pytest.approx(float(right))


@pytest.mark.slow
@pytest.mark.parametrize("dropout", [0.0, 0.4, 0.8])
@pytest.mark.parametrize("indices", ["explicit", "seeded"])
@pytest.mark.parametrize("codec", [Float32(), Float16()])
def test_without_cache_counts_what_dsfl_sends(dropout: float, indices: Any, codec: LabelCodec) -> None:
    """The figure "without a cache" of a SCARLET run is what a run without a cache really sends: of the clients that
    answered, and of nobody in a round in which none did."""
    parts: dict[str, Any] = {"indices": indices, "uplink_codec": codec, "downlink_codec": codec}
    client = ClientConfig(models="mlp", epochs=1, distillation_epochs=1, dropout_rate=dropout)
    recorder, plain = Recorder(), Recorder()
    trainer, server = tiny_trainer(
        scarlet(**parts), 6, client=client, callbacks=[recorder, CommunicatedBytes()], seed=3
    )
    trainer.fit(server, module())
    without = Distillation(EnhancedERA(1.5), None, UniformDraw(6), **parts)
    other, other_server = tiny_trainer(without, 6, client=client, callbacks=[plain, CommunicatedBytes()], seed=3)
    other.fit(other_server, module())
    assert sum(record.phase.plan.hits for record in recorder.records) > 0
    for record, sent in zip(recorder.records, plain.records, strict=True):
        for direction in DIRECTIONS:
            assert record.metrics[f"no_cache_bytes/{direction}"] == sent.metrics[f"bytes/{direction}"]
            assert record.metrics[f"no_cache_paper_bytes/{direction}"] == sent.metrics[f"paper_bytes/{direction}"]
            assert sent.metrics[f"no_cache_bytes/{direction}"] is None  # there is none to do without


def test_without_a_cache_coded_labels_cost_what_they_cost() -> None:
    """Where nothing hits, quantised labels cost the same without a cache, but for the signals: no bound instead."""
    recorder = Recorder()
    method = Distillation(
        EnhancedERA(1.5), CachePolicy(0), UniformDraw(6), uplink_codec=Quantized(4), downlink_codec=Quantized(2)
    )
    trainer, server = tiny_trainer(method, 3, callbacks=[recorder, CommunicatedBytes()])
    trainer.fit(server, module())
    for record in recorder.records:
        metrics, signals = record.metrics, record.phase.traffic.part("down", "signals")
        assert metrics["no_cache_bytes/up"] == metrics["bytes/up"]
        assert metrics["no_cache_bytes/down"] == (metrics["bytes/down"] or 0) - signals


@pytest.mark.parametrize("name", sorted(NOT_HERE))
def test_options_without_a_meaning_here_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"trainer.{name}: got 1, allowed: nothing, for a run of rounds; set "):
        tiny_trainer(scarlet(), 3, **{name: 1})


@pytest.mark.parametrize("duration", ["00:00:00:00", timedelta(0)])
def test_max_time_ends_a_run_at_the_end_of_a_round(duration: Any, tmp_path: Path) -> None:
    recorder = Recorder()
    stopped = run(4, max_time=duration, callbacks=[recorder, RoundCheckpoint(tmp_path, every_n_rounds=3)])
    assert stopped.current_epoch == 1
    assert recorder.records[-1].client_accuracy is not None  # as after any last round
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
                runner = node(trainer.federation).executor._runner  # type: ignore[attr-defined]
                for each in runner._modules:
                    each.config = ClientConfig(models="mlp", optimizer=explode)

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


def test_client_accuracy_is_the_mean_over_all_clients() -> None:
    recorder = Recorder()
    trainer, server = tiny_trainer(scarlet(participation=0.4), 2, callbacks=[recorder])
    trainer.fit(server, module())
    each = trainer.federation.evaluate_clients(1, server)
    assert len(each) == 3
    assert recorder.records[-1].client_accuracy == pytest.approx(float(each.mean()))


def test_clients_of_fedavg_are_tested_with_the_model_that_they_share() -> None:
    """Also those that never took part, which have no weights of their own, and those whose weights are old."""
    recorder, data = Recorder(), tiny_data(clients=5)
    trainer, server = tiny_trainer(FedAvg(participation=0.2), 3, data=data, callbacks=[recorder])
    trainer.fit(server, data_module(data))
    right = [
        (server.eval()(data.test.images[shard]).argmax(-1) == data.test.labels[shard]).double().mean()
        for shard in data.test_shards
    ]
    assert recorder.records[-1].client_accuracy == pytest.approx(float(torch.stack(right).mean()))
    assert recorder.records[-1].client_accuracy == pytest.approx(recorder.records[-1].server["server/accuracy"])


def test_workers_end_with_a_run_that_fails() -> None:
    class Breaks(FederatedCallback):
        def on_round_end(self, trainer: FederatedTrainer, server: Any, record: RoundRecord) -> None:
            raise ArithmeticError("of a callback")

    executor = Threads(2)
    trainer, server = tiny_trainer(scarlet(), 2, executor=executor, callbacks=[Breaks()])
    with pytest.raises(ArithmeticError):
        trainer.fit(server, module())
    assert executor._pool is None
