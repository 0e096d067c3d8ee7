"""The server's half of federated distillation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.cache import ServerCache
from scarlet_pl.errors import require
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.functional.rows import nonzero
from scarlet_pl.methods.base import LabelRound, Method, Outcome, RoundPlan, ServerView, Upload
from scarlet_pl.methods.distillation.broadcast import Broadcast
from scarlet_pl.methods.distillation.client import DistillationClients
from scarlet_pl.methods.distillation.links import Links
from scarlet_pl.methods.distillation.messages import Content, Downlink, decode_uplink
from scarlet_pl.methods.distillation.plan import LabelPlan
from scarlet_pl.methods.distillation.seeded import cache_digest, cache_signals
from scarlet_pl.methods.distillation.settings import Settings
from scarlet_pl.methods.distillation.without_cache import sizes_without_cache
from scarlet_pl.methods.parts.aggregators import Aggregator, Consensus
from scarlet_pl.methods.parts.filters import Filter, Memory, apply, copied
from scarlet_pl.methods.parts.votes import align, combine, uploaded
from scarlet_pl.methods.population import Population
from scarlet_pl.server import ServerWork
from scarlet_pl.wire import Direction, Envelope, Message


class DistillationServer(Method):
    """Asks clients for soft labels of public samples, aggregates and caches them, and sends them with the next round.

    Args:
        settings: that the clients have too.
        aggregator: from the clients' labels to those that are distilled.
        filters: of the labels that go down.
        co_distill: whether the labels that go down are those of the server's model once it has distilled them.
    """

    cache_type = ServerCache

    def __init__(
        self, settings: Settings, aggregator: Aggregator, filters: tuple[Filter, ...], co_distill: bool
    ) -> None:
        self.settings, self.aggregator, self.filters, self.co_distill = settings, aggregator, filters, co_distill

    def setup(self, population: Population) -> None:
        super().setup(population)
        settings, size, classes = self.settings, population.public_size, population.classes
        drawn = settings.draw.size
        require(drawn <= size, "method.draw.size", drawn, f"at most {size}, the public set's size")
        self.cache = self.cache_type(settings.policy, size, classes)
        self.links = Links(settings, population)
        self._broadcast = Broadcast.nothing(-1, classes)
        self._asked = torch.zeros(population.clients, dtype=torch.int64)
        self._common: dict[bytes | None, Message] = {}
        """This round's message to every client that lacks nothing, by its digest."""
        self._memories: list[Memory] = []
        """Of the filters, as of the last round."""
        self._observed: list[Memory] = []
        """Of the filters, with the labels that are sent in this round."""

    def clients(self) -> DistillationClients:
        return DistillationClients(self.name, self.population, self.settings)

    @property
    def server_work(self) -> ServerWork:
        return ServerWork("public", self.settings.draw.size)

    @property
    def partial_uploads(self) -> bool:
        """Whether clients may label less than they are asked for."""
        return self.settings.selector is not None

    @property
    @abstractmethod
    def exact_sizes(self) -> bool: ...

    def observe(self, server: ServerView, round: int) -> None:
        last = self._broadcast
        if self.co_distill and len(last.draw):
            sent = last.draw[last.sent]
            made, self._observed = self._coded(SoftLabels(sent, server.predict_public(sent)), last.round)
            labels = last.labels.index_copy(0, nonzero(last.sent), made)
            signals = self._signals(last.before, labels, last.round)
            self._broadcast = replace(last, labels=labels, signals=signals)
            self.cache.apply(last.draw, signals, labels, last.round)

    def forget(self, client: int) -> None:
        self.cache.forget(client)
        self.links.replace(client, None)

    def plan(self, round: int, server: ServerView, cohort: tuple[int, ...]) -> LabelPlan:
        everything = torch.arange(self.population.public_size)
        draw = self.settings.draw.draw(self.population, round, lambda: server.predict_public(everything))
        hit = self.cache.hits(draw, round)
        without = self._without_cache(round, draw, draw[hit]) if self.settings.cache else {}
        self._common.clear()
        return LabelPlan(round, cohort, draw, draw[~hit], without)

    def downlink(self, plan: RoundPlan, client: int) -> Message:
        last = self._broadcast
        lacking = self.cache.lacking(client, last.draw, last.signals)
        content = Content(last.draw, last.signals if self.settings.cache else None, plan.request)
        digest = cache_digest(last.before, self.cache.stored[plan.draw]) if self._derivable(plan, client) else None
        same = not (len(lacking) or last.groups is not None or self.settings.downlink_codec.delta)
        if same and digest in self._common:
            return self._common[digest]
        message = Downlink(
            content,
            labels=last.labels_for(client)[last.sent],
            catch_up=SoftLabels(lacking, self.cache.labels(lacking)),
            rounds=self.cache.stored[lacking].long() if self.settings.dated else None,
            digest=digest,
        )
        coded = message.encode(self.links.coding("down", client))
        if same:
            self._common[digest] = coded
        return coded

    def collect(self, plan: RoundPlan, client: int, payload: bytes) -> Upload:
        envelope, coding = Envelope("up", self.name, plan.round, client), self.links.coding("up", client)
        explicit = not self.settings.seeded
        labels, message = decode_uplink(payload, envelope, coding, plan.request, explicit, self.partial_uploads)
        return Upload(client, message, labels)

    def aggregate(self, plan: RoundPlan, uploads: Iterable[Upload], lessons: Sequence[Tensor] = ()) -> Outcome:
        found = {upload.client: upload.labels for upload in uploads if upload.labels is not None}
        votes = align(plan.request, list(found.values()))
        consensus = combine(self.aggregator, votes)
        hit = self.cache.hits(plan.draw, plan.round)
        known = hit.index_copy(0, nonzero(~hit), consensus.kept)
        draw, hit = plan.draw[known], hit[known]
        drawn = SoftLabels(draw, self.cache.complete(draw, hit, consensus.labels[consensus.kept]))
        ages = torch.where(hit, plan.round - self.cache.stored[draw], 0)
        labels = LabelRound(votes, consensus, drawn, ages)
        return Outcome(tuple(found), drawn.filled(len(plan.draw)), labels=labels)

    def commit(self, plan: RoundPlan, outcome: Outcome) -> None:
        if outcome.labels is None:
            raise ValueError("distillation commits labels")
        broadcast, memories = self._published(plan, outcome.clients, outcome.labels)
        for client, labels in zip(outcome.clients, uploaded(plan.request, outcome.labels.votes), strict=True):
            self._acknowledge(client, labels)
        self.cache.apply(broadcast.draw, broadcast.signals, broadcast.labels, plan.round)
        if self.settings.clients_distill:
            self._broadcast = broadcast
        self._end(plan, memories)

    def skip(self, plan: RoundPlan) -> None:
        # this round left no labels; who missed the last one's is caught up with them
        self._broadcast = Broadcast.nothing(plan.round, self.population.classes)
        self._end(plan, self._observed)

    def metrics(self) -> dict[str, float | None]:
        return {k: v for filter in self.settings.filters for k, v in filter.metrics(self._asked).items()}

    def state_dict(self) -> dict[str, Any]:
        return {
            "cache": self.cache.state_dict(),
            "links": self.links.state_dict(),
            "broadcast": vars(self._broadcast).copy(),
            "asked": self._asked.clone(),
            "filters": copied(self._memories),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.cache.load_state_dict(state["cache"])
        self.links.load_state_dict(state["links"])
        self._broadcast = Broadcast(**state["broadcast"])
        self._asked = state["asked"].clone()
        self._memories = self._observed = copied(state["filters"])

    def _published(
        self, plan: RoundPlan, clients: tuple[int, ...], found: LabelRound
    ) -> tuple[Broadcast, list[Memory]]:
        """What goes down with the next round, and the filters' memories then."""
        draw = found.drawn.indices
        before, sent = self.cache.stored[draw], ~self.cache.hits(draw, plan.round)
        made, memories = self._coded(SoftLabels(draw[sent], found.drawn.labels[sent]), plan.round)
        if self.co_distill:  # these labels stand in for those that the server's model will predict
            memories = self._observed
        labels = found.drawn.labels.index_copy(0, nonzero(sent), made)
        signals = self._signals(before, labels, plan.round)
        own = self._personal(plan.round, clients, found.consensus)
        return Broadcast(plan.round, draw, before, signals, labels, *(own or ())), memories

    def _personal(self, round: int, clients: tuple[int, ...], found: Consensus) -> tuple[Tensor, Tensor, Tensor] | None:
        """Labels of groups, which of them each client is sent, and the clients; None where all are sent the same."""
        if found.groups is None or found.choice is None:
            return None
        groups = found.groups[:, found.kept]
        draws = rng.generator(self.population.seed, "quantize", round, -1)
        coded = self.settings.downlink_codec.quantize(groups.flatten(0, 1), draws).view(groups.shape)
        return coded, found.choice[:, found.kept], torch.tensor(clients)

    def _end(self, plan: RoundPlan, memories: list[Memory]) -> None:
        """What is left of a round, with or without answers: who was asked for how much, and the filters' memories."""
        self._asked[torch.tensor(plan.cohort, dtype=torch.int64)] += len(plan.request)
        self._memories = self._observed = memories

    def _acknowledge(self, client: int, uploaded: SoftLabels) -> None:
        """The client has answered, so it has what it was sent in this round."""
        last = self._broadcast
        if self.settings.downlink_codec.delta:
            new = last.sent | torch.isin(last.draw, self.cache.lacking(client, last.draw, last.signals))
            self.links.put("down", client, SoftLabels(last.draw[new], last.labels_for(client)[new]))
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

    def _signals(self, before: Tensor, labels: Tensor, round: int) -> Tensor:
        return cache_signals(self.settings.policy, before, self.population.seed, round, labels)

    def _coded(self, labels: SoftLabels, round: int) -> tuple[Tensor, list[Memory]]:
        """Labels of a round as they go down, and the filters' memories then."""
        seed = self.population.seed
        filtered, memories = apply(self.filters, labels, rng.generator(seed, "filter", round), self._memories)
        return self.settings.downlink_codec.quantize(filtered, rng.generator(seed, "quantize", round)), memories
