"""Clients that raise, vanish, or upload what is no soft label (reliability.md, rows 12 to 19)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from scarlet_pl.cache import CachePolicy
from scarlet_pl.client import ClientConfig
from scarlet_pl.errors import NonFiniteError, WireError
from scarlet_pl.federation import Federation
from scarlet_pl.methods import Distillation, FedAvg, Mean, UniformDraw

from ..conftest import Scripted, Still, tiny_data, tiny_trainer
from ..naive import data_module
from ..test_client import explode
from ..test_loop import Recorder
from ..test_methods import noise

BAD: dict[str, Callable[[Tensor], Tensor]] = {
    "nan": lambda labels: labels.index_fill(0, torch.tensor([0]), torch.nan),
    "infinite": lambda labels: labels.index_fill(1, torch.tensor([1]), torch.inf),
    "minus infinite": lambda labels: labels.index_fill(1, torch.tensor([0]), -torch.inf),
    "negative": lambda labels: labels + torch.tensor([0.5, -0.9, 0.4]),
    "sum": lambda labels: labels * 1.01,
    "zero": torch.zeros_like,
    "too few rows": lambda labels: labels[1:],
    "too many rows": lambda labels: torch.cat([labels, labels[:1]]),
    "classes": lambda labels: torch.cat([labels[:, :1] / 2, labels[:, :1] / 2, labels[:, 1:]], 1),
    "rank": lambda labels: labels.reshape(-1),
}


def federation(predict: Callable[[int, int, Tensor], Tensor], on_error: Any, **options: Any) -> Federation:
    method = Distillation(Mean(), CachePolicy(2), UniformDraw(5), **options)
    return Federation(tiny_data(5, 9, 3), ClientConfig(on_error=on_error), method, Scripted(predict))


def run(each: Federation, rounds: int) -> None:
    for round in range(rounds):
        each.run_round(round, Still(3))


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(sorted(BAD)),
    liar=st.integers(0, 4),
    when=st.integers(0, 4),
    indices=st.sampled_from(["explicit", "seeded"]),
)
def test_a_bad_upload_is_refused_before_anything_changes(kind: str, liar: int, when: int, indices: Any) -> None:
    _refuse(kind, liar, when, indices)


@pytest.mark.parametrize("kind", sorted(BAD))
def test_every_kind_of_bad_upload(kind: str, full: bool) -> None:
    """Row 14 to 16: 500 cases a class with --full."""
    draws = torch.Generator().manual_seed(0)
    for _ in range(500 if full else 5):
        liar, when = (int(torch.randint(0, 5, (), generator=draws)) for _ in range(2))
        _refuse(kind, liar, when, "explicit")


def _refuse(kind: str, liar: int, when: int, indices: Any) -> None:
    def predict(client: int, round: int, request: Tensor) -> Tensor:
        labels = noise(client, round, request)
        return BAD[kind](labels) if (client, round) == (liar, when) and len(labels) else labels

    strict = federation(predict, "fail", indices=indices)
    run(strict, when)
    strict.method.observe(Still(3), when)
    if strict.method.plan(when).request.numel():
        before = strict.state_dict()
        with pytest.raises((WireError, ValueError, RuntimeError)) as raised:
            strict.run_round(when, Still(3))
        assert f"client {liar} in round {when}" in raised.value.__notes__
        after = strict.state_dict()
        assert torch.equal(before["method"]["server"]["stored"], after["method"]["server"]["stored"])
        assert before["ledger"]["bytes"].equal(after["ledger"]["bytes"])

    lenient = federation(predict, "skip", indices=indices)
    run(lenient, when)
    lenient.method.observe(Still(3), when)
    plan = lenient.method.plan(when)
    phase = lenient.run_round(when, Still(3))
    if len(plan.request):
        assert [failure.client for failure in phase.failures] == [liar]
        assert liar not in phase.outcome.clients
        assert phase.outcome.labels is not None
        others = [noise(k, when, plan.request) for k in range(5) if k != liar]
        assert torch.allclose(phase.outcome.labels.mean, torch.stack(others).mean(0), atol=1e-6)
        assert bool(torch.isfinite(phase.outcome.labels.fresh).all())
    executor: Scripted = lenient.executor  # type: ignore[assignment]
    for round in range(when + 1, when + 4):  # and the liar, back to the truth, distils what all distil
        lenient.run_round(round, Still(3))
        assert executor.told[round][liar] == executor.told[round][(liar + 1) % 5]


@pytest.mark.parametrize("rate", [0.3, 0.9, 1.0])
@pytest.mark.parametrize("make", [lambda: Distillation(Mean(), CachePolicy(2), UniformDraw(6)), FedAvg])
def test_clients_that_never_answer(rate: float, make: Callable[[], Any]) -> None:
    """Row 17: the run completes; where nobody answers, cache and model stay as they are."""
    data, recorder = tiny_data(clients=4), Recorder()
    client = ClientConfig(models="mlp", epochs=1, batch_size=4, dropout_rate=rate)
    method = make()
    trainer, server = tiny_trainer(method, 6, data=data, client=client, callbacks=[recorder])
    before = server.weights()
    trainer.fit(server, data_module(data))
    answered = [len(record.phase.results) for record in recorder.records]
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
        client = ClientConfig(models="mlp", optimizer=explode, on_error=on_error)  # type: ignore[arg-type]
        method = Distillation(Mean(), CachePolicy(2), UniformDraw(6))
        trainer, server = tiny_trainer(method, 2, data=data, client=client, callbacks=[RunFolder(tmp_path)])
        if on_error == "fail":
            with pytest.raises(NonFiniteError, match="round 0: client 0 produced"):
                trainer.fit(server, data_module(data))
        else:
            trainer.fit(server, data_module(data))
            rows = read_rounds(tmp_path / "rounds.csv")
            assert "client 2: round 1: client 2 produced a training loss that is NaN or infinite" in rows[1]["failed"]


@pytest.mark.parametrize("away", [1, 2, 3, 5])
def test_a_client_that_was_away_is_caught_up(away: int) -> None:
    """Row 18: D = 3; away for fewer, as many and more rounds."""

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
    each = Federation(tiny_data(3, 9, 3), ClientConfig(on_error="skip"), method, Away(predict))
    executor: Scripted = each.executor  # type: ignore[assignment]
    for round in range(12):
        each.run_round(round, Still(3))
        assert executor.told[round][1] == executor.told[round][0]
    assert each.ledger.total("down", "catch_up") > 0
