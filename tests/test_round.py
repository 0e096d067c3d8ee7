"""The order of a round: who is asked and used when, and what is left when something goes wrong."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from scarlet_pl.cache import CachePolicy
from scarlet_pl.client import ClientFailure
from scarlet_pl.methods import Distillation, DrawPolicy, FedAvg, FixedDraw, Mean, RoundPlan, UniformDraw, Upload
from scarlet_pl.transport import ClientReport, Reply, in_order
from scarlet_pl.wire import Float16, Quantized
from scarlet_pl.wire.ledger import columns

from .conftest import Scripted, node, scripted, tiny_data, tiny_trainer
from .naive import CLIENT, data_module
from .test_methods import noise


def still(client: int, round: int, request: Tensor) -> Tensor:
    """Labels that stay as they are, so that delta coding leaves them out."""
    return torch.rand(400, 3, generator=torch.Generator().manual_seed(client)).mul(9).softmax(-1)[request]


LOST = pytest.mark.parametrize("cache", [None, CachePolicy(4)], ids=["no cache", "cache"])


@LOST
@pytest.mark.parametrize("indices", ["explicit", "seeded"])
@pytest.mark.parametrize("draw", [FixedDraw(200), UniformDraw(200)])
def test_a_client_that_lost_its_memory_starts_anew(cache: CachePolicy | None, indices: Any, draw: DrawPolicy) -> None:
    """Cache and delta references are gone; the server notices, forgets them, too, and sends all again, once."""
    codecs: dict[str, Any] = {"uplink_codec": Float16(delta=True), "downlink_codec": Quantized(2, delta=True)}
    executor = Scripted(still)
    method = Distillation(Mean(), cache, draw, indices=indices, **codecs)
    federation = scripted(method, executor, clients=3, public=400, classes=3)
    for round in range(4):
        federation.run_round(round)
    node(federation).side.remember(1, None)
    for round in range(4, 9):
        phase = federation.run_round(round)
        assert phase.outcome.clients == (0, 1, 2)
        assert executor.given[round][1] == executor.given[round][0]
        sent = phase.traffic.bytes[:, columns().index("down/frame")].tolist()
        assert (sent[1] > 1.5 * sent[0]) == (round == 4)  # a second message


def test_a_client_that_was_to_start_anew_does_so_when_the_round_is_repeated() -> None:
    """Also where the first try ended between what it had lost and what it was sent instead."""
    codec = Quantized(2, delta=True)
    executor = Scripted(still)
    method = Distillation(Mean(), None, FixedDraw(200), codec, codec)
    federation = scripted(method, executor, clients=3, public=400, classes=3)
    for round in range(4):
        federation.run_round(round)
    node(federation).side.remember(1, None)

    def stop(report: ClientReport) -> None:
        if report.client == 0:
            raise KeyboardInterrupt

    real = method.forget
    method.forget = lambda client: (real(client), stop(ClientReport(0)))  # type: ignore[method-assign,assignment]
    with pytest.raises(KeyboardInterrupt):
        federation.run_round(4)
    method.forget = real  # type: ignore[method-assign]
    again = scripted(
        Distillation(Mean(), None, FixedDraw(200), codec, codec), executor, clients=3, public=400, classes=3
    )
    again.load_state_dict(federation.state_dict())
    for each in (federation, again):
        for round in range(4, 7):
            assert each.run_round(round).outcome.clients == (0, 1, 2)
            assert executor.given[round][1] == executor.given[round][0]
    assert federation.digest() == again.digest()


def replies(*clients: int) -> Iterator[Reply]:
    return (Reply(client, b"", ClientReport(client)) for client in clients)


def test_answers_are_used_in_client_order() -> None:
    """Whatever order they come in, and each as soon as it can be: the aggregate is a sum of floats."""
    came = []

    def coming() -> Iterator[Reply]:
        for reply in replies(4, 1, 0, 2):
            came.append(reply.client)
            yield reply

    used = [(answer.client, len(came)) for answer in in_order(coming(), [0, 1, 2, 4])]
    assert used == [(0, 3), (1, 3), (2, 4), (4, 4)]


def test_every_client_answers_once() -> None:
    with pytest.raises(ValueError, match="client 1 answered twice, or was not asked"):
        list(in_order(replies(0, 1, 1), [0, 1]))
    with pytest.raises(ValueError, match="client 7 answered twice, or was not asked"):
        list(in_order(replies(0, 7), [0, 1]))
    answers = list(in_order(replies(2, 0), [0, 1, 2]))
    assert [answer.client for answer in answers] == [0, 1, 2]
    assert isinstance(answers[1], ClientFailure)


@pytest.mark.parametrize("place", ["downlink", "collect", "on_client_end"])
def test_no_exception_ends_a_round_early_without_a_word(place: str) -> None:
    """Of all, `StopIteration` would: to an iterator it is the end."""

    def stop(*args: Any) -> Any:
        raise StopIteration

    method = Distillation(Mean(), None, UniformDraw(5))
    federation = scripted(method, Scripted(noise), clients=4, public=9, classes=3)
    if place != "on_client_end":
        setattr(method, place, stop)
    before = federation.digest()
    with pytest.raises(RuntimeError, match="StopIteration"):
        federation.run_round(0, None, *([stop] if place == "on_client_end" else []))
    assert federation.digest() == before


def test_fedavg_holds_no_upload_longer_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: weakref.WeakSet[Upload] = weakref.WeakSet()
    most, made = 0, FedAvg.collect

    def collect(self: FedAvg, plan: RoundPlan, client: int, payload: bytes) -> Upload:
        nonlocal most
        upload = made(self, plan, client, payload)
        alive.add(upload)
        most = max(most, len(alive))
        return upload

    monkeypatch.setattr(FedAvg, "collect", collect)
    monkeypatch.setattr(Upload, "__hash__", object.__hash__)
    data = tiny_data(clients=12)
    trainer, server = tiny_trainer(FedAvg(), 2, data=data, client=replace(CLIENT))
    trainer.fit(server, data_module(data))
    assert most == 1
