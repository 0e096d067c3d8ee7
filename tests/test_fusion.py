"""Fusion: a server that averages and distils in one round; its teachers are tasks for the federation's executor."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from scarlet_pl.callbacks import RoundCheckpoint
from scarlet_pl.client import ClientConfig, ClientFailure, ClientTask
from scarlet_pl.errors import ConfigError, NonFiniteError
from scarlet_pl.executors import Answer, Executor, Job, Processes, Serial, Threads
from scarlet_pl.federation import Federation
from scarlet_pl.loop import FederatedTrainer
from scarlet_pl.methods import EnhancedERA, FedAvg, FixedDraw, Fusion, Mean, UniformDraw
from scarlet_pl.run_files import checkpoints
from scarlet_pl.transport import Transport
from scarlet_pl.wire.weights import encode_weights

from .conftest import share, tiny_data, tiny_trainer
from .far import FarClients, make_node
from .naive import CLIENT, Naive, data_module
from .test_loop import Recorder


def feddf() -> FedAvg:
    return FedAvg(Fusion(EnhancedERA(1.5), UniformDraw(6)))


def fit(
    make: Callable[[], FedAvg],
    executor: Executor,
    folder: Path | None = None,
    rounds: int = 4,
    transport: Transport | None = None,
    **options: Any,
) -> FederatedTrainer:
    data, saved = tiny_data(clients=5), checkpoints(folder) if folder else []
    options = {"callbacks": [RoundCheckpoint(folder)] if folder else [], "config": share(0.7, 0.2), **options}
    trainer, server = tiny_trainer(
        make(), rounds, data=data, client=CLIENT, executor=executor, transport=transport, **options
    )
    trainer.fit(server, data_module(data), str(saved[-1]) if saved else None)
    return trainer


def test_one_client_teaches_what_the_average_knows() -> None:
    """The teacher is the average, so there is nothing to distil: the loss is 0."""
    data, recorder = tiny_data(clients=1), Recorder()
    method = FedAvg(Fusion(Mean(), UniformDraw(6)))
    trainer, server = tiny_trainer(method, 3, data=data, client=CLIENT, callbacks=[recorder])
    trainer.fit(server, data_module(data))
    for record in recorder.records:
        assert record.server["server/distill_loss"] == pytest.approx(0, abs=1e-6)
        assert record.phase.outcome.weights is not None


def test_targets_are_the_mean_of_what_the_clients_models_say() -> None:
    """By a plain loop: each client trains from the server's weights and labels the draw."""
    data, recorder = tiny_data(clients=3, shard=9), Recorder()
    naive = Naive(data, 4, 1.0)
    labels = []
    for client in range(3):
        net = copy.deepcopy(naive.server)
        naive.train_client(net, client, 0)
        labels.append(naive.predict(net, naive.draw(0, 6)))
    trainer, server = tiny_trainer(FedAvg(Fusion(Mean(), UniformDraw(6))), 1, 4, data, CLIENT, callbacks=[recorder])
    trainer.fit(server, data_module(data))
    outcome = recorder.records[0].phase.outcome
    assert outcome.targets is not None
    assert outcome.targets.indices.tolist() == naive.draw(0, 6)
    for index, row in zip(outcome.targets.indices.tolist(), outcome.targets.labels, strict=True):
        expected = [sum(each[index][c] for each in labels) / 3 for c in range(3)]
        assert row.tolist() == pytest.approx(expected, abs=1e-5)


def test_the_average_is_fedavgs_and_no_byte_more_is_sent() -> None:
    plain, fused = Recorder(), Recorder()
    fit(FedAvg, Serial(), rounds=1, callbacks=[plain])
    fit(feddf, Serial(), rounds=1, callbacks=[fused])
    first, second = (recorder.records[0].phase for recorder in (plain, fused))
    assert first.outcome.targets is None
    assert encode_weights(first.outcome.weights or {}) == encode_weights(second.outcome.weights or {})
    assert [first.traffic.total(way) for way in ("up", "down")] == [second.traffic.total(way) for way in ("up", "down")]
    assert second.plan.reused == 0


def test_a_server_may_go_on_from_its_own_weights() -> None:
    recorder = Recorder()
    method = FedAvg(Fusion(Mean(), FixedDraw(6), "previous"))
    trainer, server = tiny_trainer(method, 1, callbacks=[recorder])
    before = server.weights()
    trainer.fit(server, data_module(tiny_data()))
    assert recorder.records[0].phase.outcome.weights is None
    assert recorder.records[0].server["server/distill_loss"] > 0  # type: ignore[operator]
    assert any(not torch.equal(before[key], value) for key, value in server.weights().items())


@pytest.mark.slow
def test_fusion_gives_the_same_run_everywhere(tmp_path: Path) -> None:
    """Over executors, after a resume, and where the teachers' executor is not the clients'."""
    whole = fit(feddf, Serial()).digest()
    assert fit(feddf, Threads(2)).digest() == whole
    assert fit(feddf, Processes(2)).digest() == whole
    fit(feddf, Serial(), tmp_path, 2)
    assert fit(feddf, Serial(), tmp_path).digest() == whole
    far = FarClients(lambda: make_node(tiny_data(clients=5), CLIENT, feddf()))
    assert fit(feddf, Serial(), transport=far).digest() == whole
    far.end()


class Dull(Serial):
    """Client 1's model says nothing that can be used as a label."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        for answer in super().run(jobs):
            teaches = isinstance(answer, ClientFailure) or answer.labels is None
            bad = NonFiniteError(0, "client 1", "soft label")
            yield ClientFailure(1, bad) if answer.client == 1 and not teaches else answer


def test_a_client_whose_model_is_no_teacher_has_failed() -> None:
    recorder = Recorder()
    fit(feddf, Dull(), rounds=1, callbacks=[recorder], config=share(1.0, on_error="skip"))
    phase = recorder.records[0].phase
    assert phase.outcome.clients == (0, 2, 3, 4)
    assert [report.client for report in phase.reports] == [0, 2, 3, 4]
    assert [failure.client for failure in phase.failures] == [1]
    with pytest.raises(NonFiniteError, match="client 1 produced a soft label"):
        fit(feddf, Dull(), rounds=1, config=share(1.0))


def test_a_teachers_weights_do_not_come_back() -> None:
    weights = encode_weights({"w": torch.zeros(3)})
    assert ClientTask(0, 0, "received", weights, predict=torch.arange(3)).only_looks
    assert not ClientTask(0, 0, "received", weights, train=True, predict=torch.arange(3)).only_looks
    assert not ClientTask(0, 0, "received", weights).only_looks


def test_clients_elsewhere_need_no_workers_here() -> None:
    """Unless there are teachers."""

    class NeverSetUp(Serial):
        def setup(self, spec: Any) -> None:
            raise ConfigError("executor", None, "nothing: it is not needed")

    data = tiny_data()
    far = make_node(data, CLIENT, FedAvg())
    Federation(data, CLIENT, FedAvg(), NeverSetUp(), transport=far)
    with pytest.raises(ConfigError, match="not needed"):
        Federation(data, CLIENT, feddf(), NeverSetUp(), transport=far)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fusion(None), r"method\.fusion\.aggregator: got None"),  # type: ignore[arg-type]
        (lambda: Fusion(draw=None), r"method\.fusion\.draw: got None"),  # type: ignore[arg-type]
        (lambda: Fusion(start="here"), r"method\.fusion\.start: got 'here', allowed: average, previous"),  # type: ignore[arg-type]
        (
            lambda: Federation(tiny_data(), ClientConfig(models="mlp"), FedAvg(Fusion()), Serial()),
            r"method\.fusion\.draw\.size: got 150, allowed: at most 12",
        ),
    ],
)
def test_bad_settings(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
