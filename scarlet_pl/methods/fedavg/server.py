"""The server's half of FedAvg."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from scarlet_pl.client import State
from scarlet_pl.functional.streams import lean_map
from scarlet_pl.methods.base import Method, Outcome, RoundPlan, ServerView, Upload
from scarlet_pl.methods.fedavg import messages
from scarlet_pl.methods.fedavg.client import FedAvgClients
from scarlet_pl.wire import Envelope, Message
from scarlet_pl.wire.fields import Buffer
from scarlet_pl.wire.weights import encode_weights


@dataclass(frozen=True)
class WeightsPlan(RoundPlan):
    """The plan of a round of weights.

    Attributes:
        like: the server's network: names, types and shapes.
        weights: the server's, from which all clients start, encoded.
    """

    like: State = field(default_factory=dict)
    weights: Buffer = b""


class FedAvg(Method):
    """Federated averaging (McMahan et al. 2017): clients train from the server's weights, the server averages theirs.

    The mean is weighted by the clients' numbers of samples. Buffers (the running statistics of batch normalisation)
    are sent, counted and averaged as parameters are; integer buffers are rounded.
    """

    one_model = True
    clients_tested_with = "server"

    def clients(self) -> FedAvgClients:
        return FedAvgClients(self.name, self.population)

    def plan(self, round: int, server: ServerView, cohort: tuple[int, ...]) -> WeightsPlan:
        weights = server.weights()
        like = {name: value.to("meta") for name, value in weights.items()}
        return WeightsPlan(round, cohort, like=like, weights=encode_weights(weights))

    def downlink(self, plan: RoundPlan, client: int) -> Message:
        return messages.downlink(_planned(plan).weights)

    def collect(self, plan: RoundPlan, client: int, payload: bytes) -> Upload:
        envelope = Envelope("up", self.name, plan.round, client)
        weights, samples, message = messages.read_uplink(payload, envelope, _planned(plan).like)
        return Upload(client, message, weights=weights, samples=samples)

    def aggregate(self, plan: RoundPlan, uploads: Iterable[Upload]) -> Outcome:
        like = _planned(plan).like
        sums = {name: torch.zeros(value.shape, dtype=torch.float64) for name, value in like.items()}
        samples = dict(lean_map(partial(_add, sums), uploads))
        average = {name: _as(sums[name] / sum(samples.values()), value.dtype) for name, value in like.items()}
        return Outcome(tuple(samples), weights=average)


def _add(sums: Mapping[str, Tensor], upload: Upload) -> tuple[int, int]:
    """Add a client's weights, times its samples, to the sums; the client and its samples."""
    for name, value in (upload.weights or {}).items():
        sums[name].add_(value, alpha=upload.samples)
    return upload.client, upload.samples


def _planned(plan: RoundPlan) -> WeightsPlan:
    if not isinstance(plan, WeightsPlan):
        raise TypeError(f"FedAvg plans weights, not a {type(plan).__name__}")
    return plan


def _as(mean: Tensor, dtype: torch.dtype) -> Tensor:
    return (mean if dtype.is_floating_point else mean.round()).to(dtype)
