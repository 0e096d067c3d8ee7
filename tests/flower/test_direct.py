"""Nodes of our own, at a real SuperLink."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from scarlet_pl.errors import ConfigError
from scarlet_pl.flower.direct import attend
from scarlet_pl.flower.link import Link, free_port
from tests.flower.apps import Run, start_node
from tests.flower.proxy import BreakingProxy

pytestmark = [pytest.mark.slow, pytest.mark.full]


def test_two_nodes_answer_also_20_megabytes(tmp_path: Path) -> None:
    with Link(tmp_path / "link") as link:
        nodes = {start_node(link, name).pid for name in ("a", "b")}
        run = Run(link, tmp_path / "run", leaves=tmp_path / "ran", nodes=2, requests=["hello", "#20000000", "#0"])
        lines: list[str] = []
        link.follow(run.number, lines.append)
        assert any("the server began" in line for line in lines)
        assert run.end() == "finished:completed"
        assert run.facts("gone") == [{**run.facts("gone")[0], "gone": None}]
        assert run.exit_file.read_text() == "0\n"
        answers = run.facts("answer")
        assert [answer["size"] for answer in answers] == [5, 5, 20_000_000, 20_000_000, 0, 0]
        assert {answer["answer"] for answer in answers} == nodes
        assert not (tmp_path / "ran").exists()  # no code that came over the network
    assert link.children.alive() == []


def test_connections_that_break_cost_no_message(tmp_path: Path) -> None:
    with Link(tmp_path / "link", database=False) as link, closing(BreakingProxy(link.address, 10_000, seed=0)) as proxy:
        node = start_node(link, "a", at=proxy.address)
        requests = [f"#{size}" for size in (10, 1_000, 20_000, 0)]
        run = Run(link, tmp_path / "run", nodes=1, requests=requests)
        assert run.end() == "finished:completed"
        answers = run.facts("answer")
        assert [answer["size"] for answer in answers] == [10, 1_000, 20_000, 0]
        assert {answer["answer"] for answer in answers} == {node.pid}
        assert proxy.broken > 3
        assert len({fact["sent"][0] for fact in run.facts("sent")}) == 1  # it stays the same node


def test_a_node_waits_for_a_superlink_and_gives_up_in_a_line(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port('127.0.0.1')}"
    with pytest.raises(ConfigError, match=rf"superlink: got '{address}', allowed: one that answers within 1 s"):
        attend(address, bytes, wait=1, stop=threading.Event())
    stop = threading.Event()
    threading.Timer(1, stop.set).start()
    attend(address, bytes, stop=stop)
