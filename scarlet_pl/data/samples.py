"""Samples in memory: named tensors of one length, with or without classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Batch = dict[str, Tensor]
"""Some samples by field, all of one length: "image" (B, C, H, W), or "input_ids" and "attention_mask" (B, L), or
whatever a source has."""

IMAGE = "image"
"""The field of images."""


FORWARD_BATCH = 250
"""Samples in a batch of a pass without gradients. What a network makes of larger ones does not stay in a processor's
cache: with 1,000 images of 32 × 32, ResNet-20 takes twice as long for each."""


@dataclass(frozen=True)
class Samples:
    """Samples by field, all of one length. What the fields are is a matter between a source, its transform and the
    networks."""

    fields: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        if len({len(field) for field in self.fields.values()}) != 1:
            lengths = {name: len(field) for name, field in self.fields.items()}
            raise ValueError(f"fields of samples must have one length, these have {lengths}")

    @classmethod
    def images(cls, images: Tensor) -> Samples:
        """Images (n, C, H, W) uint8."""
        return cls({IMAGE: images})

    def __len__(self) -> int:
        return len(next(iter(self.fields.values())))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of one sample, by field."""
        return {name: tuple(field.shape[1:]) for name, field in self.fields.items()}

    def batch(self, rows: Tensor) -> Batch:
        """The fields of the samples at `rows`, (B,)."""
        return {name: field[rows] for name, field in self.fields.items()}

    def select(self, rows: Tensor) -> Samples:
        """The samples at `rows`, (n,)."""
        return Samples(self.batch(rows))

    def tensors(self) -> Iterator[Tensor]:
        """All that is in memory."""
        yield from self.fields.values()


@dataclass(frozen=True)
class LabelledSamples(Samples):
    """Samples and their classes, `labels` (n,) int64 from 0."""

    labels: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels.shape != (len(self),):
            raise ValueError(f"{len(self)} samples with labels of shape {tuple(self.labels.shape)}")

    @classmethod
    def of(cls, samples: Samples, labels: Tensor) -> LabelledSamples:
        """Samples with these classes, (n,)."""
        return cls(samples.fields, labels)

    def select(self, rows: Tensor) -> LabelledSamples:
        return LabelledSamples(self.batch(rows), self.labels[rows])

    def tensors(self) -> Iterator[Tensor]:
        yield from super().tensors()
        yield self.labels


@dataclass(frozen=True)
class Split:
    """Which client owns which rows of a set of samples: client k has `rows[offsets[k]:offsets[k + 1]]`.

    Attributes:
        rows: (n,) int64, client after client.
        offsets: (clients + 1,) int64, ascending from 0 to n.
    """

    rows: Tensor
    offsets: Tensor

    @classmethod
    def of_sizes(cls, rows: Tensor, sizes: Tensor) -> Split:
        """Rows (n,) client after client, and how many each client has, (clients,)."""
        return cls(rows, torch.cat([sizes.new_zeros(1), sizes.cumsum(0)]))

    @classmethod
    def equal(cls, rows: Tensor) -> Split:
        """(clients, share): as many for each client."""
        clients, share = rows.shape
        return cls(rows.reshape(-1), torch.arange(clients + 1) * share)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, client: int) -> Tensor:
        if not 0 <= client < len(self):
            raise IndexError(f"client {client} of {len(self)}")
        return self.rows[int(self.offsets[client]) : int(self.offsets[client + 1])]

    def spread(self, clients: Sequence[int], count: int) -> Split:
        """The same rows for clients of these numbers, ascending, of `count`; the others have none."""
        sizes = torch.zeros(count, dtype=torch.int64)
        sizes[list(clients)] = self.sizes
        return Split.of_sizes(self.rows, sizes)

    @property
    def sizes(self) -> Tensor:
        """(clients,) how many samples each has."""
        return self.offsets.diff()

    def owners(self, count: int) -> Tensor:
        """(count,) int64: which client each of so many samples belongs to, -1 where to none."""
        found = torch.full((count,), -1)
        found[self.rows] = torch.arange(len(self)).repeat_interleave(self.sizes)
        return found

    def class_counts(self, labels: Tensor, classes: int) -> Tensor:
        """How many samples of each class each client has, from the classes of all samples: (clients, N) int64."""
        owners = torch.arange(len(self)).repeat_interleave(self.sizes)
        cells = owners * classes + labels[self.rows]
        return torch.bincount(cells, minlength=len(self) * classes).view(len(self), classes)
