"""A network's parameters and buffers as bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from scarlet_pl.errors import WireError
from scarlet_pl.wire.fields import Buffer


def encode_weights(state: Mapping[str, Tensor]) -> Buffer:
    """All tensors in the order of their names, in their own types: 4 B a parameter, 8 B an integer buffer."""
    coded, start = np.empty(weights_size(state), np.uint8), 0
    for name in sorted(state):
        data = state[name].detach().cpu().contiguous().reshape(-1).numpy().view(np.uint8)
        coded[start : start + len(data)] = data
        start += len(data)
    return coded.data


def weights_size(state: Mapping[str, Tensor]) -> int:
    """Bytes of `encode_weights`."""
    return sum(tensor.numel() * tensor.element_size() for tensor in state.values())


def decode_weights(data: Buffer, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `encode_weights` for a network with the names, types and shapes of `like`, whose numbers do not
    count.

    Raises:
        WireError: another length, or a number that is not finite.
    """
    if len(data) != weights_size(like):
        raise WireError(f"weights: {len(data)} bytes for a network of {weights_size(like)}")
    found, start = {}, 0
    for name in sorted(like):
        tensor = like[name]
        array = np.frombuffer(data, torch.empty(0, dtype=tensor.dtype).numpy().dtype, math.prod(tensor.shape), start)
        start += array.nbytes
        found[name] = torch.from_numpy(array.copy()).view(tensor.shape)
        if not bool(torch.isfinite(found[name]).all()):
            raise WireError(f"weights: {name} is NaN or infinite")
    return found
