"""The clients' half of federated distillation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.cache.client import ClientCaches
from scarlet_pl.cache.policy import Signal
from scarlet_pl.client import ClientResult, ClientTask
from scarlet_pl.errors import DesyncError, MissingReferenceError
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.client_side import ClientSide
from scarlet_pl.methods.distillation.links import Links
from scarlet_pl.methods.distillation.messages import Content, Downlink, encode_uplink
from scarlet_pl.methods.distillation.seeded import derive
from scarlet_pl.methods.distillation.settings import Settings
from scarlet_pl.methods.parts.filters import Memory, apply, copied
from scarlet_pl.methods.population import Population
from scarlet_pl.wire import Envelope, Message


@dataclass
class _Round:
    """What a client was sent in a round and, later, what it sent: its memory takes them over if the server uses them.

    Attributes:
        received: (n,) public samples and their labels, which it distils.
        signals, rounds: (n,) for its cache.
        new: those of the labels that came over the wire; the others were in the cache.
        uploaded: its predictions, as coded.
        filters: the memories of the uplink's filters.
    """

    received: SoftLabels
    signals: Tensor
    rounds: Tensor
    new: SoftLabels
    uploaded: SoftLabels | None = None
    filters: list[Memory] = field(default_factory=list)


class DistillationClients(ClientSide):
    """Distils the labels that were sent, trains, and sends predictions. A client's memory is its cache, what filters
    keep and, with delta coding, the labels that went over its link last.

    Args:
        name: of the method.
        population: of the federation.
        settings: that the server has too.
    """

    def __init__(self, name: str, population: Population, settings: Settings) -> None:
        super().__init__(name, population)
        self.settings = settings
        self.caches = ClientCaches(population.public_size, population.classes, settings.dated)
        self.links = Links(settings, population)
        self.selector = settings.selector
        self._filters: dict[int, list[Memory]] = {}
        self._rounds: dict[int, _Round] = {}

    def receive(self, round: int, client: int, payload: bytes) -> ClientTask:
        try:
            message = Downlink.decode(
                payload,
                Envelope("down", self.name, round, client),
                self.links.coding("down", client),
                lambda digest: self._derive(client, round, digest),
                dated=self.settings.dated,
            )
        except MissingReferenceError as error:
            raise DesyncError(str(error)) from error
        got = self._rounds[client] = self._merge(message, client, round)
        request, start = message.content.request, self.settings.client_start
        distill = got.received.filled(self.settings.draw.size) or got.received
        return ClientTask(client, round, start=start, distill=distill, train=True, predict=request)

    def uplink(self, round: int, result: ClientResult) -> Message:
        client, seed, asked = result.client, self.population.seed, self._rounds[result.client]
        exact = result.predictions(self.population.public_size, self.population.classes)
        draws = rng.generator(seed, "filter", round, client + 1)  # 0 is the server
        filtered, asked.filters = apply(self.settings.filters, exact, draws, self._filters.get(client, []))
        draws = rng.generator(seed, "quantize", round, client + 1)
        asked.uploaded = SoftLabels(exact.indices, self.settings.uplink_codec.quantize(filtered, draws))
        return encode_uplink(asked.uploaded, self.links.coding("up", client), not self.settings.seeded)

    def accept(self, round: int, client: int) -> None:
        done = self._rounds.pop(client)
        if self.settings.policy.keeps:
            self.caches.apply(client, done.received.indices, done.signals, done.received.labels, done.rounds)
        self.links.put("down", client, done.new)
        if done.uploaded is not None:
            self.links.put("up", client, done.uploaded)
        self._keep(client, done.filters)

    def reject(self, client: int) -> None:
        self._rounds.pop(client, None)

    def memory(self, client: int) -> dict[str, Any] | None:
        kept = {
            "cache": self.caches.content(client),
            "links": self.links.content(client),
            "filters": copied(self._filters[client]) if client in self._filters else None,
        }
        return None if all(each is None for each in kept.values()) else kept

    def remember(self, client: int, memory: Any) -> None:
        self.reject(client)
        self.caches.replace(client, memory and memory["cache"])
        self.links.replace(client, memory and memory["links"])
        self._keep(client, copied(memory and memory["filters"]))

    def state_dict(self) -> dict[str, Any]:
        filters = {client: copied(memories) for client, memories in self._filters.items()}
        return {"caches": self.caches.state_dict(), "links": self.links.state_dict(), "filters": filters}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._rounds = {}
        self.caches.load_state_dict(state["caches"])
        self.links.load_state_dict(state["links"])
        self._filters = {client: copied(memories) for client, memories in state["filters"].items()}

    def _keep(self, client: int, filters: list[Memory]) -> None:
        """What filters remember of a client, if any of them does."""
        self._filters.pop(client, None)
        if any(filters):
            self._filters[client] = filters

    def _derive(self, client: int, round: int, digest: bytes) -> Content:
        stored = self.caches.rounds(client, torch.arange(self.population.public_size))
        return derive(self.settings, self.population, stored, round, digest)

    def _merge(self, message: Downlink, client: int, round: int) -> _Round:
        """The labels of the draw: those that were sent, those that were caught up with, and those of the cache."""
        draw, signals = message.content.draw, message.content.signals
        if signals is None:
            signals = torch.full(draw.shape, int(Signal.UNCACHED), dtype=torch.uint8)
        hit = signals == Signal.HIT
        late = torch.isin(draw, message.catch_up.indices)
        labels = torch.empty(len(draw), message.labels.shape[1])
        labels[~hit] = message.labels
        labels[late] = message.catch_up.labels
        labels[hit & ~late] = self.caches.labels(client, draw[hit & ~late])
        rounds = torch.full(draw.shape, round - 1)
        if message.rounds is not None:
            rounds[late] = message.rounds
        # a label that comes late is new to this client
        to_keep = torch.where(late, int(Signal.NEW), signals.to(torch.int64)).to(torch.uint8)
        new = SoftLabels(draw[~hit | late], labels[~hit | late])
        return _Round(SoftLabels(draw, labels), to_keep, rounds, new)


class ClassClients(DistillationClients):
    """Labels are of classes, each of which stands for a client's own samples of it."""

    def receive(self, round: int, client: int, payload: bytes) -> ClientTask:
        return replace(super().receive(round, client, payload), labels_of="classes")
