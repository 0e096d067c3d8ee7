"""A codec that sends the k largest probabilities of a label.

A label takes k classes of two bytes each and k probabilities as float16, four bytes for each of them. What is left out
becomes 0, and what is sent is scaled to sum to 1.
"""

import numpy as np
import torch
from torch import Tensor

from scarlet_pl.errors import WireError, require
from scarlet_pl.wire import LabelCodec

_ENTRY = np.dtype([("class", "<u2"), ("probability", "<f2")])


class TopKCodec(LabelCodec):
    """The k largest probabilities, 4·k bytes a label.

    Args:
        count: k, at most the number of classes.
    """

    storage = torch.float16
    exact = True

    def __init__(self, count: int = 3) -> None:
        require(count >= 1, "codec.count", count, "an integer >= 1")
        super().__init__()
        self.count = count

    def compact(self, labels: Tensor) -> Tensor:
        order = labels.argsort(dim=-1, descending=True, stable=True)[:, : self.count]
        largest = torch.zeros_like(labels).scatter(1, order, labels.gather(1, order))
        return (largest / largest.sum(1, keepdim=True)).to(self.storage)

    def pack(self, labels: Tensor) -> bytes:
        order = labels.argsort(dim=-1, descending=True, stable=True)[:, : self.count]
        entries = np.zeros(order.shape, _ENTRY)
        entries["class"], entries["probability"] = order.numpy(), labels.gather(1, order).numpy()
        return entries.tobytes()

    def unpack(self, data: bytes | memoryview, rows: int, classes: int) -> Tensor:
        count = min(self.count, classes)
        if len(data) != self.size(rows, classes):
            raise WireError(f"labels: {len(data)} bytes for {rows} with {count} of {classes} classes each")
        entries = np.frombuffer(data, _ENTRY).reshape(rows, count)
        chosen = torch.from_numpy(entries["class"].astype(np.int64))
        if bool((chosen >= classes).any()):
            raise WireError(f"labels: class {int(chosen.max())} of {classes}")
        probabilities = torch.from_numpy(entries["probability"].astype(np.float32))
        return torch.zeros(rows, classes).scatter(1, chosen, probabilities)

    def size(self, rows: int, classes: int) -> int:
        return rows * min(self.count, classes) * _ENTRY.itemsize
