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
from scarlet_pl.methods import Distillation, EnhancedERA, FedAvg, FixedDraw, Individual, Mean, Method, UniformDraw
from scarlet_pl.round import in_order
from scarlet_pl.transport import ClientReport, Packet, Reply, Transport
from scarlet_pl.wire import Float16, Quantized

from .conftest import Scripted, node, scripted, tiny_data, tiny_trainer
from .far import FarClients, make_node
from .naive import data_module
from .test_loop import Recorder
from .test_methods import noise

CLIENT = ClientConfig(models="mlp", epochs=1, distillation_epochs=1, batch_size=4, on_error="skip", dropout_rate=0.2)


def scarlet(**parts: Any) -> Method:
    return Distillation(EnhancedERA(1.5), CachePolicy(2), UniformDraw(6), participation=0.7, **parts)


def cfd() -> Method:
    codec = Quantized(1, delta=True)
    parts: dict[str, Any] = {"client_start": "common", "server_labels": "predictions"}
    return Distillation(Mean(), None, FixedDraw(6), codec, codec, participation=0.7, **parts)


METHODS: dict[str, Callable[[], Method]] = {
    "scarlet": scarlet,
    "scarlet, 1 bit": partial(scarlet, uplink_codec=Quantized(1), downlink_codec=Quantized(1, delta=True)),
    "cfd with delta": cfd,
    "seeded indices": partial(scarlet, indices="seeded", uplink_codec=Float16(delta=True)),
    "fedavg": partial(FedAvg, 0.7),
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
        make(), 8, data=data, client=client, transport=Tampered(clients), callbacks=callbacks
    )
    trainer.fit(server, data_module(data))
    scalars = [{**record.scalars(), "seconds": None} for record in recorder.records]
    return trainer.digest(), [
        (values, [failure.client for failure in record.phase.failures])
        for values, record in zip(scalars, recorder.records, strict=True)
    ]


@pytest.mark.parametrize("fresh", [False, True], ids=["one process", "a fresh process a message"])
@pytest.mark.parametrize("name", METHODS)
def test_clients_elsewhere_give_the_same_run(name: str, fresh: bool, tmp_path: Path) -> None:
    """Bytes alone, answers shuffled, drop-out and refused uploads among them: digest and records as in one process."""
    client, make = replace(CLIENT, keep_optimizer=fresh), METHODS[name]
    near = run(make, make_node(tiny_data(clients=5), client, make()), client)
    far = FarClients(lambda: make_node(tiny_data(clients=5), client, make()), tmp_path if fresh else None)
    assert run(make, far, client) == near
    far.end()
    failed = [each for _, clients in near[1] for each in clients]
    assert len(failed) >= 3 or name == "individual"
    assert len(list(tmp_path.iterdir())) <= 2 * 5  # each client as of its base and as of its last answer


@pytest.mark.parametrize("indices", ["explicit", "seeded"])
def test_a_client_that_lost_its_memory_starts_anew(indices: Any) -> None:
    """Cache and delta references are gone; the server is told so and forgets them, too."""
    codecs: dict[str, Any] = {"uplink_codec": Float16(delta=True), "downlink_codec": Quantized(2, delta=True)}
    executor = Scripted(noise)
    method = Distillation(Mean(), CachePolicy(4), FixedDraw(5), indices=indices, **codecs)
    federation = scripted(method, executor, clients=3, public=9, classes=3)
    for round in range(3):
        federation.run_round(round)
    node(federation).side.remember(1, None)
    phases = [federation.run_round(round) for round in range(3, 9)]
    assert all(phase.outcome.clients == (0, 1, 2) for phase in phases)
    assert [phase.traffic.part("down", "catch_up") > 0 for phase in phases] == [True] + 5 * [False]
    assert all(executor.given[round][1] == executor.given[round][0] for round in range(3, 9))


def test_a_memory_that_is_cleared_and_restored_is_the_same() -> None:
    for make in METHODS.values():
        data = tiny_data(clients=5)
        clients = make_node(data, CLIENT, make())
        trainer, server = tiny_trainer(make(), 4, data=data, client=CLIENT, transport=clients)
        trainer.fit(server, data_module(data))
        before = clients.digests()
        memories = {client: clients.side.memory(client) for client in range(5)}
        for client in range(5):
            clients.side.remember(client, None)
        for client, memory in memories.items():
            clients.side.remember(client, memory)
        assert clients.digests() == before


def test_answers_are_used_in_client_order() -> None:
    """Whatever order they come in: the aggregate is a sum of floats."""
    replies = [Reply(client, b"", ClientReport(client)) for client in (4, 1, 7, 0, 2)]
    assert [answer.client for answer in in_order(iter(replies), [0, 1, 2, 4])] == [0, 1, 2, 4, 7]
    arrived = []
    for answer in in_order((arrived.append(reply.client) or reply for reply in replies), [4, 0, 1]):  # type: ignore[func-returns-value]
        if answer.client == 4:
            assert arrived == [4]  # as soon as it can be
