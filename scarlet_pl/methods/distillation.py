"""Federated distillation, composed of parts: SCARLET, DS-FL, FD, CFD and their mixtures are configurations of it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.cache import CachePolicy, ClientCaches, LabelStore, ServerCache, Signal, SoftLabelCache
from scarlet_pl.client import ClientResult, ClientTask
from scarlet_pl.errors import require
from scarlet_pl.functional import aggregation
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.aggregators import Aggregator, EnhancedERA, Mean
from scarlet_pl.methods.base import LabelRound, Method, Outcome, Population, RoundPlan, ServerView, Upload
from scarlet_pl.methods.broadcast import Broadcast
from scarlet_pl.methods.client_side import Received, merge, predicted
from scarlet_pl.methods.derived import cache_signals, derive, state_digest
from scarlet_pl.methods.draws import DrawPolicy, UniformDraw
from scarlet_pl.methods.link import Link
from scarlet_pl.methods.messages import DIGEST_BYTES, Coding, Content, Downlink, Uplink
from scarlet_pl.methods.without_cache import full_downlink, saved_uplink
from scarlet_pl.server import ServerWork
from scarlet_pl.wire import Direction, Float32, LabelCodec, Message, SizeOnly

_NO_CACHE = CachePolicy(duration=0)


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
        for part, given, base in (
            ("aggregator", aggregator, Aggregator),
            ("draw", draw, DrawPolicy),
            ("uplink_codec", uplink_codec, LabelCodec),
            ("downlink_codec", downlink_codec, LabelCodec),
        ):
            require(isinstance(given, base), f"method.{part}", given, f"an object of class {base.__name__}")
        for name, value, known in (
            ("indices", indices, ("explicit", "seeded")),
            ("client_start", client_start, ("previous", "common")),
            ("server_labels", server_labels, ("aggregate", "predictions")),
        ):
            require(value in known, f"method.{name}", value, ", ".join(known))
        self.aggregator, self.draw = aggregator, draw
        self.policy, self.signalled = cache or _NO_CACHE, cache is not None
        self.uplink_codec, self.downlink_codec = uplink_codec, downlink_codec
        self.seeded, self.client_start = indices == "seeded", client_start
        self.clients_distill, self.co_distill = clients_distill, server_labels == "predictions"
        ok = clients_distill or cache is None
        require(ok, "method.cache", cache, "null where clients do not distil: they are sent no labels to keep")
        ok = not (self.seeded and draw.active)
        require(ok, "method.indices", indices, "explicit where the draw depends on the server's model")

    def setup(self, population: Population) -> None:
        super().setup(population)
        size, classes = population.public_size, population.classes
        require(self.draw.size <= size, "method.draw.size", self.draw.size, f"at most {size}, the public set's size")
        self.store = LabelStore(size, classes)
        self.cache = ServerCache(self.policy, self.store)
        self.client_caches = ClientCaches(self.store, dated=self.seeded)
        self.links: dict[Direction, Link] = {
            "up": Link(self.uplink_codec, size, classes),
            "down": Link(self.downlink_codec, size, classes),
        }
        self._broadcast = Broadcast.nothing(-1, classes)
        self._drawn = self.draw.draw(population.seed, 0, size)
        self._received: dict[int, Received] = {}

    @property
    def server_work(self) -> ServerWork:
        return ServerWork("public", self.draw.size)

    @property
    def exact_sizes(self) -> bool:
        return self._exact_codecs and not self.draw.active

    def sizes_alone(self) -> Distillation:
        method = copy(self)
        method.uplink_codec, method.downlink_codec = SizeOnly(self.uplink_codec), SizeOnly(self.downlink_codec)
        method.aggregator = Mean()
        if self.draw.active:  # which samples come again depends on the server: at worst none
            method.policy = CachePolicy(duration=0)
        return method

    @property
    def without_cache(self) -> Literal["exact", "estimated"] | None:
        if not self.signalled:
            return None
        return "exact" if self._exact_codecs else "estimated"

    @property
    def _exact_codecs(self) -> bool:
        return self.uplink_codec.exact and self.downlink_codec.exact

    def observe(self, server: ServerView, round: int) -> None:
        last, population = self._broadcast, self.population
        if self.co_distill and len(last.draw):
            labels = last.labels.clone()
            labels[last.sent] = self._quantized_down(server.predict_public(last.draw[last.sent]), last.round)
            self._broadcast = replace(last, labels=labels)
            self.cache.apply(last.draw, last.signals, labels, torch.full_like(last.before, last.round))

        def predict() -> Tensor:
            return server.predict_public(torch.arange(population.public_size))

        self._drawn = self.draw.draw(population.seed, round, population.public_size, predict)

    def forget(self, client: int) -> None:
        self.cache.forget(client)

    def plan(self, round: int) -> RoundPlan:
        draw = self._drawn
        self._received = {}
        hit = self.cache.hits(draw, round)
        plan = RoundPlan(round, self.cohort(round), draw, request=draw[~hit])
        return replace(plan, without_cache=self._without_cache(plan, draw[hit])) if self.signalled else plan

    def downlink(self, plan: RoundPlan, client: int) -> Message:
        last = self._broadcast
        lacking = self.cache.lacking(client, last.draw, last.signals)
        content = Content(last.draw, last.signals if self.signalled else None, plan.request)
        digest = state_digest(last.before, self.cache.stored[plan.draw]) if self._derivable(plan, client) else None
        message = Downlink(
            content,
            labels=last.labels[last.sent],
            catch_up=SoftLabels(lacking, self.cache.labels(lacking)),
            rounds=self.cache.stored[lacking].long() if self._dated else None,
            derived=digest,
        )
        return message.encode(self.links["down"].coding(client))

    def receive(self, plan: RoundPlan, client: int, payload: bytes) -> ClientTask:
        cache, coding = self.client_caches.get(client), self.links["down"].coding(client)
        message = Downlink.decode(
            payload,
            self.envelope("down", plan, client),
            coding,
            derive=lambda digest: self._derive(cache, plan.round, digest),
            dated=self._dated,
        )
        got = self._received[client] = merge(message, cache, plan.round)
        return ClientTask(
            client=client,
            round=plan.round,
            start=self.client_start,
            distill=SoftLabels(got.draw, got.labels),
            train=True,
            predict=message.content.request,
        )

    def uplink(self, plan: RoundPlan, result: ClientResult) -> Message:
        exact = predicted(result, self.population.public_size, self.population.classes)
        draws = rng.generator(self.population.seed, "quantize", plan.round, result.client + 1)  # 0 is the server
        labels = SoftLabels(exact.indices, self.uplink_codec.quantize(exact.labels, draws))
        return Uplink(labels).encode(self.links["up"].coding(result.client), not self.seeded)

    def collect(self, plan: RoundPlan, client: int, payload: bytes) -> Upload:
        envelope, coding = self.envelope("up", plan, client), self.links["up"].coding(client)
        return Upload(client, Uplink.decode(payload, envelope, coding, plan.request, not self.seeded))

    def aggregate(self, plan: RoundPlan, uploads: list[Upload]) -> Outcome:
        stack = torch.stack([upload.labels for upload in uploads if upload.labels is not None])
        mean = aggregation.mean(stack)
        fresh = self.aggregator.sharpen(mean)
        hit = self.cache.hits(plan.draw, plan.round)
        labels = self.cache.complete(plan.draw, hit, fresh)
        ages = torch.where(hit, plan.round - self.cache.stored[plan.draw], 0)
        clients = tuple(upload.client for upload in uploads)
        return Outcome(clients, SoftLabels(plan.draw, labels), labels=LabelRound(stack, mean, fresh, ages))

    def commit(self, plan: RoundPlan, outcome: Outcome) -> None:
        if outcome.targets is None or outcome.labels is None:
            raise ValueError("distillation commits labels")
        for client, uploaded in zip(outcome.clients, outcome.labels.uploads, strict=True):
            got = self._received[client]
            if self.policy.keeps:
                self.client_caches.make(client).apply(got.draw, got.signals, got.labels, got.rounds)
                self.cache.told(client, got.draw)
            self.links["down"].put(client, got.sent)
            self.links["up"].put(client, SoftLabels(plan.request, uploaded))
        before = self.cache.stored[plan.draw]
        signals = cache_signals(self.policy, before, self.population.seed, plan.round)
        labels, sent = outcome.targets.labels.clone(), signals != Signal.HIT
        labels[sent] = self._quantized_down(labels[sent], plan.round)
        self.cache.apply(plan.draw, signals, labels, torch.full(before.shape, plan.round))
        if self.clients_distill:
            self._broadcast = Broadcast(plan.round, plan.draw, before, signals, labels)
        self._received = {}

    def skip(self, plan: RoundPlan) -> None:
        # there is nothing to tell of this round; who missed the last one's labels is caught up with them
        self._broadcast = Broadcast.nothing(plan.round, self.population.classes)
        self._received = {}

    def state_dict(self) -> dict[str, Any]:
        return {
            "store": self.store.state_dict(),
            "server": self.cache.state_dict(),
            "clients": self.client_caches.state_dict(),
            "links": {direction: link.state_dict() for direction, link in self.links.items()},
            "broadcast": vars(self._broadcast).copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.store.load_state_dict(state["store"])
        self.cache.load_state_dict(state["server"])
        self.client_caches.load_state_dict(state["clients"])
        for direction, link in self.links.items():
            link.load_state_dict(state["links"][direction])
        self._broadcast = Broadcast(**state["broadcast"])

    def _without_cache(self, plan: RoundPlan, hits: Tensor) -> dict[tuple[Direction, str], int]:
        """See `RoundPlan`. Delta coding has nothing to refer to, so with it these are upper bounds."""
        last, population = self._broadcast, self.population
        down, up = (
            Coding(codec, population.public_size, population.classes)
            for codec in (self.downlink_codec, self.uplink_codec)
        )
        derived = bytes(DIGEST_BYTES) if self._derivable_at_all(plan.round) else None
        draws = rng.generator(population.seed, "without_cache", plan.round)
        return {
            **full_downlink(
                SoftLabels(last.draw, last.labels), plan.draw, down, self.envelope("down", plan, 0), derived
            ),
            **saved_uplink(hits, self.cache.labels(hits), plan.draw, up, not self.seeded, draws),
        }

    @property
    def _dated(self) -> bool:
        """Whether clients must know when their entries were stored."""
        return self.seeded and self.policy.keeps

    def _derivable(self, plan: RoundPlan, client: int) -> bool:
        """Whether the client's cache is known to agree on all that the round's content follows from."""
        return self._derivable_at_all(plan.round) and self._broadcast.known_to(client, self.cache, plan.draw)

    def _derivable_at_all(self, round: int) -> bool:
        unanswered = not len(self._broadcast.draw) and round > 0 and self.clients_distill
        return self.seeded and not unanswered

    def _derive(self, cache: SoftLabelCache, round: int, digest: bytes) -> Content:
        return derive(self.population, self.policy, self.draw, cache.stored, round, digest, self.clients_distill)

    def _quantized_down(self, labels: Tensor, round: int) -> Tensor:
        draws = rng.generator(self.population.seed, "quantize", round)
        return self.downlink_codec.quantize(labels, draws)
