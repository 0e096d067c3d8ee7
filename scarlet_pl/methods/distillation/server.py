"""Federated distillation, composed of parts: SCARLET, DS-FL, FD, CFD and their mixtures are configurations of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.cache import CachePolicy, ServerCache, Signal
from scarlet_pl.errors import require
from scarlet_pl.functional import aggregation
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.base import LabelRound, Method, Outcome, RoundPlan, ServerView, Upload
from scarlet_pl.methods.distillation.broadcast import Broadcast
from scarlet_pl.methods.distillation.client import DistillationClients
from scarlet_pl.methods.distillation.messages import Content, Downlink, Uplink
from scarlet_pl.methods.distillation.references import References
from scarlet_pl.methods.distillation.seeded import cache_digest, cache_signals
from scarlet_pl.methods.distillation.settings import Settings
from scarlet_pl.methods.distillation.without_cache import LabelPlan, sizes_without_cache
from scarlet_pl.methods.parts.aggregators import Aggregator, EnhancedERA, Mean
from scarlet_pl.methods.parts.draws import DrawPolicy, UniformDraw
from scarlet_pl.methods.population import Population
from scarlet_pl.server import ServerWork
from scarlet_pl.wire import Direction, Float32, LabelCodec, Message, SizeOnly


class Distillation(Method):
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
        participation: share of the clients in a round's cohort, in (0, 1]; at least one client.
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
        participation: float = 1.0,
    ) -> None:
        super().__init__(participation)
        require(isinstance(aggregator, Aggregator), "method.aggregator", aggregator, "an object of class Aggregator")
        known = ("aggregate", "predictions")
        require(server_labels in known, "method.server_labels", server_labels, ", ".join(known))
        self.aggregator, self.co_distill = aggregator, server_labels == "predictions"
        self.settings = Settings(cache, draw, uplink_codec, downlink_codec, indices, client_start, clients_distill)

    def setup(self, population: Population) -> None:
        super().setup(population)
        settings, size, classes = self.settings, population.public_size, population.classes
        drawn = settings.draw.size
        require(drawn <= size, "method.draw.size", drawn, f"at most {size}, the public set's size")
        self.cache = ServerCache(settings.policy, size, classes)
        self.references: dict[Direction, References] = {
            "up": References(settings.uplink_codec, size, classes),
            "down": References(settings.downlink_codec, size, classes),
        }
        self._broadcast = Broadcast.nothing(-1, classes)

    def clients(self) -> DistillationClients:
        return DistillationClients(self.name, self.population, self.settings)

    @property
    def server_work(self) -> ServerWork:
        return ServerWork("public", self.settings.draw.size)

    @property
    def exact_sizes(self) -> bool:
        return self._exact_codecs and not self.settings.draw.active

    def sizes_alone(self) -> Distillation:
        method, settings = copy(self), self.settings
        method.aggregator = Mean()
        method.settings = replace(
            settings,
            # which samples an active draw takes again depends on the server: at worst none
            cache=settings.cache and (CachePolicy(duration=0) if settings.draw.active else settings.cache),
            uplink_codec=SizeOnly(settings.uplink_codec),
            downlink_codec=SizeOnly(settings.downlink_codec),
        )
        return method

    @property
    def without_cache(self) -> Literal["exact", "estimated"] | None:
        """How well a plan's `without_cache` is known; None where there is no cache."""
        if self.settings.cache is None:
            return None
        return "exact" if self._exact_codecs else "estimated"

    @property
    def _exact_codecs(self) -> bool:
        return self.settings.uplink_codec.exact and self.settings.downlink_codec.exact

    def observe(self, server: ServerView, round: int) -> None:
        last = self._broadcast
        if self.co_distill and len(last.draw):
            labels = last.labels.clone()
            labels[last.sent] = self._quantized_down(server.predict_public(last.draw[last.sent]), last.round)
            self._broadcast = replace(last, labels=labels)
            self.cache.apply(last.draw, last.signals, labels, last.round)

    def forget(self, client: int) -> None:
        self.cache.forget(client)
        for references in self.references.values():
            references.replace(client, None)

    def plan(self, round: int, server: ServerView) -> LabelPlan:
        population = self.population

        def predict() -> Tensor:
            return server.predict_public(torch.arange(population.public_size))

        draw = self.settings.draw.draw(population.seed, round, population.public_size, predict)
        hit = self.cache.hits(draw, round)
        plan = LabelPlan(round, self.cohort(round), draw, request=draw[~hit])
        return replace(plan, without_cache=self._without_cache(plan, draw[hit])) if self.settings.cache else plan

    def downlink(self, plan: RoundPlan, client: int) -> Message:
        last = self._broadcast
        lacking = self.cache.lacking(client, last.draw, last.signals)
        content = Content(last.draw, last.signals if self.settings.cache else None, plan.request)
        digest = cache_digest(last.before, self.cache.stored[plan.draw]) if self._derivable(plan, client) else None
        message = Downlink(
            content,
            labels=last.labels[last.sent],
            catch_up=SoftLabels(lacking, self.cache.labels(lacking)),
            rounds=self.cache.stored[lacking].long() if self.settings.dated else None,
            digest=digest,
        )
        return message.encode(self.references["down"].coding(client))

    def collect(self, plan: RoundPlan, client: int, payload: bytes) -> Upload:
        envelope, coding = self.envelope("up", plan.round, client), self.references["up"].coding(client)
        labels, message = Uplink.decode(payload, envelope, coding, plan.request, not self.settings.seeded)
        return Upload(client, message, labels)

    def aggregate(self, plan: RoundPlan, uploads: Iterable[Upload]) -> Outcome:
        found = {upload.client: upload.labels for upload in uploads if upload.labels is not None}
        stack = torch.stack(list(found.values()))
        mean = aggregation.mean(stack)
        fresh = self.aggregator.sharpen(mean)
        hit = self.cache.hits(plan.draw, plan.round)
        labels = self.cache.complete(plan.draw, hit, fresh)
        ages = torch.where(hit, plan.round - self.cache.stored[plan.draw], 0)
        return Outcome(tuple(found), SoftLabels(plan.draw, labels), labels=LabelRound(stack, mean, fresh, ages))

    def commit(self, plan: RoundPlan, outcome: Outcome) -> None:
        if outcome.targets is None or outcome.labels is None:
            raise ValueError("distillation commits labels")
        for client, uploaded in zip(outcome.clients, outcome.labels.uploads, strict=True):
            self._acknowledge(client, SoftLabels(plan.request, uploaded))
        policy, before = self.settings.policy, self.cache.stored[plan.draw]
        signals = cache_signals(policy, before, self.population.seed, plan.round)
        labels, sent = outcome.targets.labels.clone(), signals != Signal.HIT
        labels[sent] = self._quantized_down(labels[sent], plan.round)
        self.cache.apply(plan.draw, signals, labels, plan.round)
        if self.settings.clients_distill:
            self._broadcast = Broadcast(plan.round, plan.draw, before, signals, labels)

    def skip(self, plan: RoundPlan) -> None:
        # this round left no labels; who missed the last one's is caught up with them
        self._broadcast = Broadcast.nothing(plan.round, self.population.classes)

    def state_dict(self) -> dict[str, Any]:
        return {
            "cache": self.cache.state_dict(),
            "references": {direction: each.state_dict() for direction, each in self.references.items()},
            "broadcast": vars(self._broadcast).copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.cache.load_state_dict(state["cache"])
        for direction, each in self.references.items():
            each.load_state_dict(state["references"][direction])
        self._broadcast = Broadcast(**state["broadcast"])

    def _acknowledge(self, client: int, uploaded: SoftLabels) -> None:
        """The client has answered, so it has what it was sent in this round."""
        last = self._broadcast
        if self.settings.downlink_codec.delta:
            new = last.sent | torch.isin(last.draw, self.cache.lacking(client, last.draw, last.signals))
            self.references["down"].put(client, SoftLabels(last.draw[new], last.labels[new]))
        self.references["up"].put(client, uploaded)
        if self.settings.policy.keeps:
            self.cache.mark_sent(client, last.draw)

    def _without_cache(self, plan: RoundPlan, hits: Tensor) -> dict[tuple[Direction, str], int]:
        return sizes_without_cache(
            self.settings,
            self.population,
            last=SoftLabels(self._broadcast.draw, self._broadcast.labels),
            hits=SoftLabels(hits, self.cache.labels(hits)),
            draw=plan.draw,
            envelope=self.envelope("down", plan.round, 0),
            derived=self._derivable_at_all(plan.round),
        )

    def _derivable(self, plan: RoundPlan, client: int) -> bool:
        """Whether the client's cache is known to agree on all that the round's content follows from."""
        return self._derivable_at_all(plan.round) and self._broadcast.known_to(client, self.cache, plan.draw)

    def _derivable_at_all(self, round: int) -> bool:
        unanswered = not len(self._broadcast.draw) and round > 0 and self.settings.clients_distill
        return self.settings.seeded and not unanswered

    def _quantized_down(self, labels: Tensor, round: int) -> Tensor:
        draws = rng.generator(self.population.seed, "quantize", round)
        return self.settings.downlink_codec.quantize(labels, draws)
