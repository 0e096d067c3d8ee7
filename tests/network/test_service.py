"""A node: what it keeps, what it refuses, and what becomes of it when its disk is gone."""

from __future__ import annotations

import json
import random
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scarlet_pl.cli.join import parse_clients
from scarlet_pl.client import ClientFailure
from scarlet_pl.errors import ConfigError, WireError
from scarlet_pl.methods import Distillation, Method, UniformDraw
from scarlet_pl.network.frames import pack, unpack
from scarlet_pl.network.mail import Correspondent
from scarlet_pl.network.service import NodeService
from scarlet_pl.network.versions import Version, Versions
from scarlet_pl.transport import Packet, Reply

from ..conftest import share, tiny_data, tiny_trainer
from ..naive import data_module
from ..test_halves import CLIENT, METHODS
from ..test_loop import Recorder
from .mail import LocalMail, network, services

FEDERATION = "0" * 32
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)


def service(folder: Path) -> NodeService:
    return services(tiny_data(), CLIENT, METHODS["scarlet"], nodes=1)[0](folder)


def small() -> Method:
    return Distillation(draw=UniformDraw(6))


@given(st.dictionaries(st.text(max_size=5).filter(lambda name: name != "blobs"), PLAIN), st.lists(st.binary()))
def test_frames_come_back(header: dict[str, Any], blobs: list[bytes]) -> None:
    fields, found = unpack(pack(header, blobs))
    assert found == blobs
    assert fields.numbers("blobs", 0, 1 << 20) == [len(blob) for blob in blobs]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"SPL1",
        b"SPL1\xff\xff\xff\xff{}",
        b"SPL2\x02\0\0\0{}",
        b"SPL1\x02\0\0\0{}",
        b"SPL1\x02\0\0\0[]",
        pack({"verb": "join"})[:-1],
        pack({"verb": "join"}) + b"x",
        pack({}, [b"abc"])[:-1],
        b"SPL1" + (len(deep := b"[" * 100_000)).to_bytes(4, "little") + deep,
    ],
)
def test_what_is_no_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(WireError):
        unpack(frame)


ASK = {"verb": "ask", "federation": FEDERATION, "round": 0, "packets": []}
PACKET = {"client": 0, "base": -1, "reset": False, "silent": False, "keep": []}


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"verb": "delete", "federation": FEDERATION}, "no such verb"),
        ({"verb": "join", "federation": "../" * 10 + "ab"}, "32 hexadecimal digits"),
        ({"verb": "join", "federation": "A" * 32}, "32 hexadecimal digits"),
        ({"verb": "join"}, "federation is no text"),
        ({**ASK, "packets": [PACKET]}, "0 payloads for 1 packets"),
        ({**ASK, "round": -1}, "round is no integer"),
        ({**ASK, "round": True}, "round is no integer"),
        ({"verb": "digest", "federation": FEDERATION, "clients": [{"client": 9, "base": -1}]}, "not in this node"),
        ({"verb": "digest", "federation": FEDERATION, "clients": {}}, "clients is no list"),
        ({"verb": "evaluate", "federation": FEDERATION, "clients": [{"client": 0, "base": "x"}]}, "base is no integer"),
    ],
)
def test_bad_requests_are_refused_and_write_nothing(request_: dict[str, Any], why: str, tmp_path: Path) -> None:
    header, _ = unpack(service(tmp_path).handle(pack(request_)))
    assert why in header.text("refused")
    assert not list(tmp_path.rglob("*"))


def test_a_client_twice_in_a_request_is_refused(tmp_path: Path) -> None:
    header, _ = unpack(service(tmp_path).handle(pack({**ASK, "packets": [PACKET, PACKET]}, [b"", b""])))
    assert header.text("refused") == "a client twice"


@pytest.mark.slow
def test_random_requests_are_refused_and_write_nothing(tmp_path: Path) -> None:
    """10,000: random bytes, and good requests with random bytes in them."""
    node, draws = service(tmp_path), random.Random(0)
    good = pack({**ASK, "packets": [PACKET]}, [b"x" * 50])
    for _ in range(10_000):
        request = bytearray(good if draws.random() < 0.7 else draws.randbytes(draws.randint(0, 200)))
        for _ in range(draws.randint(1, 4)):
            if request:
                request[draws.randrange(len(request))] = draws.randrange(256)
        answer, _ = unpack(node.handle(bytes(request)))
        if not answer.has("refused"):  # it was still a request, of a message that the method refuses
            assert all(part.text("kind") in ("wire", "desync") for part in answer.parts("answers"))
    assert not list(tmp_path.rglob("*.version"))


def test_a_damaged_version_is_none(tmp_path: Path) -> None:
    """1,000 flipped bits."""
    versions, draws = Versions(tmp_path), random.Random(0)
    kept = Version(3, "asked", b"payload", {"steps": 3}, None, {"cache": [1, 2]})
    versions.put(1, 4, kept)
    (path,) = tmp_path.rglob("*.version")
    whole = path.read_bytes()
    assert versions.get(1, 4) == kept
    for _ in range(1000):
        bit, data = draws.randrange(8 * len(whole)), bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        assert versions.get(1, 4) is None
    path.write_bytes(whole[:-1])
    assert versions.get(1, 4) is None
    assert versions.get(1, 5) is None


def wiped(folder: Path) -> None:
    shutil.rmtree(folder)


def flipped(folder: Path) -> None:
    for path in folder.rglob("*.version"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)


@pytest.mark.parametrize("harm", [wiped, flipped])
@pytest.mark.parametrize("name", [name for name in METHODS if name != "fedavg"])
def test_a_node_that_lost_its_disk_goes_on(name: str, harm: Callable[[Path], None], tmp_path: Path) -> None:
    """Its clients start anew, and the round says so."""
    data, recorder = tiny_data(clients=4), Recorder()
    mail = LocalMail(services(data, CLIENT, METHODS[name], nodes=2), tmp_path, fresh=True)
    transport = network(mail, 4)

    class Harm(Recorder):
        def on_round_start(self, trainer: Any, server: Any, round: int) -> None:
            if round == 3:
                harm(tmp_path / "1")

    trainer, server = tiny_trainer(
        METHODS[name](), 6, data=data, client=CLIENT, transport=transport, callbacks=[recorder, Harm()], config=share(1)
    )
    trainer.fit(server, data_module(data))
    assert [record.phase.anew for record in recorder.records] == [(), (), (), (1, 3), (), ()]
    assert [len(record.phase.reports) for record in recorder.records] == [4] * 6
    assert transport.statistics["clients_started_anew"] == 2


def test_a_node_keeps_few_versions(tmp_path: Path) -> None:
    """As many as the server can go back to, and the newest."""
    data, sizes = tiny_data(clients=4), list[int]()
    mail = LocalMail(services(data, CLIENT, small, nodes=1), tmp_path)

    class Sizes(Recorder):
        def on_round_end(self, trainer: Any, server: Any, record: Any) -> None:
            trainer.federation.state_dict()  # a checkpoint
            counts = [len(list(client.iterdir())) for client in (tmp_path / "0").glob("*/*")]
            assert max(counts) <= 5
            sizes.append(max(path.stat().st_size for path in tmp_path.rglob("*.version")))

    trainer, server = tiny_trainer(
        small(), 60, data=data, client=CLIENT, transport=network(mail, 4), callbacks=[Sizes()], config=share(0.6)
    )
    trainer.fit(server, data_module(data))
    assert max(sizes) <= 1.1 * max(sizes[:20])


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
    assert node.refused == "one  [2Jtwo"
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


def test_a_client_that_is_tested_after_its_disk_was_lost_still_says_so(tmp_path: Path) -> None:
    """To be tested it starts anew, without a version to test; the next packet finds that out."""
    make = services(tiny_data(), CLIENT, METHODS["individual"], nodes=1)[0]
    assert kinds(make(tmp_path), 0, -1) == ["reply"]
    shutil.rmtree(tmp_path / "0")
    node = make(tmp_path)
    asked = {"federation": FEDERATION, "round": 0, "clients": [{"client": 0, "base": 0}]}
    for verb in ("evaluate", "digest"):
        assert unpack(node.handle(pack({"verb": verb, **asked})))[0].has("answers")
    assert kinds(node, 1, 0) == ["desync"]


def test_a_request_that_comes_late_deletes_nothing_of_later_rounds(tmp_path: Path) -> None:
    node = services(tiny_data(), CLIENT, METHODS["individual"], nodes=1)[0](tmp_path)
    for round in range(3):
        assert kinds(node, round, round - 1) == ["reply"]
    assert kinds(node, 0, -1) == ["reply"]
    assert kinds(node, 3, 2) == ["reply"]
    assert sorted(path.stem for path in tmp_path.rglob("*.version")) == ["2", "3"]


def kinds(node: NodeService, round: int, base: int) -> list[str]:
    """What client 0 answers to an empty packet."""
    ask = {**ASK, "round": round, "packets": [{**PACKET, "base": base}]}
    return [each.text("kind") for each in unpack(node.handle(pack(ask, [b""])))[0].parts("answers")]


@pytest.mark.parametrize("value", ["9" * 400, "-" + "9" * 400, "true", '"1"', "[]"])
def test_what_is_no_number_is_refused(value: str) -> None:
    text = f'{{"loss":{value},"metrics":{{"accuracy":{value}}},"blobs":[]}}'.encode()
    fields, _ = unpack(b"SPL1" + len(text).to_bytes(4, "little") + text)
    with pytest.raises(WireError):
        fields.real("loss")
    with pytest.raises(WireError):
        fields.reals("metrics")


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
    began = time.monotonic()
    assert len(list(network(mail, 1, patience=60.0).exchange(0, [Packet(0, b"")]))) == 1
    assert time.monotonic() - began < 10


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


@pytest.mark.parametrize("text", ["0,7", "5-2,1", "3,9-12", "", "a", "2/2", "0,,1"])
def test_clients_that_there_are_not_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="clients"):
        parse_clients(text, 4)


def test_clients_are_numbers_spans_and_shares() -> None:
    assert parse_clients("3,0-1", 4) == [0, 1, 3]
    assert parse_clients("1/2", 4) == [2, 3]
