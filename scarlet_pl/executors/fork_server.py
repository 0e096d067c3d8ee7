"""Processes that are forked from one that has imported torch: it is imported once, however many there are."""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
from multiprocessing.context import ForkServerContext

_SAFE = "PYTHONSAFEPATH"


def fork_server(module: str) -> ForkServerContext:
    """Processes of this context begin with `module` and what it imports; the first call in a process says which."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    before = os.environ.get(_SAFE)
    os.environ[_SAFE] = "1"  # else the server would import a torch.py that lies in the current folder
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        os.environ.pop(_SAFE)
        if before is not None:
            os.environ[_SAFE] = before
    return context
