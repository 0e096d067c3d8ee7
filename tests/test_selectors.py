"""Clients that label only some of what they are asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.cache import CachePolicy
from scarlet_pl.client import ClientConfig, ClientRunner, ClientSelector, ClientTask
from scarlet_pl.errors import WireError
from scarlet_pl.executors import Executor, Processes, Serial, Threads
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods import Confident, Distillation, EnhancedERA, FixedDraw, Mean, UniformDraw
from scarlet_pl.methods.distillation.links import Coding
from scarlet_pl.methods.distillation.messages import decode_uplink, encode_uplink
from scarlet_pl.wire import Envelope, Float32, LabelCodec, Quantized

from .conftest import tiny_data, tiny_trainer
from .naive import CLIENT, data_module
from .parts import Chosen, NearestOwn
from .test_loop import Recorder

MLP = ClientConfig(models="mlp", epochs=1, distillation_epochs=1, batch_size=4)


class Counted(ClientSelector):
    """Keeps what it was asked, and says what it was told."""

    def __init__(self, answer: Tensor) -> None:
        self.answer = answer
        self.asked: list[tuple[Tensor, Tensor, int]] = []

    def inliers(self, own: Tensor, public: Tensor, draws: torch.Generator) -> Tensor:
        self.asked.append((own, public, draws.initial_seed()))
        return self.answer


def test_a_client_is_asked_once_about_its_own_data() -> None:
    data = tiny_data(clients=2)
    selector = Counted(torch.arange(12) % 3 == 0)
    runner = ClientRunner(MLP, data, 0, selector=selector)
    for round in range(2):
        for client in range(2):
            result = runner.run(ClientTask(client, round, predict=torch.tensor([0, 1, 3, 8, 9])), None)
            assert result.asked is not None
            assert result.asked.tolist() == [0, 3, 9]
            assert result.labels is not None
            assert result.labels.shape == (3, 3)
    assert len(selector.asked) == 2
    for client, (own, public, seed) in enumerate(selector.asked):
        pixels = data.train.batch(data.train_shards[client])["image"].reshape(8, 16)
        assert torch.allclose(own, (pixels / 255 - 0.5) / 0.5)
        assert torch.allclose(public, (data.public.fields["image"].reshape(12, 16) / 255 - 0.5) / 0.5)
        assert seed == rng.derive(0, "select", client=client)


@pytest.mark.parametrize("answer", [torch.ones(11).bool(), torch.ones(12), torch.ones(12, 1).bool()])
def test_a_selectors_mistake_is_named(answer: Tensor) -> None:
    runner = ClientRunner(MLP, tiny_data(clients=2), 0, selector=Counted(answer))
    with pytest.raises(ValueError, match=r"selector Counted gave .* for 12 public samples, not one bool for each"):
        runner.run(ClientTask(0, 0, predict=torch.arange(3)), None)


def test_what_was_not_asked_for_is_refused() -> None:
    coding, request = Coding(Float32(), 20, 3), torch.tensor([2, 5, 9])
    envelope = Envelope("up", "Distillation", 0, 0)
    for sent in ([], [5], [2, 9], [2, 5, 9]):
        labels = SoftLabels(torch.tensor(sent, dtype=torch.int64), torch.full((len(sent), 3), 1 / 3))
        payload = encode_uplink(labels, coding, True).pack(envelope)
        found, message = decode_uplink(payload, envelope, coding, request, True, partial=True)
        assert found.indices.tolist() == sent
        assert torch.equal(found.labels, labels.labels)
        assert message.paper_bytes == 20 * len(sent)
        if len(sent) < 3:
            with pytest.raises(WireError, match="not the 3 requested"):
                decode_uplink(payload, envelope, coding, request, True)
    other = SoftLabels(torch.tensor([5, 6]), torch.full((2, 3), 1 / 3))
    payload = encode_uplink(other, coding, True).pack(envelope)
    with pytest.raises(WireError, match="not all among the 3 requested"):
        decode_uplink(payload, envelope, coding, request, True, partial=True)


def run(executor: Executor, rounds: int = 4, **parts: Any) -> tuple[str, list[Any]]:
    """The digest, and each round's outcome."""
    data, recorder = tiny_data(clients=4), Recorder()
    method = Distillation(**{"aggregator": EnhancedERA(1.5), "cache": CachePolicy(2), "draw": UniformDraw(8), **parts})
    trainer, server = tiny_trainer(method, rounds, data=data, client=CLIENT, executor=executor, callbacks=[recorder])
    trainer.fit(server, data_module(data))
    executor.close()
    return trainer.digest(), [record.phase.outcome for record in recorder.records]


class All(ClientSelector):
    def inliers(self, own: Tensor, public: Tensor, draws: torch.Generator) -> Tensor:
        return torch.ones(len(public), dtype=torch.bool)


class Nothing(ClientSelector):
    def inliers(self, own: Tensor, public: Tensor, draws: torch.Generator) -> Tensor:
        return torch.zeros(len(public), dtype=torch.bool)


def test_one_that_keeps_all_changes_nothing() -> None:
    assert run(Serial(), selector=All())[0] == run(Serial())[0]


def test_where_nothing_is_labelled_the_server_idles_and_the_run_goes_on() -> None:
    _, outcomes = run(Serial(), selector=Nothing())
    assert [outcome.targets for outcome in outcomes] == [None] * 4
    assert all(outcome.clients == (0, 1, 2, 3) for outcome in outcomes)


@pytest.mark.parametrize("codec", [Float32(), Quantized(2, delta=True)], ids=["float32", "delta"])
def test_same_bits_from_threads(codec: LabelCodec) -> None:
    parts: dict[str, Any] = {"selector": Chosen(), "uplink_codec": codec, "aggregator": Confident(Mean(), 1.3)}
    parts |= {"draw": FixedDraw(8)}
    threads = Threads(2)
    threads.workers = 2
    digest, outcomes = run(Serial(), **parts)
    assert run(threads, **parts)[0] == digest
    assert any(not bool(outcome.labels.votes.sent.all()) for outcome in outcomes)
    for outcome in outcomes:
        assert outcome.targets is None or len(outcome.targets.indices) == 8


@pytest.mark.slow
def test_same_bits_from_processes() -> None:
    processes = Processes(2)
    processes.workers = 2
    assert run(processes, selector=NearestOwn())[0] == run(Serial(), selector=NearestOwn())[0]
