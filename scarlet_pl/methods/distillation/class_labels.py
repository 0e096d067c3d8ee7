"""Distillation without public samples: a soft label for each class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from torch import Tensor

from scarlet_pl.cache import CachePolicy
from scarlet_pl.methods.base import Outcome, RoundPlan, Upload
from scarlet_pl.methods.distillation.client import ClassClients
from scarlet_pl.methods.distillation.method import Distillation
from scarlet_pl.methods.parts.aggregators import Aggregator
from scarlet_pl.methods.parts.draws import FixedDraw
from scarlet_pl.methods.parts.filters import Filter
from scarlet_pl.methods.parts.personal import LeaveOneOut
from scarlet_pl.methods.population import Population
from scarlet_pl.server import ServerWork
from scarlet_pl.wire import Float32, LabelCodec


class ClassDistillation(Distillation):
    """Clients teach one another by a soft label for each class: the mean of their predictions on their samples of it.

    It is `Distillation` in which classes stand for the public samples; no public set, no server's model. Source: FD of
    Jeong et al. (arXiv 1811.11479), with `client.joint_weight` as its γ; predictions are those after local training,
    where the paper has the mean of those made in it.

    Args:
        aggregator, cache, uplink_codec, downlink_codec, uplink_filters, downlink_filters: as in `Distillation`.
    """

    has_server = False
    partial_uploads = True  # of classes that a client has not

    def __init__(
        self,
        aggregator: Aggregator = LeaveOneOut(),  # noqa: B008 (frozen)
        cache: CachePolicy | None = None,
        uplink_codec: LabelCodec = Float32(),  # noqa: B008 (without state)
        downlink_codec: LabelCodec = Float32(),  # noqa: B008 (without state)
        uplink_filters: list[Filter] | None = None,
        downlink_filters: list[Filter] | None = None,
    ) -> None:
        super().__init__(
            aggregator,
            cache,
            FixedDraw(1),
            uplink_codec,
            downlink_codec,
            uplink_filters=uplink_filters,
            downlink_filters=downlink_filters,
        )

    @property
    def server_work(self) -> ServerWork:
        return ServerWork("nothing")

    def setup(self, population: Population) -> None:
        self.settings = replace(self.settings, draw=FixedDraw(population.classes))
        super().setup(replace(population, public_size=population.classes))

    def clients(self) -> ClassClients:
        return ClassClients(self.name, self.population, self.settings)

    def aggregate(self, plan: RoundPlan, uploads: Iterable[Upload], lessons: Sequence[Tensor] = ()) -> Outcome:
        return replace(super().aggregate(plan, uploads, lessons), targets=None)
