"""What can go wrong, in one line each."""

from __future__ import annotations

from typing import Any


class ConfigError(ValueError):
    """A value that the configuration may not hold: names the field, what it got and what is allowed."""

    def __init__(self, field: str, value: Any, allowed: str) -> None:
        super().__init__(f"{field}: got {value!r}, allowed: {allowed}".replace("\n", " "))
        self.field, self.value, self.allowed = field, value, allowed

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.field, self.value, self.allowed)  # it may come from a worker process


class WireError(ValueError):
    """Bytes that are not the message they should be; nothing was allocated or changed."""


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


def require(ok: bool, field: str, value: Any, allowed: str) -> None:
    """Raise `ConfigError` unless `ok`."""
    if not ok:
        raise ConfigError(field, value, allowed)
