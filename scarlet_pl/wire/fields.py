"""Coding of indices and cache signals."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from scarlet_pl.errors import WireError

Buffer = bytes | memoryview


def encode_indices(indices: Tensor) -> bytes:
    """(n,) int64 in [0, 2^32) → 4n bytes, in order."""
    return indices.numpy().astype("<u4").tobytes()


def decode_indices(data: Buffer, limit: int, field: str = "indices") -> Tensor:
    """4n bytes → (n,) int64, each below `limit` and none twice.

    Raises:
        WireError: not whole indices, one out of range, or a duplicate.
    """
    if len(data) % 4:
        raise WireError(f"{field}: {len(data)} bytes are not a whole number of 4-byte indices")
    if len(data) // 4 > limit:
        raise WireError(f"{field}: {len(data) // 4} indices into {limit} samples")
    indices = torch.from_numpy(np.frombuffer(data, "<u4").astype(np.int64))
    if len(indices):
        if int(indices.max()) >= limit:
            raise WireError(f"{field}: index {int(indices.max())} into {limit} samples")
        if len(indices.unique()) != len(indices):
            raise WireError(f"{field}: an index comes twice")
    return indices


def encode_signals(signals: Tensor) -> bytes:
    """(n,) uint8 in 0…3 → ceil(n / 4) bytes, four signals a byte, the first in the lowest bits."""
    padded = np.zeros(-(-len(signals) // 4) * 4, np.uint8)
    padded[: len(signals)] = signals.numpy()
    quads = padded.reshape(-1, 4)
    return (quads[:, 0] | quads[:, 1] << 2 | quads[:, 2] << 4 | quads[:, 3] << 6).tobytes()


def decode_signals(data: Buffer, count: int) -> Tensor:
    """The inverse of `encode_signals` for `count` signals: (count,) uint8.

    Raises:
        WireError: another length than `count` signals need.
    """
    if len(data) != -(-count // 4):
        raise WireError(f"signals: {len(data)} bytes for {count} signals")
    packed = np.frombuffer(data, np.uint8)
    signals = (packed[:, None] >> np.array([0, 2, 4, 6], np.uint8)) & 3
    return torch.from_numpy(signals.reshape(-1)[:count].copy())
