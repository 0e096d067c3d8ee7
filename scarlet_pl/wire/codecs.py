"""Label codecs: soft labels to bytes and back.

A codec has a lossy step, `quantize`, and a lossless one, `encode` / `decode`. With `delta`, a label that is the last
one its receiver got for the same sample is not sent again: one symbol a row says "unchanged", and the others follow.
That message is sent only where it is the shorter one; a first byte says which it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from scarlet_pl.errors import MissingReferenceError, WireError
from scarlet_pl.functional.quantization import entropy_bits, row_entropy_bits
from scarlet_pl.wire.entropy import SymbolReader, SymbolWriter
from scarlet_pl.wire.fields import Buffer

_PLAIN, _DELTA = b"\0", b"\1"
_LENGTH = 4
_NIBBLE = 4
_SURELY = 0.95


class LabelCodec(ABC):
    """How a message's soft labels are coded.

    Args:
        delta: whether labels that did not change may be left out.
    """

    def __init__(self, delta: bool = False) -> None:
        self.delta = delta

    @property
    @abstractmethod
    def storage(self) -> torch.dtype:
        """The smallest type that holds a label's `compact` form."""

    @property
    def exact(self) -> bool:
        """Whether `size` is the length itself and not a bound."""
        return False

    @property
    def zeros(self) -> bool:
        """Whether it makes small probabilities 0."""
        return True

    def quantize(self, labels: Tensor, draws: torch.Generator) -> Tensor:
        """The lossy step: (n, N) distributions → (n, N) float32 that `encode` keeps to the bit."""
        return self.expand(self.compact(labels), labels.shape[1])

    def compact(self, labels: Tensor) -> Tensor:
        """Quantised labels as they are remembered for delta coding: (n, N), or fewer columns, of type `storage`."""
        return labels.to(self.storage)

    def expand(self, compact: Tensor, classes: int) -> Tensor:
        """The inverse of `compact`: (n, N) float32."""
        return compact.to(torch.float32)

    @abstractmethod
    def pack(self, labels: Tensor) -> bytes:
        """(n, N) quantised labels → bytes."""

    @abstractmethod
    def unpack(self, data: Buffer, rows: int, classes: int) -> Tensor:
        """The inverse of `pack`; raises `WireError` on what it cannot be."""

    @abstractmethod
    def size(self, rows: int, classes: int) -> int:
        """Bytes of so many labels; an upper bound where they depend on the labels."""

    def encode(self, labels: Tensor, last: Tensor | None = None) -> bytes:
        """(n, N) quantised labels → bytes.

        Args:
            last: (n, N) what the receiver last got for the same samples, rows of NaN where it got nothing.
        """
        if not self.delta:
            return self.pack(labels)
        if last is None or not len(labels):
            return _PLAIN + self.pack(labels)
        changed = (labels != last).any(-1)
        mask = _encode_mask(changed)
        coded = len(mask).to_bytes(_LENGTH, "little") + mask + self.pack(labels[changed])
        if 8 * len(coded) < _SURELY * self._plain_bits(labels):  # less than a plain message could possibly take
            return _DELTA + coded
        plain = self.pack(labels)
        return _DELTA + coded if len(coded) < len(plain) else _PLAIN + plain

    def decode(self, data: Buffer, rows: int, classes: int, last: Tensor | None = None) -> Tensor:
        """Bytes → (rows, classes) float32; raises `WireError` on what they cannot be, `MissingReferenceError` where
        they refer to what is not in `last`."""
        if not self.delta:
            return self.unpack(data, rows, classes)
        if bytes(data[:1]) == _PLAIN:
            return self.unpack(data[1:], rows, classes)
        if bytes(data[:1]) != _DELTA or len(data) < 1 + _LENGTH:
            raise WireError("labels: neither a plain nor a delta message")
        if last is None:
            raise MissingReferenceError("labels: changes to labels that were never sent")
        length = int.from_bytes(data[1 : 1 + _LENGTH], "little")
        body = data[1 + _LENGTH :]
        if length > len(body):
            raise WireError(f"labels: {length} bytes of changes in a message of {len(data)}")
        changed = _decode_mask(body[:length], rows)
        if bool((last[:, :1].isnan() & ~changed[:, None]).any()):
            raise MissingReferenceError("labels: an unchanged label that was never sent")
        labels = last.clone()
        labels[changed] = self.unpack(body[length:], int(changed.sum()), classes)
        return labels

    def shannon_bits(self, labels: Tensor, last: Tensor | None = None) -> float:
        """The least that rows coded independently of one another can take; with delta, that the symbols "unchanged"
        and the other rows can take, if it is less (CFD, equation 13)."""
        plain = self._plain_bits(labels)
        if not self.delta or last is None or not len(labels):
            return plain
        changed = (labels != last).any(-1)
        mask = entropy_bits(torch.stack([changed.sum(), (~changed).sum()]))
        return min(plain, mask + self._plain_bits(labels[changed]))

    def _plain_bits(self, labels: Tensor) -> float:
        return row_entropy_bits(self.compact(labels))


class _Floats(LabelCodec):
    _wire: str

    @property
    def exact(self) -> bool:
        return not self.delta

    def pack(self, labels: Tensor) -> bytes:
        return labels.cpu().numpy().astype(self._wire).tobytes()

    def unpack(self, data: Buffer, rows: int, classes: int) -> Tensor:
        if len(data) != np.dtype(self._wire).itemsize * rows * classes:
            raise WireError(f"labels: {len(data)} bytes for {rows} × {classes} {type(self).__name__}")
        return torch.from_numpy(np.frombuffer(data, self._wire).reshape(rows, classes).astype(np.float32))

    def size(self, rows: int, classes: int) -> int:
        return np.dtype(self._wire).itemsize * rows * classes + self.delta

    def _plain_bits(self, labels: Tensor) -> float:
        return 8.0 * self.storage.itemsize * labels.numel()


class Float32(_Floats):
    """IEEE single precision, little-endian, row by row: 4·n·N bytes.

    Args:
        delta: whether labels that did not change may be left out.
    """

    _wire = "<f4"
    storage = torch.float32
    zeros = False


class Float16(_Floats):
    """IEEE half precision: 2·n·N bytes. What is less than 3·10⁻⁸ becomes 0.

    Args:
        delta: whether labels that did not change may be left out.
    """

    _wire = "<f2"
    storage = torch.float16


def _encode_mask(mask: Tensor) -> bytes:
    """(n,) bool → bytes, four at a time: as short as one at a time, and four times as fast to read."""
    writer = SymbolWriter()
    padded = np.zeros(-(-len(mask) // _NIBBLE) * _NIBBLE, np.int32)
    padded[: len(mask)] = mask.numpy()
    writer.adaptive(padded.reshape(-1, _NIBBLE) @ np.array([1, 2, 4, 8], np.int32), 16)
    return writer.bytes()


def _decode_mask(data: Buffer, count: int) -> Tensor:
    reader = SymbolReader(data)
    nibbles = reader.adaptive(np.zeros(-(-count // _NIBBLE), np.int32), 16)
    reader.close()
    return torch.from_numpy((nibbles[:, None] >> np.arange(_NIBBLE)) & 1).bool().reshape(-1)[:count]
