"""Nodes of our own, at a real SuperLink."""

from __future__ import annotations

from pathlib import Path

import pytest

from scarlet_pl.flower.link import Link
from tests.flower.apps import Run, start_node

pytestmark = pytest.mark.slow


def test_two_nodes_answer_also_20_megabytes(tmp_path: Path) -> None:
    with Link(tmp_path / "link") as link:
        nodes = {start_node(link, name).pid for name in ("a", "b")}
        run = Run(link, tmp_path / "run", leaves=tmp_path / "ran", nodes=2, requests=["hello", "#20000000", "#0"])
        lines: list[str] = []
        link.follow(run.number, lines.append)
        assert run.end() == "finished:completed"
        assert run.exit_file.read_text() == "0\n"
        answers = run.facts("answer")
        assert [answer["size"] for answer in answers] == [5, 5, 20_000_000, 20_000_000, 0, 0]
        assert {answer["answer"] for answer in answers} == nodes
        assert not (tmp_path / "ran").exists()  # no code that came over the network
    assert link.children.alive() == []
