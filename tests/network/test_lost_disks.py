"""What a node keeps on its disk, and what becomes of it when that is gone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scarlet_pl.network.frames import pack, unpack

from ..conftest import share, tiny_data, tiny_trainer
from ..naive import data_module
from ..test_halves import CLIENT, METHODS
from ..test_loop import Recorder
from .mail import FEDERATION, LocalMail, kinds, network, services, small


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


@pytest.mark.slow
@pytest.mark.parametrize(("every", "files"), [(1, 3), (3, 4)])
def test_a_node_keeps_few_versions(every: int, files: int, tmp_path: Path) -> None:
    """The newest, the one that it went on from, and the two that the server can go back to; over 200 rounds of which
    every `every`th is saved."""
    data, sizes, counts = tiny_data(clients=4), list[int](), list[int]()
    mail = LocalMail(services(data, CLIENT, small, nodes=1), tmp_path)

    class Sizes(Recorder):
        def on_round_end(self, trainer: Any, server: Any, record: Any) -> None:
            counts.append(max(len(list(client.iterdir())) for client in (tmp_path / "0").glob("*/*")))
            sizes.append(sum(path.stat().st_size for path in tmp_path.rglob("*.version")))
            if record.round % every == 0:
                trainer.federation.transport.saved()

    trainer, server = tiny_trainer(
        small(), 200, data=data, client=CLIENT, transport=network(mail, 4), callbacks=[Sizes()], config=share(0.6)
    )
    trainer.fit(server, data_module(data))
    assert max(counts) == files
    assert max(sizes) <= 1.1 * max(sizes[:30])


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
