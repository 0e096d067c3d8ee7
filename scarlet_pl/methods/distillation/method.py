"""Federated distillation, composed of parts: SCARLET, DS-FL, FD, CFD and their mixtures are configurations of it."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Literal

from scarlet_pl.cache import CachePolicy
from scarlet_pl.client.selectors import ClientSelector
from scarlet_pl.errors import ConfigError, require
from scarlet_pl.methods.distillation.longest import LongestCachePolicy, LongestDraw, NobodysCache
from scarlet_pl.methods.distillation.server import DistillationServer
from scarlet_pl.methods.distillation.settings import Settings
from scarlet_pl.methods.parts.aggregators import Aggregator, EnhancedERA, Mean
from scarlet_pl.methods.parts.draws import DrawPolicy, UniformDraw
from scarlet_pl.methods.parts.filters import Filter
from scarlet_pl.wire import Float32, LabelCodec, SizeOnly


class Distillation(DistillationServer):
    """Clients teach one another by soft labels on a public set.

    In round r the server sends the labels of round r - 1 and the list of public samples it wants predicted. A
    client distils those labels, trains on its own shard, predicts the list and sends its predictions. The server
    aggregates them, adds the cached labels of the samples that it did not ask for, and distils its own model.

    Labels are coded before they are cached, so both sides hold the same bits whatever the codec loses. Where samples
    of a draw are left without a label, the others are gone through again, so that all rounds have as many steps.

    Args:
        aggregator: from the clients' labels to those that are distilled.
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
        selector: which of the public samples that a client is asked for it labels; null for all.
        uplink_filters: what clients' labels go through before they are coded, in this order.
        downlink_filters: what the server's labels go through before they are coded; its own model distils them as
            they were before, but for those that come from the cache.
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
        selector: ClientSelector | None = None,
        uplink_filters: list[Filter] | None = None,
        downlink_filters: list[Filter] | None = None,
    ) -> None:
        require(isinstance(aggregator, Aggregator), "method.aggregator", aggregator, "an object of class Aggregator")
        known = ("aggregate", "predictions")
        require(server_labels in known, "method.server_labels", server_labels, ", ".join(known))
        up, down = _listed("uplink_filters", uplink_filters), _listed("downlink_filters", downlink_filters)
        settings = Settings(
            cache, draw, uplink_codec, downlink_codec, indices, client_start, clients_distill, selector, up
        )
        super().__init__(settings, aggregator, down, server_labels == "predictions")
        self.clients_distill = clients_distill
        self._check_aggregator()
        self._check_downlink()

    @property
    def exact_sizes(self) -> bool:
        return self._exact_codecs and not self._cache_unknown

    def sizes_alone(self) -> Distillation:
        method, settings = copy(self), self.settings
        method.aggregator, method.filters = Mean(), ()
        up, down = SizeOnly(settings.uplink_codec), SizeOnly(settings.downlink_codec)
        method.settings = replace(settings, uplink_codec=up, downlink_codec=down, selector=None, filters=())
        if self._draw_unknown:
            method.settings = replace(method.settings, draw=LongestDraw(settings.draw.size))
        if settings.cache and self._cache_unknown:
            method.settings = replace(method.settings, cache=LongestCachePolicy())
            method.cache_type = NobodysCache
        return method

    @property
    def notes(self) -> dict[str, str | None]:  # type: ignore[override]
        """How well `no_cache_bytes` are known; None where there is no cache."""
        known = "exact" if self._exact_codecs and not self._partial else "estimated"
        return {"without_cache": known if self.settings.cache else None}

    @property
    def _draw_unknown(self) -> bool:
        """Whether which samples are drawn is known only in a run, with its data and the server's model."""
        return self.settings.draw.active or self.settings.draw.sees_samples

    @property
    def _exact_codecs(self) -> bool:
        return self.settings.uplink_codec.exact and self.settings.downlink_codec.exact

    @property
    def _partial(self) -> bool:
        """Whether a requested sample may be left without a label."""
        return self.aggregator.drops or self.partial_uploads

    @property
    def _cache_unknown(self) -> bool:
        """Whether which samples get a label, and which labels are found in the cache, is known only in a run."""
        return self._draw_unknown or self._partial or self.settings.policy.admission.sees_labels

    def _check_aggregator(self) -> None:
        """Raise `ConfigError` where the aggregator does not go with the other parts."""
        settings, aggregator = self.settings, self.aggregator
        name = type(aggregator).__name__
        ok = not (aggregator.drops and settings.seeded)
        require(ok, "method.indices", settings.indices, f"explicit with {name}, which leaves samples without a label")
        private = [type(filter).__name__ for filter in settings.filters if filter.private]
        if private and self.partial_uploads:
            why = "which samples or classes a client labels would tell of its data"
            require(settings.selector is None, "method.selector", settings.selector, f"null with {private[0]}: {why}")
            raise ConfigError("method.uplink_filters", private[0], f"none for privacy in {type(self).__name__}: {why}")
        if aggregator.needs_all and self.partial_uploads:
            why = f"{name} needs every client's label of every sample"
            require(settings.selector is None, "method.selector", settings.selector, f"null: {why}")
            raise ConfigError("method.aggregator", name, f"another with {type(self).__name__}: {why}")
        zeros = [type(filter).__name__ for filter in settings.filters if filter.zeros]
        allowed = f"none that makes probabilities 0 with {name}, to which a 0 of one client is a 0 of all"
        require(not (aggregator.needs_soft and zeros), "method.uplink_filters", zeros, allowed)
        ok = not (aggregator.needs_soft and settings.uplink_codec.zeros)
        allowed = f"Float32 with {name}, to which a 0 of one client is a 0 of all: others make small probabilities 0"
        require(ok, "method.uplink_codec", type(settings.uplink_codec).__name__, allowed)
        if not aggregator.personal:
            return
        own = f"with {name}, which gives clients labels of their own"
        require(settings.cache is None, "method.cache", settings.cache, f"null {own}")
        require(not self.co_distill, "method.server_labels", "predictions", f"aggregate {own}")
        require(settings.clients_distill, "method.clients_distill", False, f"true {own}")
        require(not self.filters, "method.downlink_filters", self.filters, f"none {own}")

    def _check_downlink(self) -> None:
        """Raise `ConfigError` where filters of the downlink make no sense."""
        ok = self.settings.clients_distill or not self.filters
        require(
            ok, "method.downlink_filters", self.filters, "none where clients do not distil: they are sent no labels"
        )
        private = [filter for filter in self.filters if filter.private]
        require(not private, "method.downlink_filters", private, "what protects uploads in method.uplink_filters")


def _listed(name: str, filters: list[Filter] | None) -> tuple[Filter, ...]:
    """Filters as given, checked."""
    ok = filters is None or (isinstance(filters, list) and all(isinstance(each, Filter) for each in filters))
    require(ok, f"method.{name}", filters, "a list of objects of class Filter, or null")
    return tuple(filters or ())
