"""Whom and what a method deals with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl.data import Samples

NO_LABELS = torch.zeros(0, dtype=torch.int64)


@dataclass(frozen=True)
class Population:
    """What both halves of a method know of a federation.

    Attributes:
        private_labels: of all clients' samples, for the centralised bound only; a clients' half never has them.
        public: the public samples, as they lie in memory; in an estimate, which reads no data, none that could be
            looked at.
    """

    seed: int
    clients: int
    public_size: int
    classes: int
    private_labels: Tensor = NO_LABELS
    public: Samples | None = None
