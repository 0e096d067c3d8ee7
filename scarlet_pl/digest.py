"""One SHA-256 over nested states: two runs are the same if and only if their digests are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch


def digest(state: Any) -> str:
    """SHA-256 over a tree of mappings, sequences, tensors and plain values.

    A mapping's keys are taken in sorted order; a tensor counts with its type, shape and bits, not its device.
    """
    sha = hashlib.sha256()
    _feed(sha, state)
    return sha.hexdigest()


def _feed(sha: Any, value: Any) -> None:
    if isinstance(value, torch.Tensor):
        sha.update(f"tensor {value.dtype} {tuple(value.shape)}\n".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        sha.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    elif isinstance(value, Mapping):
        sha.update(f"mapping {len(value)}\n".encode())
        for key in sorted(value, key=lambda k: (type(k).__name__, k)):
            _feed(sha, key)
            _feed(sha, value[key])
    elif isinstance(value, list | tuple):
        sha.update(f"sequence {len(value)}\n".encode())
        for item in value:
            _feed(sha, item)
    elif isinstance(value, bool | int | float | str) or value is None:
        sha.update(f"{type(value).__name__} {value!r}\n".encode())
    else:
        raise TypeError(f"no digest for a {type(value).__name__}")
