"""What can go wrong, in one line each."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from typing import Any

from scarlet_pl.printable import printable

_OURS = Path(__file__).parent


class ConfigError(ValueError):
    """A value that the configuration may not hold: names the field, what it got and what is allowed."""

    def __init__(self, field: str, value: Any, allowed: str) -> None:
        super().__init__(printable(f"{field}: got {value!r}, allowed: {allowed}".replace("\n", " ")))
        self.field, self.value, self.allowed = field, value, allowed

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.field, self.value, self.allowed)  # it may come from a worker process


class WireError(ValueError):
    """Bytes that are not the message they should be; nothing was allocated or changed."""


class MissingReferenceError(WireError):
    """A delta-coded message refers to labels that its receiver never got."""


class DesyncError(RuntimeError):
    """A receiver's cache is not what the sender believes it to be."""


class NonFiniteError(RuntimeError):
    """A model produced NaN or an infinity: names the round and who."""

    def __init__(self, round: int, who: str, what: str) -> None:
        super().__init__(f"round {round}: {who} produced a {what} that is NaN or infinite")
        self.round, self.who, self.what = round, who, what

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.round, self.who, self.what)  # it may come from a worker process


class WorkerError(RuntimeError):
    """A worker process is gone."""


class ClientError(RuntimeError):
    """What a client raised on another rank, by its words."""


def where(error: BaseException) -> str:
    """An exception in one line, with the line of the user's file in which it arose, if it is one."""
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}: {error.msg}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    if not frames:
        return said
    return f"{frames[-1].filename}, line {frames[-1].lineno}: {type(error).__name__}: {said}"


def _is_users(file: str) -> bool:
    """Whether a source file is neither Python's, nor an installed package's, nor one of ours."""
    path = Path(file)
    others = (*map(Path, {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}), _OURS)
    return path.is_file() and not any(path.is_relative_to(other) for other in others)


def require(ok: bool, field: str, value: Any, allowed: str) -> None:
    """Raise `ConfigError` unless `ok`."""
    if not ok:
        raise ConfigError(field, value, allowed)
