"""Links, apps and nodes for tests."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scarlet_pl.flower.app_folder import write_app
from scarlet_pl.flower.link import Link

LONG = 300.0  # seconds, for what takes few


def wait_for(what: Callable[[], Any], seconds: float = LONG) -> Any:
    """The first true value of `what`."""
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)
    return value


def echo_app(folder: Path, leaves: Path | None) -> Path:
    """An app with the tests' server.

    Args:
        leaves: a file that the app's code for nodes makes where it is run.
    """
    write_app(folder)
    with (folder / "client.py").open("a") as client:
        client.write(f"\nfrom pathlib import Path\n\nPath({str(leaves)!r}).touch()\n" if leaves else "")
    (folder / "server.py").write_text(Path(__file__).with_name("app_server.py").read_text())
    return folder


class Run:
    """A run of the tests' app, and what it wrote down."""

    def __init__(self, link: Link, folder: Path, leaves: Path | None = None, **order: Any) -> None:
        folder.mkdir()
        self.link, self.out, self.exit_file = link, folder / "facts.jsonl", folder / "exit"
        arguments = json.dumps({"out": str(self.out), **order})
        run_config = {"arguments": arguments, "exit_file": str(self.exit_file)}
        self.number = link.submit(echo_app(folder / "app", leaves), run_config)

    def facts(self, kind: str) -> list[dict[str, Any]]:
        lines = self.out.read_text().splitlines() if self.out.is_file() else []
        return [fact for fact in map(json.loads, lines) if kind in fact]

    def wait_for(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """The facts of a kind, when there are so many."""
        return list(wait_for(lambda: len(facts := self.facts(kind)) >= count and facts))

    def end(self) -> str:
        """The status at the end."""
        return str(wait_for(lambda: (status := self.link.status(self.number)).startswith("finished") and status))


def start_node(link: Link, name: str, *arguments: str, at: str | None = None) -> Any:
    """A node of our own."""
    command = [sys.executable, "-m", "tests.flower.node", at or link.address, *arguments]
    return link.children.start(command, link.folder / f"{name}.log")
