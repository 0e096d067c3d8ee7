"""A codec that takes the room of another, for estimates."""

from __future__ import annotations

import torch
from torch import Tensor

from scarlet_pl.wire.codecs import LabelCodec
from scarlet_pl.wire.fields import Buffer


class SizeOnly(LabelCodec):
    """As many bytes as another codec's, at most, and no labels in them."""

    storage = torch.float32

    def __init__(self, codec: LabelCodec) -> None:
        super().__init__()
        self._codec = codec

    @property
    def zeros(self) -> bool:
        return self._codec.zeros

    def quantize(self, labels: Tensor, draws: torch.Generator) -> Tensor:
        return labels

    def pack(self, labels: Tensor) -> bytes:
        return bytes(self._codec.size(*labels.shape))

    def unpack(self, data: Buffer, rows: int, classes: int) -> Tensor:
        return torch.full((rows, classes), 1 / classes)

    def size(self, rows: int, classes: int) -> int:
        return self._codec.size(rows, classes)

    def shannon_bits(self, labels: Tensor, last: Tensor | None = None) -> float:
        return 0.0
