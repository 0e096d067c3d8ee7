"""What a data set is to a federation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from scarlet_pl.data.samples import LabelledSamples, Samples
from scarlet_pl.errors import ConfigError, require

Splits = tuple[Samples, LabelledSamples | None]
"""The training and the test part; None where the source has one part only."""


@dataclass(frozen=True)
class Facts:
    """What is known of a source's training part: classes, samples, the shape of a sample by field."""

    classes: int
    samples: int
    shapes: Mapping[str, tuple[int, ...]]


class Source(ABC):
    """A data set. A user's own is a subclass, given by its class path and its constructor's arguments."""

    network_facts: Mapping[str, Any] = {}
    """What networks are made with beside `num_classes` and what the transform knows: the size of a vocabulary …"""

    @abstractmethod
    def load(self) -> Splits:
        """Read it into memory. As a private source its samples are `LabelledSamples`; as a public one they need no
        labels, and lose them.

        Raises:
            ConfigError: it cannot be read.
        """

    @property
    def facts(self) -> Facts:
        """Of the training part; reads it unless a subclass knows better."""
        train = self.load()[0]
        classes = 1 + int(train.labels.max()) if isinstance(train, LabelledSamples) else 0
        return Facts(classes, len(train), train.shapes)

    @property
    def identity(self) -> object:
        """Equal for two sources if and only if they read the same samples; asked before they are read. By default
        the class and what its constructor has set, as text: override it where that does not tell."""
        return type(self), repr(sorted(vars(self).items()))

    @property
    def held_out(self) -> object:
        """The `identity` of a public set that reads this source's test part; None if there is none."""
        return None

    def __str__(self) -> str:
        return type(self).__name__


def labelled(samples: Samples, source: Source) -> LabelledSamples:
    """The samples of a private source; raises `ConfigError` where they have no labels, or such as are no classes."""
    if not isinstance(samples, LabelledSamples):
        raise ConfigError("data.private", str(source), "a source with labels")
    ok = samples.labels.dtype == torch.int64 and (not len(samples) or int(samples.labels.min()) >= 0)
    require(ok, "data.private", str(source), "a source whose labels are classes, int64 from 0")
    return samples
