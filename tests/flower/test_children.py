"""What is started is ended, with all that it started, also where this process is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scarlet_pl.flower.children import Children
from scarlet_pl.flower.link import Link
from tests.flower.apps import LONG, Run, start_node, wait_for

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) < 3:
    subprocess.Popen([sys.executable, __file__, *sys.argv[1:], "again"], start_new_session=True)
open(f"{sys.argv[1]}/{os.getpid()}", "w")
time.sleep(1000)
"""


def running(process: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return (Path("/proc") / str(process) / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_those_that_do_not_want_to_end_are_ended_with_their_own(tmp_path: Path) -> None:
    script, there = tmp_path / "stubborn.py", tmp_path / "there"
    script.write_text(STUBBORN)
    there.mkdir()
    children = Children()
    children.start([sys.executable, str(script), str(there)], tmp_path / "log")
    others = Children()
    wait_for(lambda: len(list(there.iterdir())) == 2)
    processes = sorted(int(path.name) for path in there.iterdir())
    assert sorted(children.alive()) == processes
    assert others.alive() == []
    children.end(patience=0.5)
    assert not any(map(running, processes))
    assert children.alive() == []


def test_those_of_a_child_that_starts_children_are_known_as_well(tmp_path: Path) -> None:
    inner = "import sys; from pathlib import Path; from scarlet_pl.flower.children import Children; "
    inner += f"Children().start(['sleep', '1000'], Path({str(tmp_path / 'inner')!r})).wait()"
    children = Children()
    children.start([sys.executable, "-c", inner], tmp_path / "log")
    wait_for(lambda: len(children.alive()) == 2)
    children.end()
    assert children.alive() == []


@pytest.mark.slow
def test_a_killed_process_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.flower.test_children", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        processes = json.loads(parent.stdout.readline())
        assert len(processes) >= 4  # the SuperLink, its SuperExec, the server, a node
        assert all(map(running, processes))
        parent.kill()
    wait_for(lambda: not any(map(running, processes)), LONG)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    link = Link(folder / "link")
    link.start()
    start_node(link, "a")
    Run(link, folder / "run", nodes=2, requests=[]).wait_for("gone")  # the server waits for the other node
    print(json.dumps(link.children.alive()), flush=True)
    signal.pause()
