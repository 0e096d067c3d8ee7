"""Coding of indices and cache signals."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scarlet_pl.errors import WireError

Buffer = bytes | memoryview

_GAPS, _BITMAP = b"\0", b"\1"


def encode_indices(indices: Tensor, limit: int) -> bytes:
    """Ascending indices (n,) int64 in [0, limit) → a byte that says how, and the shorter of two codes: the gaps in
    bytes of seven bits each, or a bitmap. No indices are no bytes."""
    if not len(indices):
        return b""
    ascending = indices.numpy()
    gaps = _encode_varints(np.diff(ascending, prepend=-1) - 1)
    if len(gaps) <= -(-limit // 8):
        return _GAPS + gaps
    bitmap = np.zeros(limit, bool)
    bitmap[ascending] = True
    return _BITMAP + np.packbits(bitmap, bitorder="little").tobytes()


def decode_indices(data: Buffer, limit: int, field: str = "indices") -> Tensor:
    """The inverse of `encode_indices`: (n,) int64, ascending, each below `limit`.

    Raises:
        WireError: no such code, or an index out of range.
    """
    if not len(data):
        return torch.zeros(0, dtype=torch.int64)
    kind, body = bytes(data[:1]), np.frombuffer(data[1:], np.uint8)
    if kind == _BITMAP:
        if len(body) != -(-limit // 8):
            raise WireError(f"{field}: a bitmap of {len(body)} bytes for {limit} samples")
        found = np.flatnonzero(np.unpackbits(body, bitorder="little"))
    elif kind == _GAPS:
        if len(body) > 5 * limit:
            raise WireError(f"{field}: {len(body)} bytes of indices into {limit} samples")
        found = (_decode_varints(body, field) + 1).cumsum() - 1
    else:
        raise WireError(f"{field}: neither gaps nor a bitmap")
    if len(found) and found[-1] >= limit:
        raise WireError(f"{field}: index {found[-1]} into {limit} samples")
    return torch.from_numpy(found.astype(np.int64))


def encode_counts(values: Tensor) -> bytes:
    """(n,) int64 in [0, 2^32), in order, in bytes of seven bits each."""
    return _encode_varints(values.numpy())


def decode_counts(data: Buffer, count: int, field: str = "counts") -> Tensor:
    """The inverse of `encode_counts` for `count` values; raises `WireError` if there are others."""
    found = _decode_varints(np.frombuffer(data, np.uint8), field) if len(data) <= 5 * count else np.zeros(0)
    if len(found) != count:
        raise WireError(f"{field}: {len(data)} bytes for {count} values")
    return torch.from_numpy(found.astype(np.int64))


def _encode_varints(values: NDArray[np.int64]) -> bytes:
    """LEB128: seven bits a byte, the lowest first, the high bit set in all but the last byte of a value."""
    lengths = np.maximum(1, -(-np.frexp(values.astype(np.float64))[1] // 7))
    owner = np.repeat(np.arange(len(values)), lengths)
    place = np.arange(len(owner)) - np.repeat(lengths.cumsum() - lengths, lengths)
    sevens = (values[owner] >> (7 * place)) & 127
    marked: NDArray[np.int64] = sevens | np.where(place < lengths[owner] - 1, 128, 0)
    return marked.astype(np.uint8).tobytes()


def _decode_varints(body: NDArray[np.uint8], field: str) -> NDArray[np.int64]:
    last = body < 128
    if len(body) and not last[-1]:
        raise WireError(f"{field}: a number that breaks off")
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)[: len(ends)]
    if len(ends) and int((ends - starts).max()) > 4:
        raise WireError(f"{field}: a number of more than 35 bits")
    place = np.arange(len(body)) - np.repeat(starts, ends - starts + 1)
    sevens = (body & 127).astype(np.int64) << (7 * place)
    return np.add.reduceat(sevens, starts) if len(ends) else np.zeros(0, np.int64)


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
