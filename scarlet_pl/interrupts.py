"""Interrupts of a run in a process that goes on, as in a notebook."""

from __future__ import annotations

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
