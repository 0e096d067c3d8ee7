"""SIGINT and SIGTERM end a run at once: every finished round is on disk already, and the one under way is replayed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from lightning.pytorch.utilities import rank_zero_only

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 5.0
_run_dir: Path | None = None
_end_others: Callable[[], None] | None = None
_stopped: Stopped | None = None


class Stopped(BaseException):
    """A signal asked for the end. No `Exception`: nobody is to catch it on the way."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def rank() -> int:
    """This process's number among those that run together; known from the environment before any trainer is."""
    return int(getattr(rank_zero_only, "rank", None) or 0)


def resumable(run_dir: Path, end_others: Callable[[], None]) -> None:
    """From now on the run in `run_dir` can be resumed; `end_others` ends the processes that run it with this one."""
    global _run_dir, _end_others
    _run_dir, _end_others = run_dir, end_others


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` in the block on the first signal, ignore further ones, and end the process when it comes out.

    Python acts on a signal only between two of its own steps, and a collective that waits for another rank is one
    step: where the block has not ended after five seconds, the process is.
    """
    if multiprocessing.parent_process() is not None:
        yield
        return
    (heard, told), ended = os.pipe(), threading.Event()
    os.set_blocking(told, False)
    threading.Thread(target=_insist, args=(heard, ended), daemon=True).start()
    woken = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    before = {number: signal.signal(number, _stop) for number in _SIGNALS}
    try:
        yield
    except BaseException:
        if _stopped is not None:  # whatever became of `Stopped` on its way
            end_now(_stopped)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken)
        ended.set()
        os.close(told)


def end_with_parent() -> None:
    """Watch the process that started this one, and end when it is gone: it cannot say so when it is killed."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def how_to_go_on() -> str:
    """The end of a line that says why a run ended."""
    return f"; go on with the same command and --run_dir {_run_dir} --resume" if _run_dir is not None else ""


def say(line: str) -> None:
    """Print a line on standard error, with the rank if it is not the first."""
    who = f" rank {rank()}:" if rank() else ""
    print(f"scarlet-pl:{who} {line}", file=sys.stderr, flush=True)


def end_now(stop: Stopped) -> NoReturn:
    """Say how to go on, end the worker processes and this one, with code 128 + the signal's number."""
    for child in multiprocessing.active_children():
        child.kill()
    if _end_others is not None:
        _end_others()
    say(f"stopped by {stop}{how_to_go_on()}")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(128 + stop.signum)  # threads that are in the middle of a client are not waited for


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    global _stopped
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _stopped = Stopped(signum)
    raise _stopped


def _insist(heard: int, ended: threading.Event) -> None:
    number = os.read(heard, 1)
    while number and number[0] not in _SIGNALS:
        number = os.read(heard, 1)
    os.close(heard)
    if number and not ended.wait(_PATIENCE):
        end_now(Stopped(number[0]))
