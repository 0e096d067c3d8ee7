"""The mean of the server's weights over the steps of a round."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from scarlet_pl.errors import ConfigError
from scarlet_pl.methods import Distillation, FedAvg, Method, UniformDraw
from scarlet_pl.server import ServerConfig
from scarlet_pl.server.averaging import StepAverage

from .conftest import share, tiny_data, tiny_trainer
from .naive import CLIENT, data_module
from .test_loop import Recorder

NORMALISED = "tests.test_client.Normalised"


class Counting(nn.Module):
    """Whose numbers are set by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.register_buffer("seen", torch.zeros(1))
        self.register_buffer("count", torch.zeros(1, dtype=torch.int64))

    def become(self, value: float) -> None:
        for tensor in self.state_dict().values():
            tensor.fill_(value)


@pytest.mark.parametrize(
    ("first", "every", "mean", "count"),
    [(1, 1, 3.5, 6), (6, 1, 6.0, 6), (2, 2, 4.0, 6), (3, 2, 4.0, 5), (2, 3, 3.5, 5), (4, 9, 4.0, 4)],
)
def test_after_the_last_step_the_weights_are_their_mean(first: int, every: int, mean: float, count: int) -> None:
    """After step s all numbers are s, of 6 steps; in two rounds, one like the other."""
    network, average = Counting(), StepAverage(first, every, 6)
    for _ in range(2):
        for step in range(1, 7):
            network.become(step)
            average.after_step(step, network)
            if step < 6:
                assert network.weight.tolist() == [step, step]
        assert network.weight.tolist() == pytest.approx([mean, mean])
        assert network.state_dict()["seen"].item() == pytest.approx(mean)
        assert network.state_dict()["count"].item() == count


def run(method: Method, rounds: int = 3, recorder: Recorder | None = None, model: str = "mlp", **settings: Any) -> Any:
    data = tiny_data()
    server = ServerConfig(model, epochs=2, batch_size=4, **settings)
    callbacks = [recorder] if recorder else []
    trainer, module = tiny_trainer(method, rounds, data=data, client=CLIENT, server=server, callbacks=callbacks)
    trainer.fit(module, data_module(data))
    return trainer


def method() -> Distillation:
    return Distillation(cache=None, draw=UniformDraw(6))


def test_an_average_of_the_last_step_alone_changes_nothing() -> None:
    """A round has 4 steps."""
    plain = run(method()).digest()
    assert run(method(), average_from=4).digest() == plain
    assert run(method(), average_from=3).digest() != plain


def test_the_server_is_tested_with_the_average() -> None:
    """What is recorded is measured with the weights that are there after the round."""
    recorder = Recorder()
    trainer = run(method(), 1, recorder, NORMALISED, average_from=1)
    server, plain = trainer.server, run(method(), 1, None, NORMALISED).server
    after = copy.deepcopy(server.network.state_dict())
    assert any(not torch.equal(value, plain.network.state_dict()[name]) for name, value in after.items())
    measured = recorder.records[0].server["server/loss"]
    trainer.validate(server, data_module(tiny_data()), verbose=False)
    assert float(trainer.callback_metrics["server/loss"]) == pytest.approx(measured, abs=1e-6)


def test_a_round_without_answers_leaves_the_weights() -> None:
    data = tiny_data()
    server = ServerConfig("mlp", epochs=2, batch_size=4, average_from=2)
    trainer, module = tiny_trainer(method(), 2, data=data, server=server, config=share(1.0, 1.0))
    before = copy.deepcopy(module.network.state_dict())
    trainer.fit(module, data_module(data))
    assert all(torch.equal(before[name], value) for name, value in module.network.state_dict().items())


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        (method(), {"average_from": 5}, "average_from: got 5, allowed: at most 4, the server's steps in a round"),
        (method(), {"average_from": 0}, "average_from: got 0, allowed: an integer >= 1"),
        (method(), {"average_every": 0}, "average_every: got 0, allowed: an integer >= 1"),
        (FedAvg(), {"average_from": 1}, "average_from: got 1, allowed: null: the server does not learn"),
    ],
)
def test_bad_settings(method: Method, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"server\.{message}"):
        run(method, **settings)
