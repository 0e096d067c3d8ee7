"""Fusion: the averaged model distils what the clients' models say of public samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from scarlet_pl.errors import require
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.parts.aggregators import Aggregator, Mean, Votes
from scarlet_pl.methods.parts.draws import DrawPolicy, UniformDraw
from scarlet_pl.methods.parts.votes import combine


@dataclass(frozen=True)
class Fusion:
    """Ensemble distillation of FedDF (Lin, Kong, Stich and Jaggi, NeurIPS 2020, arXiv 2006.07242): each uploaded model
    is a teacher, whose soft labels are aggregated for the server to distil. Nothing more is sent than by FedAvg.

    FedDF takes the mean of logits; `Mean` takes that of soft labels.

    Args:
        aggregator: from the teachers' labels to the ones that are distilled.
        draw: which public samples a round uses.
        start: "average" distils into the weighted mean of the clients' models, "previous" into the server's own of
            the round before.
    """

    aggregator: Aggregator = Mean()  # noqa: RUF009 (frozen)
    draw: DrawPolicy = UniformDraw(size=150)  # noqa: RUF009 (frozen)
    start: Literal["average", "previous"] = "average"

    def __post_init__(self) -> None:
        for name, base in (("aggregator", Aggregator), ("draw", DrawPolicy)):
            given = getattr(self, name)
            require(isinstance(given, base), f"method.fusion.{name}", given, f"an object of class {base.__name__}")
        ok, kind = not self.aggregator.personal, type(self.aggregator).__name__
        require(ok, "method.fusion.aggregator", kind, "one that makes the same labels for all: the server distils them")
        require(self.start in ("average", "previous"), "method.fusion.start", self.start, "average, previous")

    def targets(self, asked: Tensor, lessons: Sequence[Tensor]) -> SoftLabels | None:
        """What the server distils; None where the aggregator leaves no sample a label.

        Args:
            asked: (n,) public samples.
            lessons: (n, N) each teacher's soft labels of them.
        """
        found = combine(self.aggregator, Votes(torch.stack(list(lessons))))
        return SoftLabels(asked[found.kept], found.labels[found.kept]).filled(len(asked))
