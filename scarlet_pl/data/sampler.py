"""Batches of whole index tensors: one fetch a batch, no Python loop over samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torch.utils.data.distributed import DistributedSampler

from scarlet_pl import rng
from scarlet_pl.data.samples import Batch, Samples


class SampleBatches(Dataset[tuple[Batch, Tensor]]):
    """Samples, and a tensor of one entry each, as a data set whose items are batches: index it with an index tensor.

    Use it with `DataLoader(…, batch_size=None)` and a sampler that yields index tensors.

    Args:
        entries: (n,) labels of the samples; their rows if None.
    """

    def __init__(self, samples: Samples, entries: Tensor | None = None) -> None:
        self.samples, self.entries = samples, entries

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, rows: Tensor) -> tuple[Batch, Tensor]:
        return self.samples.batch(rows), rows if self.entries is None else self.entries[rows]


@dataclass(frozen=True)
class Part:
    """A rank's part of a batch.

    Attributes:
        whole: samples in the batch, over all ranks.
        places: (n,) int64, which of them this rank has.
        rows: so many of them count; further ones only fill up what batch normalisation needs.
        weight: of their mean loss in the mean over the ranks.
    """

    whole: int
    places: Tensor
    rows: int
    weight: float


class RoundBatches(DistributedSampler[Any]):
    """The server's training batches of a round: `epochs` shuffled passes over the round's draw.

    What it yields is a function of (seed, round, draw). Every rank gets its part of each batch, so that a step is
    the same step on any number of ranks. It is a `DistributedSampler` so that Lightning does not shard it a second
    time; it is read lazily, because Lightning calls `iter()` before the client phase has given the round's draw.
    """

    def __init__(self, seed: int, size: int, batch_size: int, epochs: int, rank: int = 0, world: int = 1) -> None:
        super().__init__(range(size), num_replicas=world, rank=rank, shuffle=True, seed=0)  # type: ignore[arg-type]
        self._seed, self._size, self._batch_size, self._epochs = seed, size, batch_size, epochs
        self._round, self._draw = 0, torch.arange(size)

    def set_draw(self, round: int, draw: Tensor) -> None:
        """Set the round and its draw of public indices, always `size` of them."""
        if len(draw) != self._size:
            raise ValueError(f"a draw of {len(draw)} for batches planned for {self._size}")
        self._round, self._draw = round, draw

    def part(self, number: int) -> Part:
        """This rank's part of the epoch's batch of this number."""
        whole = min(self._batch_size, self._size - number % self._batches * self._batch_size)
        everyones = torch.arange(whole)
        places = everyones[self.rank :: self.num_replicas]
        rows = len(places)
        if rows < min(2, whole):
            places = torch.cat([places, everyones])[:2]
        return Part(whole, places, rows, rows * self.num_replicas / whole)

    def __len__(self) -> int:
        return self._epochs * self._batches

    def __iter__(self) -> Iterator[Tensor]:
        shuffle = rng.generator(self._seed, "server", self._round)
        for _ in range(self._epochs):
            order = self._draw[torch.randperm(self._size, generator=shuffle)]
            for number, batch in enumerate(order.split(self._batch_size)[: self._batches]):
                yield batch[self.part(number).places]

    @property
    def _batches(self) -> int:
        """Batches of a pass, without a last one of a single sample, on which batch normalisation cannot train."""
        whole, rest = divmod(self._size, self._batch_size)
        return whole + (rest > 1 or whole == 0)


class WholeSet(DistributedSampler[Any]):
    """All samples once, in order, in batches of at most `batch_size`: every rank gets equally many batches, none a
    sample of another's."""

    def __init__(self, size: int, batch_size: int, rank: int = 0, world: int = 1) -> None:
        super().__init__(range(size), num_replicas=world, rank=rank, shuffle=False)  # type: ignore[arg-type]
        batches = world * -(-size // (world * batch_size))
        self._batches = torch.arange(size).tensor_split(batches)[rank::world]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self._batches)
