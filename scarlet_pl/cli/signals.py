"""SIGINT and SIGTERM end a run at once: every finished round is on disk already, and the one under way is replayed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_run_dir: Path | None = None


class Stopped(BaseException):
    """A signal asked for the end. No `Exception`: nobody is to catch it on the way."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def resumable(run_dir: Path) -> None:
    """From now on the run in `run_dir` can be resumed."""
    global _run_dir
    _run_dir = run_dir


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` in the block on the first signal; ignore further ones."""
    if multiprocessing.parent_process() is not None:
        yield
        return
    before = {number: signal.signal(number, _stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_now(stop: Stopped) -> NoReturn:
    """Say how to go on, end the worker processes and this one, with code 128 + the signal's number."""
    for child in multiprocessing.active_children():
        child.kill()
    resume = f"; go on with the same command and --run_dir {_run_dir} --resume" if _run_dir is not None else ""
    print(f"scarlet-pl: stopped by {stop}{resume}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(128 + stop.signum)  # threads that are in the middle of a client are not waited for


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise Stopped(signum)
