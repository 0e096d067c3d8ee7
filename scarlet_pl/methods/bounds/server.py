"""Methods without messages: the lower and the upper bound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.base import Method, Outcome, RoundPlan, ServerView, Upload
from scarlet_pl.methods.bounds.client import LocalClients
from scarlet_pl.server import ServerWork


class _Silent(Method):
    """A method without messages."""

    clients_distill = False

    def clients(self) -> LocalClients:
        return LocalClients(self.name, self.population)

    def plan(self, round: int, server: ServerView, cohort: tuple[int, ...]) -> RoundPlan:
        return RoundPlan(round, cohort)

    def downlink(self, plan: RoundPlan, client: int) -> None:
        return None

    def collect(self, plan: RoundPlan, client: int, payload: bytes) -> Upload:
        return Upload(client)

    def aggregate(self, plan: RoundPlan, uploads: Iterable[Upload], lessons: Sequence[Tensor] = ()) -> Outcome:
        return Outcome(tuple(upload.client for upload in uploads))


class Individual(_Silent):
    """The lower bound: every client trains on its own shard alone. There is no server's model."""

    has_server = False


class Centralized(_Silent):
    """The upper bound: the server trains on all clients' private data, as if it had them. No client does anything.

    A round is `server.epochs` passes over the pooled shards; the loss is cross-entropy (distillation of one-hot
    labels).
    """

    has_clients = False

    @property
    def server_work(self) -> ServerWork:
        return ServerWork("private", len(self.population.private_labels))

    def aggregate(self, plan: RoundPlan, uploads: Iterable[Upload], lessons: Sequence[Tensor] = ()) -> Outcome:
        labels = self.population.private_labels
        one_hot: Tensor = torch.nn.functional.one_hot(labels, self.population.classes).to(torch.float32)
        return Outcome((), SoftLabels(torch.arange(len(labels)), one_hot))
