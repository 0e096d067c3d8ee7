"""Flower's own SuperNode, with our app and a process that answers at a socket."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scarlet_pl.flower.link import Link, free_port
from tests.flower.apps import Run

pytestmark = [pytest.mark.slow, pytest.mark.full]


def test_a_supernode_hands_requests_to_the_process_beside_it(tmp_path: Path) -> None:
    with Link(tmp_path / "link") as link:
        at, ran = tmp_path / "worker" / "socket", tmp_path / "ran"
        worker = link.children.start([sys.executable, "-m", "tests.flower.worker", str(at)], tmp_path / "worker.log")
        command = ["flower-supernode", "--insecure", "--superlink", link.address]
        command += ["--port", str(free_port("127.0.0.1")), "--node-config", f'socket="{at}"']
        link.children.start(command, tmp_path / "supernode.log")
        run = Run(link, tmp_path / "run", leaves=ran, nodes=1, requests=["hello", "#20000000"])
        assert run.end() == "finished:completed"
        assert [(fact["answer"], fact["size"]) for fact in run.facts("answer")] == [
            (worker.pid, 5),
            (worker.pid, 20_000_000),
        ]
        assert ran.exists()  # the app's code, as a SuperNode does
        failed = Run(link, tmp_path / "failed", nodes=1, requests=["fail"], again=False)
        assert failed.end() == "finished:failed"
        assert "as asked" in failed.facts("undelivered")[0]["undelivered"]
    assert link.children.alive() == []
