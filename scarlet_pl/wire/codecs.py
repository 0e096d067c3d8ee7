"""Label codecs: soft labels to bytes and back."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from scarlet_pl.errors import WireError
from scarlet_pl.wire.fields import Buffer


class LabelCodec(ABC):
    """How a message's soft labels are coded."""

    @abstractmethod
    def encode(self, labels: Tensor) -> bytes:
        """(n, N) float32 → bytes."""

    @abstractmethod
    def decode(self, data: Buffer, rows: int, classes: int) -> Tensor:
        """Bytes → (rows, classes) float32; raises `WireError` before it allocates if they cannot be that."""

    @abstractmethod
    def size(self, rows: int, classes: int) -> int:
        """Bytes of so many labels; the upper bound where they depend on the labels."""


class Float32(LabelCodec):
    """IEEE single precision, little-endian, row by row: 4·n·N bytes."""

    def encode(self, labels: Tensor) -> bytes:
        return labels.cpu().numpy().astype("<f4", copy=False).tobytes()

    def decode(self, data: Buffer, rows: int, classes: int) -> Tensor:
        if len(data) != self.size(rows, classes):
            raise WireError(f"labels: {len(data)} bytes for {rows} × {classes} float32")
        return torch.from_numpy(np.frombuffer(data, "<f4").reshape(rows, classes).astype(np.float32))

    def size(self, rows: int, classes: int) -> int:
        return 4 * rows * classes
