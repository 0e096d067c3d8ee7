"""Requests over a Unix socket."""

from __future__ import annotations

import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scarlet_pl.errors import ConfigError
from scarlet_pl.flower.socket import LONGEST, answer_on, ask


@contextmanager
def answering(path: Path, handle: Callable[[bytes], bytes]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=answer_on, args=(path, handle, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_requests_are_answered_also_empty_and_large_ones(tmp_path: Path) -> None:
    path = tmp_path / "new" / "socket"
    with answering(path, lambda request: request[::-1]):
        for request in (b"hello", b"", bytes(range(256)) * 20_000):
            assert ask(path, request) == request[::-1]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()


def test_what_a_handler_raises_is_told_and_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with answering(path, lambda request: 1 // len(request) * b""):
        with pytest.raises(RuntimeError, match="by zero"):
            ask(path, b"")
        assert ask(path, b"x") == b""


@pytest.mark.parametrize(
    "frame", [b"", b"R", b"X" + bytes(8), b"R" + (LONGEST + 1).to_bytes(8, "big"), b"R" + (9).to_bytes(8, "big") + b"x"]
)
def test_frames_that_are_none_are_dropped(tmp_path: Path, frame: bytes) -> None:
    path, seen = tmp_path / "socket", list[bytes]()
    with answering(path, lambda request: seen.append(request) or b"fine"):
        ask(path, b"first")
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))
            caller.sendall(frame)
            caller.shutdown(socket.SHUT_WR)
            assert caller.recv(1) == b""
        assert ask(path, b"last") == b"fine"
    assert seen == [b"first", b"last"]


def test_a_socket_has_one_process_and_a_dead_one_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with answering(path, bytes):
        ask(path, b"")
        with pytest.raises(ConfigError, match="no other process"):
            answer_on(path, bytes, threading.Event())
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with answering(path, bytes):
        assert ask(path, b"x") == b"x"


def test_places_where_no_socket_can_be_are_refused(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o755)
    for path, why in ((open_to_all / "socket", "may not enter"), (tmp_path / ("x" * 120), "a path for a socket")):
        with pytest.raises(ConfigError, match=why):
            answer_on(path, bytes, threading.Event())
    with pytest.raises(RuntimeError, match="nobody answers"):
        ask(tmp_path / "none", b"", absent=0)
