"""Runs in a process of the user's, as a notebook or a script."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[None]:
    """An interrupt comes out as what it is: Lightning would end the process, and ignore all further ones."""
    try:
        handler = signal.getsignal(signal.SIGINT)
        yield
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise stop.__context__ from None


def check_main() -> None:
    """Raise `RuntimeError` in a worker process that imports the script which has started it."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(
            "a worker process imports this script, which would start a run once more: "
            "put what starts it under if __name__ == '__main__':"
        )
