"""Federated distillation, composed of parts: SCARLET, DS-FL, FD, CFD and their mixtures are configurations of it."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Literal

from scarlet_pl.cache import CachePolicy
from scarlet_pl.errors import require
from scarlet_pl.methods.distillation.longest import LongestCachePolicy, LongestDraw, NobodysCache
from scarlet_pl.methods.distillation.server import DistillationServer
from scarlet_pl.methods.distillation.settings import Settings
from scarlet_pl.methods.parts.aggregators import Aggregator, EnhancedERA, Mean
from scarlet_pl.methods.parts.draws import DrawPolicy, UniformDraw
from scarlet_pl.wire import Float32, LabelCodec, SizeOnly


class Distillation(DistillationServer):
    """Clients teach one another by soft labels on a public set.

    In round r the server sends the labels of round r - 1 and the list of public samples it wants predicted. A
    client distils those labels, trains on its own shard, predicts the list and sends its predictions. The server
    aggregates them, adds the cached labels of the samples that it did not ask for, and distils its own model.

    Labels are coded before they are cached, so both sides hold the same bits whatever the codec loses.

    Args:
        aggregator: from the clients' mean to the label that is distilled.
        cache: reuse of labels on both sides; null for none, as in DS-FL.
        draw: which public samples a round uses.
        uplink_codec: coding of the clients' labels.
        downlink_codec: coding of the server's labels.
        indices: "explicit" sends draw, signals and requests; "seeded" lets a client derive them from the shared
            seed and its own cache, and sends them only to a client whose cache is known to disagree.
        client_start: "previous" goes on from the client's own weights, "common" starts every round from one random
            network (CFD's dual and random initialisation).
        clients_distill: whether clients distil the server's labels; if not, none are sent.
        server_labels: "aggregate" sends the aggregated labels, "predictions" those of the server's model once it
            has distilled them (CFD's co-distillation).
    """

    def __init__(
        self,
        aggregator: Aggregator = EnhancedERA(beta=1.0),  # noqa: B008 (frozen)
        cache: CachePolicy | None = CachePolicy(),  # noqa: B008 (frozen)
        draw: DrawPolicy = UniformDraw(size=150),  # noqa: B008 (frozen)
        uplink_codec: LabelCodec = Float32(),  # noqa: B008 (without state)
        downlink_codec: LabelCodec = Float32(),  # noqa: B008 (without state)
        indices: Literal["explicit", "seeded"] = "explicit",
        client_start: Literal["previous", "common"] = "previous",
        clients_distill: bool = True,
        server_labels: Literal["aggregate", "predictions"] = "aggregate",
    ) -> None:
        require(isinstance(aggregator, Aggregator), "method.aggregator", aggregator, "an object of class Aggregator")
        known = ("aggregate", "predictions")
        require(server_labels in known, "method.server_labels", server_labels, ", ".join(known))
        settings = Settings(cache, draw, uplink_codec, downlink_codec, indices, client_start, clients_distill)
        super().__init__(settings, aggregator, server_labels == "predictions")

    @property
    def exact_sizes(self) -> bool:
        return self._exact_codecs and not self._draw_unknown

    def sizes_alone(self) -> Distillation:
        method, settings = copy(self), self.settings
        method.aggregator = Mean()
        up, down = SizeOnly(settings.uplink_codec), SizeOnly(settings.downlink_codec)
        method.settings = replace(settings, uplink_codec=up, downlink_codec=down)
        if self._draw_unknown:  # and with it which labels are found in the cache
            method.settings = replace(
                method.settings, draw=LongestDraw(settings.draw.size), cache=settings.cache and LongestCachePolicy()
            )
            method.cache_type = NobodysCache
        return method

    @property
    def notes(self) -> dict[str, str | None]:  # type: ignore[override]
        """How well `no_cache_bytes` are known; None where there is no cache."""
        known = "exact" if self._exact_codecs else "estimated"
        return {"without_cache": known if self.settings.cache else None}

    @property
    def _draw_unknown(self) -> bool:
        """Whether which samples are drawn is known only in a run, with its data and the server's model."""
        return self.settings.draw.active or self.settings.draw.sees_samples

    @property
    def _exact_codecs(self) -> bool:
        return self.settings.uplink_codec.exact and self.settings.downlink_codec.exact
