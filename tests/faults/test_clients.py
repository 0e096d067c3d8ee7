"""Clients that raise or vanish, and a fault that is not theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from scarlet_pl.cache import CachePolicy
from scarlet_pl.client import ClientConfig
from scarlet_pl.errors import NonFiniteError
from scarlet_pl.federation import Federation
from scarlet_pl.methods import Distillation, FedAvg, Mean, RoundPlan, UniformDraw, Upload

from ..conftest import Scripted, Still, share, tiny_data, tiny_trainer
from ..naive import data_module
from ..test_client import explode
from ..test_loop import Recorder
from ..test_methods import noise


@pytest.mark.parametrize("rate", [0.3, 0.9, 1.0])
@pytest.mark.parametrize("make", [lambda: Distillation(Mean(), CachePolicy(2), UniformDraw(6)), FedAvg])
def test_clients_that_never_answer(rate: float, make: Callable[[], Any]) -> None:
    """The run completes; where nobody answers, cache and model stay as they are."""
    data, recorder = tiny_data(clients=4), Recorder()
    client = ClientConfig(models="mlp", epochs=1, batch_size=4)
    method = make()
    trainer, server = tiny_trainer(method, 6, data=data, client=client, config=share(1.0, rate), callbacks=[recorder])
    before = server.weights()
    trainer.fit(server, data_module(data))
    answered = [len(record.phase.reports) for record in recorder.records]
    assert len(answered) == 6
    assert min(answered) < 4
    if rate == 1:
        assert answered == [0] * 6
        assert all(torch.equal(before[key], value) for key, value in server.weights().items())
        assert recorder.records[-1].server["server/distill_loss"] is None
        if isinstance(method, Distillation):
            assert bool((method.cache.stored == -1).all())


def test_one_of_a_cohort_that_fails_is_skipped_and_named(tmp_path: Any) -> None:
    from scarlet_pl.callbacks import RunFolder
    from scarlet_pl.run_files import read_rounds

    data = tiny_data(clients=3)
    for on_error in ("skip", "fail"):
        callbacks: Any = [RunFolder(tmp_path)]
        config = share(1.0, on_error=on_error)
        client = ClientConfig(models="mlp", optimizer=explode)
        method = Distillation(Mean(), CachePolicy(2), UniformDraw(6))
        trainer, server = tiny_trainer(method, 2, data=data, client=client, config=config, callbacks=callbacks)
        if on_error == "fail":
            with pytest.raises(NonFiniteError, match="round 0: client 0 produced"):
                trainer.fit(server, data_module(data))
        else:
            trainer.fit(server, data_module(data))
            rows = read_rounds(tmp_path / "rounds.csv")
            assert "client 2: round 1: client 2 produced a training loss that is NaN or infinite" in rows[1]["failed"]


@pytest.mark.parametrize("away", [1, 2, 3, 5])
def test_a_client_that_was_away_is_caught_up(away: int) -> None:
    """D = 3; away for fewer, as many and more rounds."""

    def predict(client: int, round: int, request: Tensor) -> Tensor:
        if client == 1 and 2 <= round < 2 + away:
            raise ValueError("away")
        return noise(client, round, request)

    class Away(Scripted):
        def run(self, jobs: Any) -> Any:
            from scarlet_pl.client import ClientFailure

            for job in jobs:
                try:
                    yield next(super().run([job]))
                except ValueError as error:
                    yield ClientFailure(job.task.client, error)

    method = Distillation(Mean(), CachePolicy(3), UniformDraw(6))
    each = Federation(tiny_data(3, 9, 3), ClientConfig(), method, Away(predict), config=share(1.0, on_error="skip"))
    executor: Scripted = each.workers.executor  # type: ignore[assignment]
    for round in range(12):
        each.run_round(round, Still(3))
        assert executor.given[round][1] == executor.given[round][0]
    assert each.ledger.total("down", "catch_up") > 0


@pytest.mark.parametrize("on_error", ["skip", "fail"])
def test_a_fault_of_the_servers_own_is_never_skipped(on_error: Any) -> None:
    class Faulty(Distillation):
        def collect(self, plan: RoundPlan, client: int, payload: bytes) -> Upload:
            raise KeyError("a programming error of the server's half")

    method = Faulty(Mean(), None, UniformDraw(4))
    each = Federation(tiny_data(3, 9, 3), ClientConfig(), method, Scripted(noise), config=share(1.0, on_error=on_error))
    with pytest.raises(KeyError, match="programming error"):
        each.run_round(0, Still(3))
