"""The frame of every message: who sent what in which round, its parts, and a checksum over all of it.

    magic  version  kind  parts  method  round  client | length × parts | part × parts | CRC-32
    2 B    1 B      1 B   1 B    4 B     4 B    4 B    | 4 B each       | …            | 4 B

Everything is little-endian. `Message.unpack` compares a payload with the envelope its receiver expects and
checks lengths and checksum before a part is read, so damaged, foreign and replayed bytes cost no memory.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Literal

from scarlet_pl.errors import WireError
from scarlet_pl.wire.fields import Buffer

VERSION = 1
_MAGIC = b"SC"
_HEAD = struct.Struct("<2sBBBIII")
_LENGTH = struct.Struct("<I")
_KINDS = {"down": 0, "up": 1}


@dataclass(frozen=True)
class Envelope:
    """What a receiver knows of a message before it has come: `client` sends an uplink and gets a downlink."""

    kind: Literal["up", "down"]
    method: str
    round: int
    client: int

    def head(self, parts: int) -> bytes:
        method = zlib.crc32(self.method.encode())
        return _HEAD.pack(_MAGIC, VERSION, _KINDS[self.kind], parts, method, self.round, self.client)


@dataclass(frozen=True)
class Message:
    """The coded parts of one message by name, in the order in which they are sent.

    `paper_bytes` is what the official SCARLET code would count for the same content: float32 labels, int64
    indices and signals, no frame. `shannon_bits` is the least that its labels could take were they independent.
    The server sets both, of what it sends and of what it gets.
    """

    parts: Mapping[str, Buffer]
    paper_bytes: int = 0
    shannon_bits: float = 0.0

    def pack(self, envelope: Envelope) -> bytes:
        """The bytes that are sent."""
        lengths = b"".join(_LENGTH.pack(len(part)) for part in self.parts.values())
        body = (envelope.head(len(self.parts)), lengths, *self.parts.values())
        return b"".join((*body, _LENGTH.pack(reduce(lambda sum, part: zlib.crc32(part, sum), body, 0))))

    @staticmethod
    def unpack(payload: bytes, envelope: Envelope, names: tuple[str, ...]) -> dict[str, memoryview]:
        """The parts by name, as views into `payload`.

        Raises:
            WireError: the payload is not a whole, undamaged message of this envelope with these parts.
        """
        head = envelope.head(len(names))
        overhead = overhead_bytes(len(names))
        if len(payload) < overhead:
            raise WireError(f"a message of {len(payload)} bytes is shorter than its frame of {overhead}")
        if payload[: len(head)] != head:
            raise WireError(f"not the {envelope.kind}link of client {envelope.client} in round {envelope.round}")
        lengths = [_LENGTH.unpack_from(payload, len(head) + _LENGTH.size * i)[0] for i in range(len(names))]
        if len(payload) != overhead + sum(lengths):
            raise WireError(f"a message of {len(payload)} bytes names {sum(lengths)} bytes of parts")
        body = memoryview(payload)[: -_LENGTH.size]
        if zlib.crc32(body) != _LENGTH.unpack_from(payload, len(body))[0]:
            raise WireError("the checksum does not fit the message")
        parts, start = {}, len(head) + _LENGTH.size * len(names)
        for name, length in zip(names, lengths, strict=True):
            parts[name] = body[start : start + length]
            start += length
        return parts


def overhead_bytes(parts: int) -> int:
    """Bytes of a frame with so many parts, beside the parts."""
    return _HEAD.size + _LENGTH.size * (parts + 1)
