"""`python -m tests.flower.node ADDRESS [CA] [KEY]`: a node that answers with what it was asked, backwards, and its pid.
A request "sleep N" takes N seconds, and "stuck FILE" does not end the first time."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from scarlet_pl.errors import ConfigError
from scarlet_pl.flower.direct import attend


def echo(request: bytes) -> bytes:
    if request.startswith(b"sleep "):
        time.sleep(float(request[6:]))
    if request.startswith(b"stuck "):
        with suppress(FileExistsError):
            Path(request[6:].decode()).touch(exist_ok=False)
            time.sleep(10_000)
    if request == b"fail":
        raise ValueError("as asked")
    return b"%d " % os.getpid() + request[::-1]


def main() -> None:
    address, ca, key = (*sys.argv[1:], "", "")[:3]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        attend(
            address,
            echo,
            root_certificates=Path(ca).read_bytes() if ca else None,
            key=Path(key) if key else None,
            identity=Path(f"{key}.id") if key else None,
            wait=120,
            stop=stop,
            on_state=lambda line: print(line, flush=True),
        )
    except ConfigError as error:
        print(error, flush=True)
        sys.exit(2)
    assert "torch" not in sys.modules


if __name__ == "__main__":
    main()
