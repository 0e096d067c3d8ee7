"""Requests to a process beside this one, over a Unix socket: a SuperNode starts a process for each message, and what
answers stays in memory.

A frame is a byte (what it is), the length (8 bytes, big-endian) and the content.
"""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from scarlet_pl.errors import ConfigError, WireError, require, where

LONGEST = 1 << 31  # bytes, what Flower carries in one record
_CHUNK = 1 << 20
_REQUEST, _ANSWER, _FAILURE = b"R", b"A", b"F"
_LOOK, _SLOW, _ABSENT = 0.2, 60.0, 30.0  # seconds: between looks at `stop`, for a frame's next bytes, for a worker


def answer_on(path: Path, handle: Callable[[bytes], bytes], stop: threading.Event) -> None:
    """Answer requests, one at a time, until `stop` is set. What `handle` raises is answered with a line.

    Args:
        path: of the socket, in a folder that nobody else may enter; made if it is not there.

    Raises:
        ConfigError: another process answers there, others may enter the folder, or no socket can be there.
    """
    with _listening(path) as listener:
        listener.settimeout(_LOOK)
        try:
            while not stop.is_set():
                with suppress(TimeoutError):
                    caller, _ = listener.accept()
                    with caller, suppress(OSError, WireError):  # a caller that is killed is not waited for
                        caller.settimeout(_SLOW)
                        _send(caller, *_answer(_receive(caller, _REQUEST)[1], handle))
        finally:
            path.unlink(missing_ok=True)


def ask(path: Path, request: bytes, absent: float = _ABSENT) -> bytes:
    """The answer of the process at a socket.

    Args:
        absent: seconds for the process to come.

    Raises:
        RuntimeError: it could not answer, or is not there.
        WireError: its answer is none.
    """
    with _connected(path, absent) as worker:
        _send(worker, _REQUEST, request)
        kind, content = _receive(worker, _ANSWER, _FAILURE)
    if kind == _FAILURE:
        raise RuntimeError(content.decode(errors="replace"))
    return content


def _answer(request: bytes, handle: Callable[[bytes], bytes]) -> tuple[bytes, bytes]:
    try:
        return _ANSWER, handle(request)
    except Exception as error:
        return _FAILURE, where(error).encode()


def _listening(path: Path) -> socket.socket:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mine, mode = path.parent.stat().st_uid == os.getuid(), stat.S_IMODE(path.parent.stat().st_mode)
    require(mine and not mode & 0o077, "socket", str(path), f"one in a folder that others may not enter, not {mode:o}")
    listener = socket.socket(socket.AF_UNIX)
    try:
        if path.is_socket():
            with socket.socket(socket.AF_UNIX) as other:
                taken = other.connect_ex(str(path)) == 0
            require(not taken, "socket", str(path), "one at which no other process answers")
            path.unlink()
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()
    except OSError as error:
        listener.close()
        raise ConfigError("socket", str(path), f"a path for a socket ({where(error)})") from error
    except ConfigError:
        listener.close()
        raise
    return listener


def _connected(path: Path, absent: float) -> socket.socket:
    end = time.monotonic() + absent
    while True:
        worker = socket.socket(socket.AF_UNIX)
        try:
            worker.connect(str(path))
        except OSError as error:
            worker.close()
            if time.monotonic() > end:
                raise RuntimeError(f"nobody answers at {path}: {where(error)}") from error
            time.sleep(_LOOK)
        else:
            return worker


def _send(to: socket.socket, kind: bytes, content: bytes) -> None:
    to.sendall(kind + len(content).to_bytes(8, "big"))
    if content:  # after an empty frame the other side may have answered and gone
        to.sendall(content)


def _receive(of: socket.socket, *kinds: bytes) -> tuple[bytes, bytes]:
    """A frame: what it is, and its content. No more is allocated than came."""
    head = _read(of, 9)
    kind, size = head[:1], int.from_bytes(head[1:], "big")
    if kind not in kinds or size > LONGEST:
        raise WireError(f"a frame {kind!r} of {size} bytes")
    return kind, _read(of, size)


def _read(of: socket.socket, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        chunk = of.recv(min(_CHUNK, size - len(content)))
        if not chunk:
            raise WireError(f"a frame ended after {len(content)} of {size} bytes")
        content += chunk
    return bytes(content)
