"""Processes that do not outlive this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_MARK = "SCARLET_PL_CHILD"
_NO_TALK = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "PYTHONUNBUFFERED": "1"}


class Children:
    """Commands that are started, and ended with all that they started in turn: Flower's have sessions of their own, so
    all of them are known by a mark in their environment.

    When this process is killed, those that it started are asked to end (Linux). So they are when the thread that
    started them ends, which is to be the main one.

    Args:
        env: beside this process's environment.

    Attributes:
        started: the commands, each with its log.
    """

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._mark = uuid.uuid4().hex
        path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)))
        marks = ",".join(filter(None, (os.environ.get(_MARK), self._mark)))  # one may have been started so itself
        self.env = {**os.environ, "PATH": path, **_NO_TALK, **(env or {}), _MARK: marks}
        self.started: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """A command, with what it says put at the end of a file."""
        whole = [sys.executable, "-m", "scarlet_pl.flower.child", str(os.getpid()), *command]
        with log.open("ab") as file:
            quiet = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT}
            child = subprocess.Popen(whole, env=self.env, start_new_session=True, **quiet)  # type: ignore[call-overload]
        self.started.append((child, log))
        return child  # type: ignore[no-any-return]

    def alive(self) -> list[int]:
        """The processes that were started, and those that they started, as far as they still run."""
        for child, _ in self.started:
            child.poll()  # one that has ended would stay a zombie
        return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal() and self._is_ours(each)]

    def end(self, patience: float = 10.0) -> None:
        """Ask the commands to end, and end by force what is left.

        Args:
            patience: seconds that they have.
        """
        for child, _ in self.started:
            if child.poll() is None:
                child.terminate()
        if not _wait_until(lambda: not self.alive(), patience):
            _wait_until(self._all_killed, patience)
        for child, _ in self.started:
            child.wait()
        self.started.clear()

    def _all_killed(self) -> bool:
        left = self.alive()
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return not left

    def _is_ours(self, process: Path) -> bool:
        if int(process.name) == os.getpid():
            return False
        try:
            entries = (process / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended, or is another user's
            return False
        marks = (entry for entry in entries if entry.startswith(_MARK.encode() + b"="))
        return any(self._mark.encode() in mark for mark in marks)


def _wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Whether it was done in time."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
