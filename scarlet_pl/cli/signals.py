"""SIGINT and SIGTERM end a run at once: every finished round is on disk already, and the one under way is replayed."""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from scarlet_pl.run_files import checkpoints

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE, _PERIOD, _GRACE = 5.0, 0.5, 1.0
"""Seconds: for a block to end by itself, between two looks, for this process to say why it failed."""
_run_dir: Path | None = None
_others: Callable[[], list[subprocess.Popen[bytes]]] = list
_said = False
_stopped: Stopped | None = None


class Stopped(BaseException):
    """A signal asked for the end. No `Exception`: nobody is to catch it on the way."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def rank() -> int:
    """This process's number among those that run together, which Lightning, torchrun and SLURM put into the
    environment."""
    known = [os.environ[name] for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID") if name in os.environ]
    return int(known[0]) if known else 0


def resumable(run_dir: Path | None) -> None:
    """From now on the run in `run_dir` is this process' run, which can be resumed once a round is saved; None: it has
    none."""
    global _run_dir
    _run_dir = run_dir


def how_to_go_on_here() -> str:
    """As `how_to_go_on`, for who has started the run from Python."""
    return _how_to_go_on(
        lambda folder, trust: f"scarlet_pl.fit(run_dir={folder!r}, resume=True{', trust_code=True' * trust})"
    )


def _how_to_go_on(call: Callable[[str, bool], str]) -> str:
    """The end of a line that says why a run ended, with what to call: given its folder, and whether its code has to be
    trusted."""
    if _run_dir is None:
        return ""
    if not checkpoints(_run_dir):
        return f"; no round was finished: start again in another folder than {_run_dir}"
    from scarlet_pl.cli.trust import needs_trust  # jsonargparse: signals are heard before it is there

    return f"; go on with {call(str(_run_dir), needs_trust(_run_dir))}"


def end_together(others: Callable[[], list[subprocess.Popen[bytes]]]) -> None:
    """`others` are the ranks that this process starts: none outlives it, and it does not outlive one that fails."""
    global _others
    _others = others
    threading.Thread(target=_watch_others, args=(others,), daemon=True).start()


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` in the block on the first signal, ignore further ones, and end the process when it comes out.
    End it at once, too, where the block fails while other ranks run along.

    Python acts on a signal only between two of its own steps, and a collective that waits for another rank is one
    step: where the block has not ended after five seconds, the process is.
    """
    if multiprocessing.parent_process() is not None:
        yield
        return
    if rank():
        _end_with_parent()
    (heard, told), ended = os.pipe(), threading.Event()
    os.set_blocking(told, False)
    threading.Thread(target=_insist, args=(heard, ended), daemon=True).start()
    woken = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    before = {number: signal.signal(number, _stop) for number in _SIGNALS}
    try:
        yield
    except BaseException as error:
        if _stopped is not None:  # whatever became of `Stopped` on its way
            end_now(_stopped)
        if rank() or _others is not list:
            _fail_at_once(error)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken)
        ended.set()
        os.close(told)


def how_to_go_on() -> str:
    """The end of a line that says why a run ended."""
    return _how_to_go_on(
        lambda folder, trust: f"the same command and --run_dir {folder} --resume{' --trust_code' * trust}"
    )


def say(line: str) -> None:
    """Print a line on standard error, with the rank if it is not the first."""
    global _said
    _said = True
    who = f" rank {rank()}:" if rank() else ""
    print(f"scarlet-pl:{who} {line}", file=sys.stderr, flush=True)


def end_now(stop: Stopped) -> NoReturn:
    """Say how to go on, end the worker processes and this one, with code 128 + the signal's number."""
    say(f"stopped by {stop}{how_to_go_on()}")
    _end(128 + stop.signum)


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    global _stopped
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _stopped = Stopped(signum)
    raise _stopped


def _fail_at_once(error: BaseException) -> None:
    """Nothing for a good end. After a failure connections to other ranks, taken down in the usual order, may wait for
    these for ever, or end this process with a code of their own."""
    if not isinstance(error, SystemExit):
        traceback.print_exception(error)
        _end(1)
    if error.code:
        _end(int(error.code))


def _end_with_parent() -> None:
    """Watch the process that started this one, and end when it is gone: it cannot say so when it is killed."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PERIOD)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _watch_others(others: Callable[[], list[subprocess.Popen[bytes]]]) -> None:
    """End with the first of the other ranks that fails: this one might wait for it for ever, or train on for hours."""
    ends: list[int | None] = [None]
    while not any(ends):
        if None not in ends:
            return  # all ended well
        time.sleep(_PERIOD)
        ends = [process.poll() for process in others()] or [None]
    time.sleep(_GRACE)  # where all ranks fail at once, this one knows better why
    if not _said:
        say(f"another rank has ended{how_to_go_on()}")
        _end(1)


def _end(code: int) -> NoReturn:
    """End the processes that work for this one, and this one, at once: nobody waits for a client that trains."""
    for child in multiprocessing.active_children():
        child.kill()
    for process in _others():
        process.kill()
    multiprocessing.util._run_finalizers(0)  # type: ignore[attr-defined]  # else their tracker warns of semaphores
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _insist(heard: int, ended: threading.Event) -> None:
    number = os.read(heard, 1)
    while number and number[0] not in _SIGNALS:
        number = os.read(heard, 1)
    os.close(heard)
    if number and not ended.wait(_PATIENCE):
        end_now(Stopped(number[0]))
