"""One digest from every executor."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Literal

import pytest

from scarlet_pl.cache import CachePolicy
from scarlet_pl.client import ClientConfig
from scarlet_pl.executors import Auto, Executor, Processes, RunnerSpec, Serial, Threads
from scarlet_pl.executors.cores import cores
from scarlet_pl.methods import Distillation, EnhancedERA, FedAvg, FixedDraw, Mean, Method, UniformDraw
from scarlet_pl.wire import Quantized

from .conftest import share, tiny_data, tiny_trainer
from .naive import CLIENT, data_module


def scarlet() -> Method:
    return Distillation(EnhancedERA(1.5), CachePolicy(2), UniformDraw(6))


def cfd() -> Method:
    codec = Quantized(1, delta=True)
    parts: dict[str, Any] = {"client_start": "common", "server_labels": "predictions", "indices": "seeded"}
    return Distillation(Mean(), None, FixedDraw(6), codec, codec, **parts)


METHODS: dict[str, Callable[[], Method]] = {"scarlet": scarlet, "cfd": cfd, "fedavg": FedAvg}


def digest(
    method: Method, executor: Executor, client: ClientConfig = CLIENT, part: float = 1.0, store: Any = "memory"
) -> str:
    data = tiny_data(clients=5)
    trainer, server = tiny_trainer(
        method, 4, data=data, client=client, executor=executor, config=share(part, store=store)
    )
    trainer.fit(server, data_module(data))
    executor.close()
    return trainer.digest()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("participation", [0.4, 1.0])
@pytest.mark.parametrize("workers", [2, *(pytest.param(workers, marks=pytest.mark.slow) for workers in (1, 4))])
def test_threads_give_the_bits_of_serial(name: str, participation: float, workers: int) -> None:
    make = METHODS[name]
    executor = Threads(workers)
    executor.workers = workers  # also more than there are cores, against the cap
    assert digest(make(), executor, part=participation) == digest(make(), Serial(), part=participation)


FEW = [("cfd", 0.4, 2)]
"""Starting processes takes its time."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "participation", "workers"),
    [
        pytest.param(*case, marks=() if case in FEW else pytest.mark.full)
        for case in itertools.product(METHODS, [0.4, 1.0], [2, 4])
    ],
)
def test_processes_give_the_bits_of_serial(
    name: str, participation: float, workers: int, processes: Callable[[int], Processes]
) -> None:
    make = METHODS[name]
    serial = digest(make(), Serial(), part=participation)
    assert digest(make(), processes(workers), part=participation) == serial


@pytest.mark.full
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("store", ["memory", "disk"])
def test_batch_normalisation_crosses_to_processes(
    store: Literal["memory", "disk"], workers: int, processes: Callable[[int], Processes]
) -> None:
    """Its state has whole numbers beside the floats."""
    client = ClientConfig(models="resnet20", batch_size=4, epochs=1, distillation_epochs=1)
    assert digest(scarlet(), processes(workers), client, store=store) == digest(scarlet(), Serial(), client)


DROPOUT = ClientConfig(models=[{"name": "tests.test_client.Dropping"}], batch_size=4)


def test_dropout_in_clients_keeps_the_contract() -> None:
    with pytest.warns(UserWarning, match="one at a time"):
        threads = digest(scarlet(), Threads(2), DROPOUT)
    assert threads == digest(scarlet(), Serial(), DROPOUT)
    assert threads == digest(scarlet(), Serial(), DROPOUT)


def test_auto_takes_processes_only_for_networks_that_draw_globally() -> None:
    auto = Auto()
    auto.workers = 2
    auto.setup(RunnerSpec(CLIENT, tiny_data(), 0))
    assert isinstance(auto.chosen, Threads)
    with pytest.warns(UserWarning, match="they run in processes"):
        auto.setup(RunnerSpec(DROPOUT, tiny_data(), 0))
    assert isinstance(auto.chosen, Processes)
    auto.share(processes=2 * cores())
    auto.setup(RunnerSpec(DROPOUT, tiny_data(), 0))
    assert isinstance(auto.chosen, Serial)
    assert digest(scarlet(), Auto(), part=0.4) == digest(scarlet(), Serial(), part=0.4)
