"""All the data of a federation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scarlet_pl.data.samples import Batch, LabelledSamples, Samples, Split
from scarlet_pl.data.transforms import Transform


@dataclass(frozen=True)
class FederatedData:
    """All that a federation trains and is tested on. Public labels are not in it: no method can see them.

    Attributes:
        train, test: the private data of all clients.
        unshifted_test: `test` before each client's was shifted; None where nothing was.
        public: without labels.
        train_shards, test_shards: which client owns which rows of `train` and of `test`.
        transform: what makes a network's input of a batch.
        network_facts: what networks are made with, by the names of their constructors' arguments; `num_classes` is
            always there.
    """

    train: LabelledSamples
    test: LabelledSamples
    public: Samples
    train_shards: Split
    test_shards: Split
    num_classes: int
    transform: Transform
    network_facts: Mapping[str, Any]
    unshifted_test: LabelledSamples | None = None

    @property
    def num_clients(self) -> int:
        """Number of clients."""
        return len(self.train_shards)

    @property
    def server_test(self) -> LabelledSamples:
        """What the server is tested on."""
        return self.test if self.unshifted_test is None else self.unshifted_test

    @property
    def private_labels(self) -> Tensor:
        """(n,) classes of all clients' training samples, client by client."""
        return self.train.labels[self.train_shards.rows]

    @property
    def blank(self) -> Batch:
        """Two samples of zeros, as networks get them."""
        two = self.transform(self.public.batch(torch.zeros(2, dtype=torch.int64)))
        return {name: torch.zeros_like(value) for name, value in two.items()}

    def tensors(self) -> Iterator[Tensor]:
        """All samples in memory."""
        for part in (self.train, self.test, self.public, self.unshifted_test):
            if part is not None:
                yield from part.tensors()
