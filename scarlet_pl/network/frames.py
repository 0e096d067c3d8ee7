"""A request or an answer as bytes: a header of plain values, and byte strings behind it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from scarlet_pl.errors import WireError
from scarlet_pl.printable import printable
from scarlet_pl.wire.fields import Buffer

MOST = 1 << 40
"""Of what is counted: rounds, clients, samples, steps."""
_MARK = b"SPL1"
_LONGEST_HEADER = 1 << 22
_LARGEST = 1 << 31
_FEDERATION = re.compile("[0-9a-f]{32}")


def pack(header: dict[str, Any], blobs: Sequence[Buffer] = ()) -> bytes:
    """Plain values as JSON allows them, and byte strings → a frame."""
    text = json.dumps({**header, "blobs": [len(blob) for blob in blobs]}, separators=(",", ":")).encode()
    return b"".join([_MARK, len(text).to_bytes(4, "little"), text, *blobs])


def unpack(frame: Buffer) -> tuple[Fields, list[bytes]]:
    """The inverse of `pack`.

    Raises:
        WireError: it is no frame. Nothing larger than the frame is allocated.
    """
    if len(frame) > _LARGEST or len(frame) < 8 or bytes(frame[:4]) != _MARK:
        raise WireError("no frame")
    end = 8 + int.from_bytes(frame[4:8], "little")
    if end > min(len(frame), _LONGEST_HEADER):
        raise WireError("a frame whose header breaks off, or is too long")
    try:
        header = Fields(json.loads(bytes(frame[8:end])))
    except (ValueError, RecursionError) as error:
        raise WireError("a frame whose header is no JSON") from error
    blobs = []
    for length in header.numbers("blobs", 0, len(frame)):
        blobs.append(bytes(frame[end : end + length]))
        end += length
    if end != len(frame):
        raise WireError("a frame of another length than its header says")
    return header, blobs


class Fields:
    """The header of a frame, or a part of it. Each value is checked when it is read.

    Raises:
        WireError: in all methods, where a value is missing or is not what is asked for.
    """

    def __init__(self, values: Any) -> None:
        if not isinstance(values, dict):
            raise WireError("no mapping where one belongs")
        self._values: dict[str, Any] = values

    def has(self, name: str) -> bool:
        """Whether there is such a value, and it is not null."""
        return self._values.get(name) is not None

    def number(self, name: str, low: int, high: int) -> int:
        """An integer from `low` to `high`."""
        return _number(name, self._values.get(name), low, high)

    def numbers(self, name: str, low: int, high: int) -> list[int]:
        """Integers from `low` to `high`."""
        return [_number(name, each, low, high) for each in self._list(name)]

    def real(self, name: str) -> float | None:
        """A finite number, or None."""
        value = self._values.get(name)
        if value is None:
            return None
        if not math.isfinite(found := _real(name, value)):
            raise WireError(f"{name} is no finite number")
        return found

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._values.get(name)
        if not isinstance(value, bool):
            raise WireError(f"{name} is neither true nor false")
        return value

    def text(self, name: str, longest: int = 2000) -> str:
        """A string of at most so many characters."""
        return _text(name, self._values.get(name), longest)

    def texts(self, name: str) -> dict[str, str]:
        """Strings by name."""
        part = self.part(name)
        return {_text(name, key, 2000): part.text(key, 100_000) for key in part._values}

    def reals(self, name: str) -> dict[str, float]:
        """Numbers by name, not all of them finite: a user's metric may have no value."""
        return {_text(name, key, 2000): _real(name, value) for key, value in self.part(name)._values.items()}

    def federation(self) -> str:
        """The federation's number in 32 hexadecimal digits: it is a folder's name."""
        value = self.text("federation")
        if not _FEDERATION.fullmatch(value):
            raise WireError("federation is not of 32 hexadecimal digits")
        return value

    def part(self, name: str) -> Fields:
        """A mapping."""
        return Fields(self._values.get(name))

    def parts(self, name: str) -> list[Fields]:
        """Mappings."""
        return [Fields(each) for each in self._list(name)]

    def _list(self, name: str) -> list[Any]:
        values = self._values.get(name)
        if not isinstance(values, list):
            raise WireError(f"{name} is no list")
        return values


def _number(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise WireError(f"{name} is no integer from {low} to {high}")
    return value


def _real(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WireError(f"{name} has what is no number")
    try:
        return float(value)
    except OverflowError as error:  # an integer of hundreds of digits
        raise WireError(f"{name} has what is no number") from error


def _text(name: str, value: Any, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise WireError(f"{name} is no text of at most {longest} characters")
    return printable(value)
