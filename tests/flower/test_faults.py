"""Whatever is killed: nodes come back, and what was asked is asked again."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from scarlet_pl.flower.link import Link
from tests.flower.apps import LONG, Run, start_node, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.full]


def test_a_node_that_is_killed_comes_back_as_another_and_is_asked_again(tmp_path: Path) -> None:
    with Link(tmp_path / "link") as link:
        node = start_node(link, "a")
        run = Run(link, tmp_path / "run", nodes=1, requests=["hello", f"stuck {tmp_path / 'flag'}", "hello"])
        wait_for((tmp_path / "flag").exists)
        node.kill()
        node.wait()
        lost = run.wait_for("undelivered")[0]  # after 20 s; a SuperNode is missed after 60
        assert lost["undelivered"].startswith("NODE_UNAVAILABLE")
        other = start_node(link, "b")
        assert run.end() == "finished:completed"
        assert [fact["answer"] for fact in run.facts("answer")] == [node.pid, other.pid, other.pid]
        ids = [fact["sent"] for fact in run.facts("sent")]
        assert ids[0] == ids[1] != ids[2] == ids[3]


def test_a_run_that_is_stopped_leaves_nodes_as_they_are(tmp_path: Path) -> None:
    with Link(tmp_path / "link") as link:
        node = start_node(link, "a")
        stopped = Run(link, tmp_path / "stopped", nodes=1, requests=["sleep 12"])
        stopped.wait_for("sent")
        wait_for(lambda: link.status(stopped.number) == "running")
        link.stop(stopped.number)
        assert stopped.end() == "finished:stopped"
        run = Run(link, tmp_path / "run", nodes=1, requests=["hello"])
        assert run.end() == "finished:completed"
        assert [fact["answer"] for fact in run.facts("answer")] == [node.pid]
        assert "an answer is dropped" in (link.folder / "a.log").read_text()


@pytest.mark.parametrize("database", [True, False])
def test_a_superlink_that_is_killed_and_comes_back_finds_its_nodes(tmp_path: Path, database: bool) -> None:
    with Link(tmp_path / "link", database=database) as link:
        nodes = {start_node(link, name).pid for name in ("a", "b")}
        run = Run(link, tmp_path / "run", nodes=2, requests=["sleep 8"])
        run.wait_for("sent")
        before = link.children.alive()
        link.process.kill()
        wait_for(lambda: set(link.children.alive()) == nodes)  # the SuperExec and the server are gone with it
        assert len(before) > 3
        link.start()
        again = Run(link, tmp_path / "again", nodes=2, requests=["hello"])
        assert again.end() == "finished:completed"
        assert {fact["answer"] for fact in again.facts("answer")} == nodes
        assert ("joins anew" in (link.folder / "a.log").read_text()) != database


def test_what_a_server_ends_with_is_told(tmp_path: Path) -> None:
    with Link(tmp_path / "link") as link:
        start_node(link, "a")
        run = Run(link, tmp_path / "run", nodes=1, requests=["fail"], again=False)
        assert run.end() == "finished:failed"
        assert run.exit_file.read_text() == "3\n"
        assert "as asked" in run.facts("undelivered")[0]["undelivered"]
        left = Run(link, tmp_path / "left", nodes=1, requests=["hello"], code=130)
        assert left.end() == "finished:failed"
        assert left.exit_file.read_text() == "130\n"
        link.process.send_signal(signal.SIGKILL)
    assert link.children.alive() == []


def test_half_an_answer_holds_up_nobody(tmp_path: Path) -> None:
    with Link(tmp_path / "link") as link:
        half = link.children.start([sys.executable, "-m", "tests.flower.half", link.address], tmp_path / "half.log")
        run = Run(link, tmp_path / "run", nodes=1, requests=["hello", "hello"])
        half.wait(LONG)
        other = start_node(link, "a")
        wait_for(lambda: len(run.facts("sent")) > 1, 100)  # Flower itself waits for 180 s
        assert run.end() == "finished:completed"
        assert [fact["answer"] for fact in run.facts("answer")] == [other.pid, other.pid]
