"""The server's half of federated distillation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.cache import ServerCache, Signal
from scarlet_pl.errors import require
from scarlet_pl.functional import aggregation
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.base import LabelRound, Method, Outcome, RoundPlan, ServerView, Upload
from scarlet_pl.methods.distillation.broadcast import Broadcast
from scarlet_pl.methods.distillation.client import DistillationClients
from scarlet_pl.methods.distillation.links import Links
from scarlet_pl.methods.distillation.messages import Content, Downlink, decode_uplink
from scarlet_pl.methods.distillation.plan import LabelPlan
from scarlet_pl.methods.distillation.seeded import cache_digest, cache_signals
from scarlet_pl.methods.distillation.settings import Settings
from scarlet_pl.methods.distillation.without_cache import sizes_without_cache
from scarlet_pl.methods.parts.aggregators import Aggregator
from scarlet_pl.methods.population import Population
from scarlet_pl.server import ServerWork
from scarlet_pl.wire import Direction, Envelope, Message


class DistillationServer(Method):
    """Asks clients for soft labels of public samples, aggregates and caches them, and sends them with the next round.

    Args:
        settings: that the clients have too.
        aggregator: from the clients' mean to the label that is distilled.
        co_distill: whether the labels that go down are those of the server's model once it has distilled them.
    """

    cache_type = ServerCache

    def __init__(self, settings: Settings, aggregator: Aggregator, co_distill: bool) -> None:
        self.settings, self.aggregator, self.co_distill = settings, aggregator, co_distill

    def setup(self, population: Population) -> None:
        super().setup(population)
        settings, size, classes = self.settings, population.public_size, population.classes
        drawn = settings.draw.size
        require(drawn <= size, "method.draw.size", drawn, f"at most {size}, the public set's size")
        self.cache = self.cache_type(settings.policy, size, classes)
        self.links = Links(settings, population)
        self._broadcast = Broadcast.nothing(-1, classes)

    def clients(self) -> DistillationClients:
        return DistillationClients(self.name, self.population, self.settings)

    @property
    def server_work(self) -> ServerWork:
        return ServerWork("public", self.settings.draw.size)

    @property
    @abstractmethod
    def exact_sizes(self) -> bool: ...

    def observe(self, server: ServerView, round: int) -> None:
        last = self._broadcast
        if self.co_distill and len(last.draw):
            labels = last.labels.clone()
            labels[last.sent] = self._quantized_down(server.predict_public(last.draw[last.sent]), last.round)
            self._broadcast = replace(last, labels=labels)
            self.cache.apply(last.draw, last.signals, labels, last.round)

    def forget(self, client: int) -> None:
        self.cache.forget(client)
        self.links.replace(client, None)

    def plan(self, round: int, server: ServerView, cohort: tuple[int, ...]) -> LabelPlan:
        everything = torch.arange(self.population.public_size)
        draw = self.settings.draw.draw(self.population, round, lambda: server.predict_public(everything))
        hit = self.cache.hits(draw, round)
        without = self._without_cache(round, draw, draw[hit]) if self.settings.cache else {}
        return LabelPlan(round, cohort, draw, draw[~hit], without)

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
        return message.encode(self.links.coding("down", client))

    def collect(self, plan: RoundPlan, client: int, payload: bytes) -> Upload:
        envelope, coding = Envelope("up", self.name, plan.round, client), self.links.coding("up", client)
        labels, message = decode_uplink(payload, envelope, coding, plan.request, not self.settings.seeded)
        return Upload(client, message, labels)

    def aggregate(self, plan: RoundPlan, uploads: Iterable[Upload], lessons: Sequence[Tensor] = ()) -> Outcome:
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
            "links": self.links.state_dict(),
            "broadcast": vars(self._broadcast).copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.cache.load_state_dict(state["cache"])
        self.links.load_state_dict(state["links"])
        self._broadcast = Broadcast(**state["broadcast"])

    def _acknowledge(self, client: int, uploaded: SoftLabels) -> None:
        """The client has answered, so it has what it was sent in this round."""
        last = self._broadcast
        if self.settings.downlink_codec.delta:
            new = last.sent | torch.isin(last.draw, self.cache.lacking(client, last.draw, last.signals))
            self.links.put("down", client, SoftLabels(last.draw[new], last.labels[new]))
        self.links.put("up", client, uploaded)
        if self.settings.policy.keeps:
            self.cache.mark_sent(client, last.draw)

    def _without_cache(self, round: int, draw: Tensor, hits: Tensor) -> dict[tuple[Direction, str], int]:
        return sizes_without_cache(
            self.settings,
            self.population,
            last=SoftLabels(self._broadcast.draw, self._broadcast.labels),
            hits=SoftLabels(hits, self.cache.labels(hits)),
            draw=draw,
            envelope=Envelope("down", self.name, round, 0),
            seeded=self._seeded(round),
        )

    def _derivable(self, plan: RoundPlan, client: int) -> bool:
        """Whether the client's cache is known to agree on all that the round's content follows from."""
        return self._seeded(plan.round) and self._broadcast.known_to(client, self.cache, plan.draw)

    def _seeded(self, round: int) -> bool:
        """Whether clients can derive draws, signals and requests; not after a round that left no labels."""
        unanswered = not len(self._broadcast.draw) and round > 0 and self.settings.clients_distill
        return self.settings.seeded and not unanswered

    def _quantized_down(self, labels: Tensor, round: int) -> Tensor:
        return self.settings.downlink_codec.quantize(labels, rng.generator(self.population.seed, "quantize", round))
