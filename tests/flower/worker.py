"""`python -m tests.flower.worker SOCKET`: answers as the tests' node does, at a socket."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from scarlet_pl.flower.socket import answer_on
from tests.flower.node import echo

if __name__ == "__main__":
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    answer_on(Path(sys.argv[1]), echo, stop)
