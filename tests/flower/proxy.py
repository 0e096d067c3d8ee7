"""A connection that breaks."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress


class BreakingProxy:
    """Hands bytes on to an address, and breaks connections, in either direction, after a number of bytes that is drawn
    for each.

    Args:
        mean: bytes that a connection lives for, on average.
    """

    def __init__(self, address: str, mean: float, seed: int) -> None:
        host, port = address.rsplit(":", 1)
        self._to, self._mean, self._random = (host, int(port)), mean, random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self.broken = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._to)
                self._open += near, far
                left = [self._random.expovariate(1 / self._mean)]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._hand_on, args=(one, other, left), daemon=True).start()

    def _hand_on(self, one: socket.socket, other: socket.socket, left: list[float]) -> None:
        with suppress(OSError):
            while chunk := one.recv(65536):
                left[0] -= len(chunk)
                if left[0] < 0:
                    self.broken += 1
                    break
                other.sendall(chunk)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
