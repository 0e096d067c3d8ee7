"""The clients' half somewhere else: a run that ends with the digest of the run in one process."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scarlet_pl.cache import CachePolicy
from scarlet_pl.callbacks import CommunicatedBytes
from scarlet_pl.client import ClientConfig, ClientFailure
from scarlet_pl.methods import (
    Distillation,
    EnhancedERA,
    FedAvg,
    FixedDraw,
    Individual,
    Mean,
    Method,
    Population,
    UniformDraw,
)
from scarlet_pl.node import Node
from scarlet_pl.transport import Packet, Reply, Transport
from scarlet_pl.wire import Float16, Quantized

from .conftest import share, tiny_data, tiny_trainer
from .far import FarClients, make_node
from .naive import data_module
from .test_loop import Recorder

CLIENT = ClientConfig(models="mlp", epochs=1, distillation_epochs=1, batch_size=4)
CONFIG = share(0.7, 0.2, on_error="skip")


def scarlet(**parts: Any) -> Method:
    return Distillation(EnhancedERA(1.5), CachePolicy(2), UniformDraw(6), **parts)


def cfd() -> Method:
    codec = Quantized(1, delta=True)
    parts: dict[str, Any] = {"client_start": "common", "server_labels": "predictions"}
    return Distillation(Mean(), None, FixedDraw(6), codec, codec, **parts)


METHODS: dict[str, Callable[[], Method]] = {
    "scarlet": scarlet,
    "scarlet, 1 bit": partial(scarlet, uplink_codec=Quantized(1), downlink_codec=Quantized(1, delta=True)),
    "cfd with delta": cfd,
    "seeded indices": partial(scarlet, indices="seeded", uplink_codec=Float16(delta=True)),
    "fedavg": FedAvg,
    "individual": Individual,
}


class Tampered(Transport):
    """Clients some of whose uploads arrive damaged."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner

    def exchange(self, round: int, packets: Iterable[Packet]) -> Iterator[Reply | ClientFailure]:
        for answer in self.inner.exchange(round, packets):
            if isinstance(answer, Reply) and answer.payload and (answer.client + 2 * round) % 5 == 1:
                damaged = bytearray(answer.payload)
                damaged[len(damaged) // 2] ^= 4
                answer = Reply(answer.client, bytes(damaged), answer.report)
            yield answer

    def settle(self, round: int, accepted: Collection[int]) -> None:
        self.inner.settle(round, accepted)

    def evaluate(self, round: int, clients: Iterable[int], weights: bytes | None = None) -> dict[int, float]:
        return self.inner.evaluate(round, clients, weights)

    def digests(self) -> dict[int, str]:
        return self.inner.digests()

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state_dict(state)


def run(make: Callable[[], Method], clients: Transport, client: ClientConfig) -> tuple[str, list[Any]]:
    """The digest after eight rounds, and what each round recorded."""
    data, recorder = tiny_data(clients=5), Recorder()
    callbacks = [recorder, CommunicatedBytes()]
    trainer, server = tiny_trainer(
        make(), 8, data=data, client=client, transport=Tampered(clients), callbacks=callbacks, config=CONFIG
    )
    trainer.fit(server, data_module(data))
    scalars = [{**record.scalars(), "seconds": None} for record in recorder.records]
    return trainer.digest(), [
        (values, [failure.client for failure in record.phase.failures])
        for values, record in zip(scalars, recorder.records, strict=True)
    ]


def near_clients(name: str, client: ClientConfig) -> Node:
    return make_node(tiny_data(clients=5), client, METHODS[name]())


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("fresh", [False, True], ids=["one process", "a fresh process a message"])
@pytest.mark.parametrize("name", METHODS)
def test_clients_elsewhere_give_the_same_run(name: str, fresh: bool, keep: bool, tmp_path: Path) -> None:
    """Bytes alone, answers shuffled, drop-out and refused uploads among them: digest and records as in one process."""
    client = replace(CLIENT, keep_optimizer=keep)
    near = run(METHODS[name], near_clients(name, client), client)
    far = FarClients(partial(near_clients, name, client), tmp_path if fresh else None)
    assert run(METHODS[name], far, client) == near
    far.end()
    failed = [each for _, clients in near[1] for each in clients]
    assert len(failed) >= 3 or name == "individual"
    assert bool(list(tmp_path.iterdir())) == fresh


@pytest.mark.slow
def test_clients_in_a_process_that_shares_nothing_give_the_same_run() -> None:
    """Started anew and not forked, it has not even the server's memory of the time before the run."""
    near = run(METHODS["seeded indices"], near_clients("seeded indices", CLIENT), CLIENT)
    far = FarClients(partial(near_clients, "seeded indices", CLIENT), start="spawn")
    assert run(METHODS["seeded indices"], far, CLIENT) == near
    far.end()


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("fedavg", "individual")])
def test_a_memory_can_be_cleared_and_restored(name: str) -> None:
    data, clients = tiny_data(clients=5), near_clients(name, CLIENT)
    trainer, server = tiny_trainer(METHODS[name](), 4, data=data, client=CLIENT, transport=clients, config=CONFIG)
    trainer.fit(server, data_module(data))
    before = clients.digests()
    memories = {client: clients.side.memory(client) for client in before}
    assert all(memory is not None for memory in memories.values())
    for client in before:
        clients.side.remember(client, None)
    assert all(clients.side.memory(client) is None for client in before)
    assert not set(clients.digests().values()) & set(before.values())
    for client, memory in memories.items():
        clients.side.remember(client, memory)
    assert clients.digests() == before


@pytest.mark.parametrize(
    ("name", "keep", "read"), [("fedavg", False, 0), ("cfd with delta", False, 0), ("scarlet", False, 24)]
)
def test_a_state_that_is_not_needed_is_not_read(name: str, keep: bool, read: int) -> None:
    """FedAvg's clients start from the server's weights, CFD's from a random network; SCARLET's from their own."""
    data, client = tiny_data(clients=5), replace(CLIENT, keep_optimizer=keep)
    clients = near_clients(name, client)
    counted, get = [], clients.states.get
    clients.states.get = lambda number: (counted.append(number), get(number))[1]  # type: ignore[method-assign,func-returns-value]
    method = METHODS[name]()
    method.setup(Population(0, 5, 12, 3))
    trainer, server = tiny_trainer(
        method, 8, data=data, client=client, transport=clients, config=share(0.7), eval_clients_every_n_rounds=0
    )
    trainer.fit(server, data_module(data))
    tested = 0 if name == "fedavg" else 5  # of the last round
    assert len(counted) == read + tested
