"""Nodes that are refused, absent, late or wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scarlet_pl.client import ClientFailure
from scarlet_pl.errors import ClientError
from scarlet_pl.network.frames import pack, unpack
from scarlet_pl.network.mail import Correspondent
from scarlet_pl.transport import Packet, Reply

from ..conftest import share, tiny_data, tiny_trainer
from ..naive import data_module
from ..test_halves import CLIENT, METHODS
from ..test_loop import Recorder
from .mail import FEDERATION, LocalMail, network, service, services, small


def test_a_node_with_another_configuration_is_refused(tmp_path: Path) -> None:
    """By field; the run waits for one with the same."""
    mail = LocalMail(services(tiny_data(clients=4), CLIENT, small, nodes=1), tmp_path)
    other = mail.up[0]
    other._agreement = {"seed": "1", "client.epochs": "5"}
    transport = network(mail, 4, deadline=1.0, min_clients=0)
    refused = pytest.warns(
        UserWarning, match=r"node 0 is refused: client.epochs 5 there, nothing here; seed 1 there, 0 h"
    )
    with refused, pytest.warns(UserWarning, match="the digest is without clients 0, 1, 2, 3"):
        assert transport.digests() == {}
    assert transport._directory.homes == {}
    assert other.refused == "client.epochs nothing there, 5 here; seed 0 there, 1 here"


def test_why_a_node_is_refused_is_one_printable_line(tmp_path: Path) -> None:
    node = service(tmp_path)
    for why in (3, "x" * 2001, None):
        header, _ = unpack(node.handle(pack({"verb": "refuse", "federation": FEDERATION, "why": why})))
        assert header.has("refused")
        assert node.refused == ""
    node.handle(pack({"verb": "refuse", "federation": FEDERATION, "why": "one\n\x1b[2Jtwo"}))
    assert node.refused == "one??[2Jtwo"
    assert not list(tmp_path.iterdir())


def test_who_does_not_answer_in_time_has_failed(tmp_path: Path) -> None:
    """With `skip` the round goes on without them."""
    data, recorder = tiny_data(clients=4), Recorder()

    class Deaf(LocalMail):
        def deliver(self, number: int, request: bytes) -> None:
            asked = json.loads(request[8 : 8 + int.from_bytes(request[4:8], "little")])
            if number == 0 or asked["verb"] == "join":
                super().deliver(number, request)

    mail = Deaf(services(data, CLIENT, small, nodes=2), tmp_path)
    transport = network(mail, 4, deadline=0.2, min_clients=1)
    trainer, server = tiny_trainer(
        small(),
        2,
        data=data,
        client=CLIENT,
        transport=transport,
        callbacks=[recorder],
        config=share(1, on_error="skip"),
        eval_clients_every_n_rounds=0,
    )
    with pytest.warns(UserWarning, match="the clients' test is without clients 1, 3"):
        trainer.fit(server, data_module(data))
    failures = [[failure.client for failure in record.phase.failures] for record in recorder.records]
    assert failures == [[1, 3], [1, 3]]
    assert "did not answer within 0.2 s" in str(recorder.records[0].phase.failures[0].error)
    assert recorder.records[1].scalars()["client/accuracy"] is not None  # of those who can be reached


def test_what_a_node_measured_wrongly_is_left_out(tmp_path: Path) -> None:
    """Its metrics are no numbers, or lack a name: the others' count."""

    class Liar(LocalMail):
        def deliver(self, number: int, request: bytes) -> None:
            super().deliver(number, request)
            answer = self.answers[len(self.sent)]
            if isinstance(answer, bytes) and b'"evaluate"' in request and number:
                bad = b'"accuracy":"x"' if number == 1 else b'"accurate":1'
                header, blobs = answer[8:].replace(b'"accuracy":', b'"accuracy": '), b""
                header = re.sub(rb'"accuracy": [0-9.e-]+', bad, header)
                self.answers[len(self.sent)] = answer[:4] + len(header).to_bytes(4, "little") + header + blobs

    data = tiny_data(clients=3)
    mail = Liar(services(data, CLIENT, small, nodes=3), tmp_path)
    trainer, server = tiny_trainer(small(), 1, data=data, client=CLIENT, transport=network(mail, 3), config=share(1))
    with pytest.warns(UserWarning, match="client 1: metrics has what is no number"):  # noqa: PT031 (in both)
        trainer.fit(server, data_module(data))
        found = trainer.federation.evaluate_clients(1, trainer.server)
    assert found == {}  # no metric that all of them have


def test_a_deadline_does_not_wait_for_who_would_be_silent(tmp_path: Path) -> None:
    """All others have answered, and the silent ones' node is not there."""

    class Deaf(LocalMail):
        def deliver(self, number: int, request: bytes) -> None:
            if number == 0 or b'"verb":"join"' in request:
                super().deliver(number, request)

    mail = Deaf(services(tiny_data(clients=4), CLIENT, METHODS["individual"], nodes=2), tmp_path)
    packets = [Packet(client, b"", silent=client % 2 == 1) for client in range(4)]
    answers = list(network(mail, 4, deadline=0.3, min_clients=1).exchange(0, packets))
    assert sorted(answer.client for answer in answers) == [0, 2]


def test_who_answers_though_it_is_silent_has_failed(tmp_path: Path) -> None:
    class Loud(LocalMail):
        def deliver(self, number: int, request: bytes) -> None:
            header, blobs = unpack(request)
            for part in header._values.get("packets", []):
                part["silent"] = False
            super().deliver(number, pack(header._values, blobs))

    mail = Loud(services(tiny_data(clients=2), CLIENT, METHODS["individual"], nodes=1), tmp_path)
    packets = [Packet(0, b""), Packet(1, b"", silent=True)]
    one, other = sorted(network(mail, 2).exchange(0, packets), key=lambda answer: answer.client)
    assert isinstance(one, Reply)
    assert isinstance(other, ClientFailure)
    assert "answered, and was not to" in str(other.error)


class Named(LocalMail):
    """One node with a name, which is as often there again as it loses a request."""

    came, lose = 0, 1

    def nodes(self) -> list[Correspondent]:
        return [Correspondent(number, f"node {number}", str(self.came)) for number in self.up]

    def deliver(self, number: int, request: bytes) -> None:
        if b'"verb":"ask"' in request and self.came < self.lose:
            self.came += 1
        else:
            super().deliver(number, request)


def test_a_node_that_started_again_under_its_number_is_asked_at_once(tmp_path: Path) -> None:
    mail = Named(services(tiny_data(clients=1), CLIENT, METHODS["individual"], nodes=1), tmp_path)
    assert len(list(network(mail, 1, patience=1e6).exchange(0, [Packet(0, b"")]))) == 1


def test_where_two_nodes_have_a_client_the_other_takes_over(tmp_path: Path) -> None:
    """The one that came last has it, until it is gone."""

    class Two(LocalMail):
        def nodes(self) -> list[Correspondent]:
            return [Correspondent(number) for number in self.ids]

    (make,) = services(tiny_data(clients=1), CLIENT, METHODS["individual"], nodes=1)
    mail = Two([make, lambda folder: make(folder / "other")], tmp_path)
    transport = network(mail, 1, patience=60.0)
    assert len(list(transport.exchange(0, [Packet(0, b"")]))) == 1
    first = transport._directory.homes[0]
    del mail.ids[first.id]
    assert len(list(transport.exchange(1, [Packet(0, b"")]))) == 1
    assert transport._directory.homes[0] != first


def test_a_client_with_an_owner_is_not_for_a_node_without_a_name(tmp_path: Path) -> None:
    mail = LocalMail(services(tiny_data(clients=1), CLIENT, METHODS["individual"], nodes=1), tmp_path)
    transport = network(mail, 1, deadline=0.2)
    transport._directory.owners[0] = "hospital"
    with pytest.warns(UserWarning, match="node 0 is refused: client 0 belongs to hospital"):
        assert list(transport.exchange(0, [Packet(0, b"", silent=True)])) == []
    assert transport._directory.homes == {}


def test_a_test_that_fails_ends_the_run_and_is_not_asked_for_ever(tmp_path: Path) -> None:
    data = tiny_data(clients=3)
    mail = LocalMail(services(data, CLIENT, small, nodes=1), tmp_path)

    def broken(*arguments: Any) -> Any:
        raise RuntimeError("no such metric\n\x1b[2J")

    mail.up[0]._node.evaluate = broken  # type: ignore[method-assign]
    trainer, server = tiny_trainer(small(), 1, data=data, client=CLIENT, transport=network(mail, 3), config=share(1))
    with pytest.raises(ClientError, match=r"no such metric \?\[2J"):
        trainer.fit(server, data_module(data))
