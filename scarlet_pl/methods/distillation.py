"""Federated distillation, composed of parts: SCARLET, DS-FL, FD and their mixtures are configurations of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.cache import CachePolicy, LabelStore, ServerCache, Signal, SoftLabelCache
from scarlet_pl.client import ClientResult, ClientTask
from scarlet_pl.errors import require
from scarlet_pl.functional import aggregation
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.aggregators import Aggregator, EnhancedERA
from scarlet_pl.methods.base import Method, Outcome, Population, RoundPlan, Upload
from scarlet_pl.methods.draws import DrawPolicy, UniformDraw
from scarlet_pl.methods.messages import DOWN_PARTS, UP_PARTS, Downlink, Uplink
from scarlet_pl.wire import Direction, Float32, LabelCodec, Message
from scarlet_pl.wire.frame import overhead_bytes

_NO_CACHE = CachePolicy(duration=0)


@dataclass(frozen=True)
class _Broadcast:
    """What the next round's downlink tells: the last draw, its signals, its labels (n, N)."""

    round: int
    draw: Tensor
    signals: Tensor
    labels: Tensor


class Distillation(Method):
    """Clients teach one another by soft labels on a public set.

    In round r the server sends the labels of round r - 1 and the list of public samples it wants predicted. A
    client distils those labels, trains on its own shard, predicts the list and sends its predictions. The server
    aggregates them, adds the cached labels of the samples that it did not ask for, and distils its own model.

    Args:
        aggregator: from the clients' mean to the label that is distilled.
        cache: reuse of labels on both sides; null for none, as in DS-FL.
        draw: which public samples a round uses.
        uplink_codec: coding of the clients' labels.
        downlink_codec: coding of the server's labels.
        participation: share of the clients in a round's cohort, in (0, 1]; at least one client.
    """

    def __init__(
        self,
        aggregator: Aggregator = EnhancedERA(beta=1.0),  # noqa: B008 (frozen)
        cache: CachePolicy | None = CachePolicy(),  # noqa: B008 (frozen)
        draw: DrawPolicy = UniformDraw(size=150),  # noqa: B008 (frozen)
        uplink_codec: LabelCodec = Float32(),  # noqa: B008 (without state)
        downlink_codec: LabelCodec = Float32(),  # noqa: B008 (without state)
        participation: float = 1.0,
    ) -> None:
        super().__init__(participation)
        self.aggregator, self.draw = aggregator, draw
        self.policy, self.signalled = cache or _NO_CACHE, cache is not None
        self.uplink_codec, self.downlink_codec = uplink_codec, downlink_codec

    def setup(self, population: Population) -> None:
        super().setup(population)
        size = population.public_size
        require(
            self.draw.size <= size,
            "method.draw.size",
            self.draw.size,
            f"at most {size}, the public set's size",
        )
        self.store = LabelStore(size, population.classes)
        self.cache = ServerCache(self.policy, self.store)
        self.client_caches: dict[int, SoftLabelCache] = {}
        nothing = torch.zeros(0, dtype=torch.int64)
        no_labels = torch.zeros(0, population.classes)
        self._broadcast = _Broadcast(-1, nothing, nothing.to(torch.uint8), no_labels)
        self._received: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    def plan(self, round: int) -> RoundPlan:
        draw = self.draw.draw(self.population.seed, round, self.population.public_size)
        self._received = {}
        return RoundPlan(round, self.cohort(round), draw, request=draw[~self.cache.hits(draw, round)])

    def downlink(self, plan: RoundPlan, client: int) -> Message:
        last = self._broadcast
        lacking = self.cache.lacking(client, last.draw, last.signals)
        message = Downlink(
            draw=last.draw,
            signals=last.signals if self.signalled else None,
            labels=last.labels[last.signals != Signal.HIT],
            catch_up=SoftLabels(lacking, self.cache.entries.labels(lacking)),
            request=plan.request,
        )
        return message.encode(self.downlink_codec)

    def receive(self, plan: RoundPlan, client: int, payload: bytes) -> ClientTask:
        size, classes = self.population.public_size, self.population.classes
        message = Downlink.decode(payload, self.envelope("down", plan, client), self.downlink_codec, size, classes)
        signals = message.signals
        if signals is None:
            signals = torch.full(message.draw.shape, int(Signal.UNCACHED), dtype=torch.uint8)
        hit = signals == Signal.HIT
        late = torch.isin(message.draw, message.catch_up.indices)
        labels = torch.empty(len(message.draw), classes)
        labels[~hit] = message.labels
        labels[late] = message.catch_up.labels
        labels[hit & ~late] = self._client_cache(client).labels(message.draw[hit & ~late])
        # what the client was late to hear is new to it
        to_keep = torch.where(late, int(Signal.NEW), signals.to(torch.int64)).to(torch.uint8)
        self._received[client] = (message.draw, to_keep, labels)
        return ClientTask(
            client=client,
            round=plan.round,
            distill=SoftLabels(message.draw, labels),
            train=True,
            predict=message.request,
        )

    def uplink(self, plan: RoundPlan, result: ClientResult) -> Message:
        if result.labels is None:
            raise ValueError(f"client {result.client} was not asked for predictions")
        return Uplink(SoftLabels(plan.request, result.labels)).encode(self.uplink_codec)

    def collect(self, plan: RoundPlan, client: int, payload: bytes) -> Upload:
        envelope = self.envelope("up", plan, client)
        size, classes = self.population.public_size, self.population.classes
        return Upload(client, Uplink.decode(payload, envelope, self.uplink_codec, plan.request, size, classes))

    def aggregate(self, plan: RoundPlan, uploads: list[Upload]) -> Outcome:
        stack = torch.stack([upload.labels for upload in uploads])
        mean = aggregation.mean(stack)
        fresh = self.aggregator.sharpen(mean)
        hit = self.cache.hits(plan.draw, plan.round)
        labels = torch.empty(len(plan.draw), self.population.classes)
        labels[~hit] = fresh
        labels[hit] = self.cache.entries.labels(plan.draw[hit])
        ages = torch.where(hit, plan.round - self.cache.stored[plan.draw], 0)
        clients = tuple(upload.client for upload in uploads)
        return Outcome(clients, SoftLabels(plan.draw, labels), stack, mean, fresh, ages)

    def commit(self, plan: RoundPlan, outcome: Outcome) -> None:
        last = self._broadcast
        if self.policy.keeps:
            for client in outcome.clients:
                self._client_cache(client).apply(*self._received[client])
                self.cache.told(client, last.draw)
        draws = rng.generator(self.population.seed, "cache", plan.round)
        signals = self.policy.signals(self.cache.stored[plan.draw], plan.round, draws)
        self.cache.commit(plan.draw, signals, outcome.targets.labels, plan.round)
        self._broadcast = _Broadcast(plan.round, plan.draw, signals, outcome.targets.labels)
        self._received = {}

    def without_cache(self, round: int) -> dict[tuple[Direction, str], int]:
        now, last, classes = self.draw.size, self.draw.size if round else 0, self.population.classes
        up = overhead_bytes(len(UP_PARTS)) + 4 * now + self.uplink_codec.size(now, classes)
        down = overhead_bytes(len(DOWN_PARTS)) + 4 * (last + now) + self.downlink_codec.size(last, classes)
        return {
            ("up", "bytes"): up,
            ("down", "bytes"): down,
            ("up", "paper"): now * (4 * classes + 8),
            ("down", "paper"): last * (4 * classes + 8) + 8 * now,
        }

    def state_dict(self) -> dict[str, Any]:
        return {
            "store": self.store.state_dict(),
            "server": self.cache.state_dict(),
            "clients": {client: cache.state_dict() for client, cache in self.client_caches.items()},
            "broadcast": vars(self._broadcast).copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.store.load_state_dict(state["store"])
        self.cache.load_state_dict(state["server"])
        self.client_caches = {}
        for client, cache in state["clients"].items():
            self._client_cache(client).load_state_dict(cache)
        self._broadcast = _Broadcast(**state["broadcast"])

    def _client_cache(self, client: int) -> SoftLabelCache:
        if client not in self.client_caches:
            self.client_caches[client] = SoftLabelCache(self.store)
        return self.client_caches[client]
