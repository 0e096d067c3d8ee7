"""What really goes over a network: a proxy that counts."""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

_CHUNK = 65536
_REQUEST = re.compile(rb"POST (\S+) HTTP/1")


class Proxy:
    """Hands bytes on to an address, both ways, and counts those of HTTP.

    Args:
        address: host:port.

    Attributes:
        address: where it listens itself.
        bytes: handed on so far, of the requests with each path and their answers.
        requests: how many there were with each path.
    """

    def __init__(self, address: str) -> None:
        host, port = address.rsplit(":", 1)
        self._to, self._lock = (host, int(port)), threading.Lock()
        self.bytes, self.requests = Counter[str](), Counter[str]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End all connections."""
        for each in (self._listener, *self._open):
            _end(each)

    def connection(self) -> Callable[[bytes], bool]:
        """For a new connection: what is told of all that goes over it, and says whether it goes on."""
        path = ""

        def goes_on(chunk: bytes) -> bool:
            nonlocal path
            started = _REQUEST.match(chunk)
            with self._lock:
                path = started[1].decode() if started else path
                self.requests[path] += started is not None
                self.bytes[path] += len(chunk)
            return True

        return goes_on

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._to)
                self._open += near, far
                goes_on = self.connection()
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_hand_on, args=(one, other, goes_on), daemon=True).start()


def _hand_on(one: socket.socket, other: socket.socket, goes_on: Callable[[bytes], bool]) -> None:
    with suppress(OSError):
        while (chunk := one.recv(_CHUNK)) and goes_on(chunk):
            other.sendall(chunk)
    _end(one)
    _end(other)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
