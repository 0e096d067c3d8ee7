"""Folders and files that one process has to itself."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scarlet_pl.errors import ConfigError

_locks: list[int] = []


def claimed(path: Path) -> int | None:
    """A descriptor that keeps others from having one for this folder or file, which is made, until it is closed; None
    if another has one."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        pass  # a file system without locks
    return descriptor


def in_use(folder: Path) -> bool:
    """Whether another process has locked a folder."""
    if not folder.is_dir():
        return False
    descriptor = claimed(folder)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def lock(
    folder: Path, field: str = "run_dir", allowed: str = "a folder whose run no other process goes on with"
) -> None:
    """Keep other processes from using a folder, until `unlock` or this one's end.

    Args:
        field, allowed: the setting that names the folder, and what it may be.

    Raises:
        ConfigError: another one has done so.
    """
    descriptor = claimed(folder)
    if descriptor is None:
        raise ConfigError(field, str(folder), allowed)
    _locks.append(descriptor)


def unlock() -> None:
    """Take back all locks."""
    while _locks:
        os.close(_locks.pop())


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """In a folder, which is made, one process at a time; waits for the others."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
