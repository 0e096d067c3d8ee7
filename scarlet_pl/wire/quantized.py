"""CFD's quantised, entropy-coded labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scarlet_pl.errors import WireError, require
from scarlet_pl.functional.quantization import constrained_quantize, entropy_bits, from_levels, grid_levels
from scarlet_pl.wire.codecs import Float32, LabelCodec
from scarlet_pl.wire.entropy import SymbolCoder, SymbolReader, SymbolWriter
from scarlet_pl.wire.fields import Buffer
from scarlet_pl.wire.grid import code_levels


class Quantized(LabelCodec):
    """CFD's constrained quantisation, entropy-coded: each label a point l / (2^b − 1) of the simplex.

    At one bit a label is its class, under one adaptive model; above, it is its levels (`grid`). Labels that mislead
    the models are coded as equally likely points of the grid.

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
    def zeros(self) -> bool:
        return self.bits < 32

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
        blank = np.zeros((rows, 1 if self.bits == 1 else classes), np.int64)
        compact = self._code(reader, blank, classes)
        reader.close()
        return self.expand(torch.from_numpy(compact), classes)

    def size(self, rows: int, classes: int) -> int:
        if self.bits == 32:
            return self._floats.size(rows, classes) + self.delta
        points = math.comb(2**self.bits + max(classes, 1) - 2, 2**self.bits - 1)
        # above one bit, a label is dozens of symbols, and the coder loses a ten-thousandth of a bit on each
        bits = rows * math.log2(points) * (1.001 if self.bits == 1 else 1.01)
        # the coder ends on whole words of four bytes, two of them at most beyond the digits
        return (math.ceil(bits / 8) + 12 if rows else 0) + self.delta

    def _plain_bits(self, labels: Tensor) -> float:
        if self.bits == 32:
            return self._floats.shannon_bits(labels)
        return entropy_bits(labels.sum(0)) if self.bits == 1 else super()._plain_bits(labels)

    def _write(self, labels: Tensor, writer: SymbolWriter) -> bytes:
        self._code(writer, self.compact(labels).numpy(), labels.shape[1])
        return writer.bytes()

    def _code(self, coder: SymbolCoder, compact: NDArray[Any], classes: int) -> NDArray[Any]:
        """`compact` labels, written or read: gives back what was coded."""
        if self.bits == 1:
            return coder.adaptive(compact[:, 0].astype(np.int32), classes)[:, None]
        return code_levels(coder, compact.astype(np.int64), 2**self.bits - 1)
