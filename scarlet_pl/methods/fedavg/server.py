"""The server's half of FedAvg."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.client import ClientTask, State
from scarlet_pl.errors import require
from scarlet_pl.functional.streams import lean_map
from scarlet_pl.functional.weights import as_type
from scarlet_pl.methods.base import NOTHING, Method, Outcome, RoundPlan, ServerView, Upload
from scarlet_pl.methods.fedavg import messages
from scarlet_pl.methods.fedavg.client import FedAvgClients
from scarlet_pl.methods.fedavg.fusion import Fusion
from scarlet_pl.methods.parts.draws import UniformDraw
from scarlet_pl.methods.population import Population
from scarlet_pl.server import ServerWork
from scarlet_pl.wire import Envelope, Message
from scarlet_pl.wire.fields import Buffer
from scarlet_pl.wire.weights import decode_weights, encode_weights


@dataclass(frozen=True)
class WeightsPlan(RoundPlan):
    """The plan of a round of weights.

    Attributes:
        like: the server's network: names, types and shapes.
        weights: the server's, from which all clients start, encoded.
        taught: (n,) public samples that teachers label; none without fusion.
    """

    like: State = field(default_factory=dict)
    weights: Buffer = b""
    taught: Tensor = NOTHING


class FedAvg(Method):
    """Federated averaging (McMahan et al. 2017): clients train from the server's weights, the server averages theirs.

    The mean is weighted by the clients' numbers of samples. Buffers (the running statistics of batch normalisation)
    are sent, counted and averaged as parameters are; integer buffers are rounded.

    Args:
        fusion: what the server distils once it has averaged (FedDF, FedBE); null for nothing.
    """

    one_model = True
    clients_distill = False
    clients_tested_with = "server"

    def __init__(self, fusion: Fusion | None = None) -> None:
        self.fusion, self.teaches = fusion, fusion is not None

    def setup(self, population: Population) -> None:
        super().setup(population)
        drawn, public = self.fusion.draw.size if self.fusion else 0, population.public_size
        require(drawn <= public, "method.fusion.draw.size", drawn, f"at most {public}, the public set's size")

    @property
    def server_work(self) -> ServerWork:
        return ServerWork("public", self.fusion.draw.size) if self.fusion else ServerWork("nothing")

    @property
    def exact_sizes(self) -> bool:
        return False  # a client's number of samples takes as many bytes as it has digits

    def sizes_alone(self) -> FedAvg:
        return FedAvg(self.fusion and replace(self.fusion, draw=UniformDraw(self.fusion.draw.size), models=None))

    def clients(self) -> FedAvgClients:
        return FedAvgClients(self.name, self.population)

    def plan(self, round: int, server: ServerView, cohort: tuple[int, ...]) -> WeightsPlan:
        weights = server.weights()
        like = {name: value.to("meta") for name, value in weights.items()}
        return WeightsPlan(
            round, cohort, like=like, weights=encode_weights(weights), taught=self._taught(round, server)
        )

    def downlink(self, plan: RoundPlan, client: int) -> Message:
        return messages.downlink(_planned(plan).weights)

    def collect(self, plan: RoundPlan, client: int, payload: bytes) -> Upload:
        envelope = Envelope("up", self.name, plan.round, client)
        weights, samples, message = messages.read_uplink(payload, envelope, _planned(plan).like)
        return Upload(client, message, weights=weights, samples=samples)

    def teachers(self, plan: RoundPlan, uploads: Sequence[Upload]) -> list[ClientTask]:
        asked = _planned(plan).taught
        weights = {each.client: each.message.parts["weights"] for each in uploads if each.message is not None}
        further = map(encode_weights, self._further_teachers(_planned(plan), uploads))
        weights |= enumerate(further, self.population.clients)
        return [ClientTask(number, plan.round, "received", sent, predict=asked) for number, sent in weights.items()]

    def aggregate(self, plan: RoundPlan, uploads: Iterable[Upload], lessons: Sequence[Tensor] = ()) -> Outcome:
        samples, average = _average(_planned(plan).like, uploads)
        if self.fusion is None:
            return Outcome(tuple(samples), weights=average)
        targets = self.fusion.targets(_planned(plan).taught, lessons)
        return Outcome(tuple(samples), targets, average if self.fusion.start == "average" else None)

    def _further_teachers(self, plan: WeightsPlan, uploads: Sequence[Upload]) -> list[State]:
        """The weights of the teachers that are no client's model."""
        if self.fusion is None or not uploads or not (self.fusion.average_teaches or self.fusion.models):
            return []
        origin, states = decode_weights(plan.weights, plan.like), [each.weights or {} for each in uploads]
        samples, average = _average(plan.like, uploads)
        counts = torch.tensor(list(samples.values()), dtype=torch.float64)
        draws = rng.generator(self.population.seed, "teachers", plan.round)
        return self.fusion.further_teachers(origin, states, average, counts / counts.sum(), draws)

    def _taught(self, round: int, server: ServerView) -> Tensor:
        """The public samples that the round's teachers label."""
        if self.fusion is None:
            return NOTHING
        everything = torch.arange(self.population.public_size)
        return self.fusion.draw.draw(self.population, round, lambda: server.predict_public(everything))


def _average(like: State, uploads: Iterable[Upload]) -> tuple[dict[int, int], State]:
    """The clients' numbers of samples, and the mean of their weights that counts by them."""
    sums = {name: torch.zeros(value.shape, dtype=torch.float64) for name, value in like.items()}
    samples = dict(lean_map(partial(_add, sums), uploads))
    return samples, {name: as_type(sums[name] / sum(samples.values()), value.dtype) for name, value in like.items()}


def _add(sums: Mapping[str, Tensor], upload: Upload) -> tuple[int, int]:
    """Add a client's weights, times its samples, to the sums; the client and its samples."""
    for name, value in (upload.weights or {}).items():
        sums[name].add_(value, alpha=upload.samples)
    return upload.client, upload.samples


def _planned(plan: RoundPlan) -> WeightsPlan:
    if not isinstance(plan, WeightsPlan):
        raise TypeError(f"FedAvg plans weights, not a {type(plan).__name__}")
    return plan
