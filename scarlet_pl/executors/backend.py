"""How torch computes in a worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

_FP32 = [kind for family in (torch.backends.cudnn, torch.backends.mkldnn) for kind in (family.conv, family.rnn)]
_FP32 += [torch.backends.cuda.matmul, torch.backends.mkldnn.matmul]  # type: ignore[attr-defined]
"""Operations that may take float32 for less; torch's older flags cannot be read once these have been set."""


class _Local(threading.local):
    def __init__(self) -> None:
        self.streams: dict[torch.device, torch.cuda.Stream] = {}


_local = _Local()


@dataclass(frozen=True)
class Numerics:
    """Torch's process-wide settings that decide the bits: a new process knows nothing of its parent's."""

    deterministic: bool
    warn_only: bool
    cudnn_benchmark: bool
    fp32_precision: tuple[str, ...]

    @classmethod
    def here(cls) -> Numerics:
        """This process's."""
        return cls(
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.backends.cudnn.benchmark,
            tuple(operations.fp32_precision for operations in _FP32),
        )

    def apply(self) -> None:
        """Make them this process's."""
        torch.use_deterministic_algorithms(self.deterministic, warn_only=self.warn_only)
        torch.backends.cudnn.benchmark = self.cudnn_benchmark
        for operations, precision in zip(_FP32, self.fp32_precision, strict=True):
            operations.fp32_precision = precision


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """A block on a CUDA stream that is this thread's own; on a CPU nothing but the block."""
    if device.type != "cuda":
        yield
        return
    if device not in _local.streams:
        _local.streams[device] = torch.cuda.Stream(device)
    with torch.cuda.device(device), torch.cuda.stream(_local.streams[device]):  # leaving that alone would wake GPU 0
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """A block with one intra-op thread: more of them give other bits, and compete with the clients' workers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
