"""Fusion: the averaged model distils what the clients' models, and others made of them, say of public samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from scarlet_pl.client import State
from scarlet_pl.errors import require
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.parts.aggregators import Aggregator, Mean, Votes
from scarlet_pl.methods.parts.draws import DrawPolicy, UniformDraw
from scarlet_pl.methods.parts.models import ModelSampler
from scarlet_pl.methods.parts.votes import combine


@dataclass(frozen=True)
class Fusion:
    """Ensemble distillation of FedDF (Lin, Kong, Stich and Jaggi, NeurIPS 2020, arXiv 2006.07242): each uploaded model
    is a teacher, whose soft labels are aggregated for the server to distil. Nothing more is sent than by FedAvg.

    FedDF's own aggregator is `GeometricMean`, the softmax of the mean of logits. FedBE (Chen and Chao, ICLR 2021, arXiv
    2009.01974) has further teachers, which the server makes of the same uploads.

    Args:
        aggregator: from the teachers' labels to the ones that are distilled.
        draw: which public samples a round uses.
        start: "average" distils into the weighted mean of the clients' models, "previous" into the server's own of
            the round before.
        models: draws further teachers from the clients' weights; null for none.
        average_teaches: whether the weighted mean of the clients' models is a teacher as well.
    """

    aggregator: Aggregator = Mean()  # noqa: RUF009 (frozen)
    draw: DrawPolicy = UniformDraw(size=150)  # noqa: RUF009 (frozen)
    start: Literal["average", "previous"] = "average"
    models: ModelSampler | None = None
    average_teaches: bool = False

    def __post_init__(self) -> None:
        for name, base in (("aggregator", Aggregator), ("draw", DrawPolicy)):
            given = getattr(self, name)
            require(isinstance(given, base), f"method.fusion.{name}", given, f"an object of class {base.__name__}")
        ok = self.models is None or isinstance(self.models, ModelSampler)
        require(ok, "method.fusion.models", self.models, "an object of class ModelSampler, or null")
        ok, kind = not self.aggregator.personal, type(self.aggregator).__name__
        require(ok, "method.fusion.aggregator", kind, "one that makes the same labels for all: the server distils them")
        require(self.start in ("average", "previous"), "method.fusion.start", self.start, "average, previous")

    def further_teachers(
        self, origin: State, states: Sequence[State], average: State, shares: Tensor, draws: torch.Generator
    ) -> list[State]:
        """The teachers that are no client's model.

        Args:
            origin: the weights that the clients started from.
            states: theirs, by client ascending.
            average: the weighted mean of these.
            shares: (K,) float64, the clients' parts of all their samples.
            draws: of the round.

        Raises:
            ValueError: the sampler made a model with other tensors than the clients'; names it.
        """
        sampled = [] if self.models is None else self.models.sample(origin, states, shares, draws)
        wanted = _form(origin)
        if any(_form(state) != wanted for state in sampled):
            raise ValueError(f"sampler {type(self.models).__name__} made a model with other tensors than the clients'")
        return [average, *sampled] if self.average_teaches else sampled

    def targets(self, asked: Tensor, lessons: Sequence[Tensor]) -> SoftLabels | None:
        """What the server distils; None where the aggregator leaves no sample a label.

        Args:
            asked: (n,) public samples.
            lessons: (n, N) each teacher's soft labels of them.
        """
        found = combine(self.aggregator, Votes(torch.stack(list(lessons))))
        return SoftLabels(asked[found.kept], found.labels[found.kept]).filled(len(asked))


def _form(state: State) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (value.shape, value.dtype) for name, value in state.items()}
