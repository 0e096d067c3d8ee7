"""Processes that are forked from one that has imported torch: it is imported once, however many there are."""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext


def fork_server(module: str) -> ForkServerContext:
    """Processes of this context begin with `module` and what it imports, as this process would import it, and do not
    hear Ctrl-C. A process has one such server; it ends with it. Call this before each start: a server that was killed
    starts again."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    multiprocessing.resource_tracker.ensure_running()  # else the next call would start it, which unblocks signals
    path = os.pathsep.join(sys.path)  # Python 3.11 does not give its path to the server
    with _without_interrupts(), _with_environment(PYTHONPATH=path, PYTHONSAFEPATH="1"):
        multiprocessing.forkserver.ensure_running()
    return context


def begin_in(environment: Mapping[str, str]) -> None:
    """Take over the environment of the process that has asked for this one: the server's is older, and its own."""
    os.environ.clear()
    os.environ.update(environment)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """What starts in the block, and all that starts from it, does not hear Ctrl-C, which reaches all processes of a
    terminal; whoever started them ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _with_environment(**changes: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({} if value is None else {name: value})
