"""CFD's quantised, entropy-coded labels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scarlet_pl.errors import WireError, require
from scarlet_pl.functional.quantization import constrained_quantize, entropy_bits, from_levels, grid_levels
from scarlet_pl.wire.codecs import Float32, LabelCodec
from scarlet_pl.wire.entropy import SymbolReader, SymbolWriter
from scarlet_pl.wire.fields import Buffer

Levels = NDArray[np.int32]


class Quantized(LabelCodec):
    """CFD's constrained quantisation, entropy-coded: each label a point l / (2^b − 1) of the simplex.

    At one bit a label is its class, under one adaptive model. Above, its levels are coded class by class, each
    under a model of its own, only while something of the sum 2^b − 1 is left; up to 4 bits as they are, above as
    the number of their binary digits (adaptive) and the digits (uniform). The last class follows from the sum.

    Args:
        bits: b, 1 to 16; 32 is float32, not quantised.
        delta: whether labels that did not change may be left out.
    """

    def __init__(self, bits: int = 1, delta: bool = False) -> None:
        require(1 <= bits <= 16 or bits == 32, "codec.bits", bits, "1 to 16, or 32")
        super().__init__(delta)
        self.bits = bits
        self._floats = Float32()

    @property
    def exact(self) -> bool:
        return self.bits == 32 and not self.delta

    @property
    def storage(self) -> torch.dtype:
        if self.bits == 32:
            return torch.float32
        return torch.int16 if self.bits == 1 else torch.uint8 if self.bits <= 8 else torch.int32

    def quantize(self, labels: Tensor, draws: torch.Generator) -> Tensor:
        if self.bits == 32:
            return labels
        return from_levels(constrained_quantize(labels, self.bits, draws), self.bits)

    def compact(self, labels: Tensor) -> Tensor:
        if self.bits == 1:
            return labels.argmax(-1, keepdim=True).to(self.storage)
        return labels if self.bits == 32 else grid_levels(labels, self.bits).to(self.storage)

    def expand(self, compact: Tensor, classes: int) -> Tensor:
        if self.bits == 1:
            return torch.zeros(len(compact), classes).scatter_(1, compact.long(), 1.0)
        return compact if self.bits == 32 else from_levels(compact, self.bits)

    def pack(self, labels: Tensor) -> bytes:
        if self.bits == 32:
            return self._floats.pack(labels)
        if not len(labels):
            return b""
        learnt = self._write(labels, SymbolWriter())
        if len(learnt) <= self.size(*labels.shape) - self.delta:
            return learnt
        return self._write(labels, SymbolWriter(learns=False))

    def unpack(self, data: Buffer, rows: int, classes: int) -> Tensor:
        if self.bits == 32:
            return self._floats.unpack(data, rows, classes)
        if not rows:
            if len(data):
                raise WireError(f"labels: {len(data)} bytes for no labels")
            return torch.zeros(0, classes)
        reader = SymbolReader(data)
        if self.bits == 1:
            winners = torch.from_numpy(reader.adaptive(rows, classes)).long()
            labels = torch.zeros(rows, classes).scatter_(1, winners[:, None], 1.0)
        else:
            labels = from_levels(torch.from_numpy(self._read_levels(reader, rows, classes)), self.bits)
        reader.close()
        return labels

    def size(self, rows: int, classes: int) -> int:
        if self.bits == 32:
            return self._floats.size(rows, classes) + self.delta
        if self.bits == 1:
            digits = np.log2(max(classes, 1))
        else:
            digits = (classes - 1) * (self.bits if self.bits <= 4 else self.bits - 1 + np.log2(self.bits + 1))
        # the coder ends on whole words of four bytes, two of them at most beyond the digits
        return (int(np.ceil(rows * digits * 1.001 / 8)) + 12 if rows else 0) + self.delta

    def _plain_bits(self, labels: Tensor) -> float:
        if self.bits == 32:
            return self._floats.shannon_bits(labels)
        return entropy_bits(labels.sum(0)) if self.bits == 1 else super()._plain_bits(labels)

    def _write(self, labels: Tensor, writer: SymbolWriter) -> bytes:
        if self.bits == 1:
            writer.adaptive(labels.argmax(-1).numpy().astype(np.int32), labels.shape[1])
        else:
            self._write_levels(writer, grid_levels(labels, self.bits).numpy().astype(np.int32))
        return writer.bytes()

    def _write_levels(self, writer: SymbolWriter, levels: Levels) -> None:
        left = np.full(len(levels), 2**self.bits - 1)
        for column in levels.T[:-1]:
            open_rows = left > 0
            values = column[open_rows]
            if self.bits <= 4:
                writer.adaptive(values, 2**self.bits)
            else:
                digits = _binary_digits(values)
                writer.adaptive(digits, self.bits + 1)
                for count in range(2, self.bits + 1):
                    writer.uniform(values[digits == count] - 2 ** (count - 1), 2 ** (count - 1))
            left[open_rows] -= values

    def _read_levels(self, reader: SymbolReader, rows: int, classes: int) -> NDArray[np.int64]:
        levels, left = np.zeros((rows, classes), np.int64), np.full(rows, 2**self.bits - 1)
        for column in range(classes - 1):
            open_rows = left > 0
            count = int(open_rows.sum())
            if self.bits <= 4:
                values = reader.adaptive(count, 2**self.bits)
            else:
                digits = reader.adaptive(count, self.bits + 1)
                values = np.minimum(digits, 1)
                for length in range(2, self.bits + 1):
                    which = digits == length
                    values[which] = reader.uniform(int(which.sum()), 2 ** (length - 1)) + 2 ** (length - 1)
            levels[open_rows, column] = values
            left[open_rows] -= values
            if (left < 0).any():
                raise WireError("labels: levels that add up to more than they may")
        levels[:, -1] = left
        return levels


def _binary_digits(values: Levels) -> Levels:
    """0 → 0, 1 → 1, 2 and 3 → 2, 4 to 7 → 3, …"""
    return np.frexp(values.astype(np.float64))[1].astype(np.int32)
