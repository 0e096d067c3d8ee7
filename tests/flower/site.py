"""The network's commands in processes of this machine, which may be stopped and killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scarlet_pl.flower.children import Children
from scarlet_pl.run_files import read_rounds
from tests.flower.apps import LONG, wait_for
from tests.test_cli import scarlet_pl

CONFIG = str(Path(__file__).with_name("network.yaml"))
_MARK = "SCARLET_PL_SITE"

Process = subprocess.Popen[bytes]


class Site:
    """A server and its nodes in a folder. All that is started there, directly or not, has a mark in its environment."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.run_dir = folder, folder / "run"
        self._mark = f"{_MARK}={uuid.uuid4().hex}"
        name, _, value = self._mark.partition("=")
        self.children = Children({name: value, "FLWR_HOME": str(folder / "home")})
        self._port = ""
        self.nodes: list[Process] = []

    def start(self, name: str, *arguments: str) -> Process:
        """`scarlet-pl …`; what it says is in NAME.log."""
        return self.children.start([sys.executable, "-m", "scarlet_pl", *arguments], self.folder / f"{name}.log")

    def serve(self, *arguments: str) -> Process:
        """A server at a port that stays the same."""
        before = self.said("server").count("SuperLink at ")
        port = ("--port", self._port.rpartition(":")[2] or "0")
        server = self.start("server", "serve", "--config", CONFIG, "--run_dir", str(self.run_dir), *port, *arguments)
        wait_for(lambda: self.said("server").count("SuperLink at ") > before or server.poll() is not None)
        self._port = "".join(re.findall(r"SuperLink at (\S+)", self.said("server"))[-1:])
        return server

    def join(self, name: str, share: str, *arguments: str) -> Process:
        """A node with a share of the clients."""
        where = "--superlink", self._port, "--state", str(self.folder / name), "--clients", share
        command = "join", "--config", CONFIG, *where, "--executor", "Serial", *arguments
        self.nodes.append(self.start(name, *command))
        return self.nodes[-1]

    def said(self, name: str) -> str:
        log = self.folder / f"{name}.log"
        return log.read_text(errors="replace") if log.is_file() else ""

    def rounds(self) -> int:
        """That are done."""
        table = self.run_dir / "rounds.csv"
        return len(read_rounds(table)) if table.is_file() else 0

    def wait_for_rounds(self, rounds: int) -> None:
        self.wait_for(lambda: self.rounds() >= rounds, f"{rounds} rounds")

    def wait_for(self, what: Callable[[], object], name: str) -> None:
        """Fail with what was said where it does not come."""
        try:
            wait_for(what)
        except AssertionError as error:
            raise AssertionError(f"no {name}\n{self.all_said()}") from error

    def all_said(self) -> str:
        return "\n".join(f"-- {log.name}\n{log.read_text()[-3000:]}" for log in sorted(self.folder.glob("*.log")))

    def ends(self, process: Process, code: int, seconds: float = LONG) -> None:
        """A process ends with this exit code."""
        try:
            found: object = process.wait(seconds)
        except subprocess.TimeoutExpired:
            found = f"none after {seconds} s"
        assert found == code, f"{found}\n{self.all_said()}"

    def digest(self) -> str:
        return digest(self.run_dir)

    def pids(self, command: str = "") -> list[int]:
        """The processes that were started here, directly or not, with this in their command line."""
        for child, _ in self.children.started:
            child.poll()
        return [
            int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal() and self._fits(each, command)
        ]

    def kill(self, process: int) -> None:
        os.kill(process, signal.SIGKILL)

    def only(self, *processes: Process) -> None:
        """Wait until no others are left."""
        self.wait_for(lambda: set(self.pids()) <= {each.pid for each in processes}, "end of the others")

    def _fits(self, process: Path, command: str) -> bool:
        if int(process.name) == os.getpid():
            return False
        try:
            ours = self._mark.encode() in (process / "environ").read_bytes().split(b"\0")
            return ours and command.encode() in (process / "cmdline").read_bytes()
        except OSError:  # it ended
            return False

    def end(self) -> None:
        """End what still runs."""
        self.children.end()
        for process in self.pids():
            self.kill(process)


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A site of which nothing is left at the end."""
    here = Site(folder)
    try:
        yield here
    finally:
        here.end()


def digest(run_dir: Path) -> str:
    return str(json.loads((run_dir / "summary.json").read_text())["digest"])


def simulated(run_dir: Path, *arguments: str) -> str:
    """The digest of the simulation."""
    assert scarlet_pl("fit", "--config", CONFIG, "--run_dir", str(run_dir), "--executor", "Serial", *arguments) == 0
    return digest(run_dir)
