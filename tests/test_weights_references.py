"""Naive readings of FedProx, FedDF and FedBE, one number at a time, compared with the real methods."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from scarlet_pl import rng
from scarlet_pl.data import FederatedData, Split
from scarlet_pl.learning import FedProx
from scarlet_pl.methods import (
    Aggregator,
    DirichletModels,
    EnhancedERA,
    FedAvg,
    Fusion,
    GaussianModels,
    GeometricMean,
    Mean,
    ModelSampler,
    UniformDraw,
)
from scarlet_pl.server import ServerConfig

from .conftest import share, tiny_data, tiny_trainer
from .naive import BATCH, CLASSES, CLIENT, LR, Naive, assert_same_network, data_module

Weights = dict[str, list[float]]


def unequal(clients: int, seed: int) -> FederatedData:
    """Clients of 6, 8, 10 … samples, which batches of 4 divide or leave two of."""
    data = tiny_data(clients, 12, CLASSES, 6 + clients - 1, seed)
    sizes = torch.arange(clients) * 2 + 6
    return replace(data, train_shards=Split.of_sizes(data.train_shards.rows, sizes))


def numbers(net: nn.Module) -> Weights:
    return {name: value.double().flatten().tolist() for name, value in net.state_dict().items()}


@dataclass
class Case:
    """A round of fusion: how labels are mixed, which teachers there are, and how the server's weights are averaged."""

    mix: str = "mean"
    sampler: str = ""
    average_teaches: bool = False
    start: str = "average"
    first: int = 0
    every: int = 1
    mu: float = 0.0
    fuse: bool = True


class NaiveWeights(Naive):
    """FedAvg with whatever a case adds to it."""

    def __init__(self, data: FederatedData, seed: int, part: float, case: Case) -> None:
        super().__init__(data, seed, part)
        self.case = case

    def net(self, weights: Weights) -> nn.Module:
        net = copy.deepcopy(self.server)
        like = net.state_dict()
        net.load_state_dict({name: torch.tensor(values).view(like[name].shape) for name, values in weights.items()})
        return net

    def round(self, r: int) -> None:
        cohort, before, case = self.cohort(r), numbers(self.server), self.case
        nets = [self.train_from_server(k, r) for k in cohort]
        sizes = [len(self.data.train_shards[k]) for k in cohort]
        own = [numbers(net) for net in nets]
        average = {
            name: [
                sum(s * w[name][i] for s, w in zip(sizes, own, strict=True)) / sum(sizes) for i in range(len(values))
            ]
            for name, values in before.items()
        }
        if not case.fuse:
            self.server = self.net(average)
            return
        draw, teachers = self.draw(r, 7), list(nets)
        if case.average_teaches:
            teachers.append(self.net(average))
        teachers += [self.net(weights) for weights in self.sampled(r, before, own, sizes)]
        said = [self.predict(net, draw) for net in teachers]
        labels = [self.mixed([each[i] for each in said]) for i in draw]
        self.server = self.net(average if case.start == "average" else before)
        self.distill_server(r, draw, labels)

    def train_from_server(self, k: int, r: int) -> nn.Module:
        """θ ← θ − lr (g + μ (θ − θ_start)), a step at a time."""
        net, shard = copy.deepcopy(self.server), self.data.train_shards[k]
        images, labels = self.data.train.fields["image"][shard], self.data.train.labels[shard]
        for rows in self.batches(len(shard), 1, rng.generator(self.seed, "train", r, k)):
            pulls = [
                self.case.mu * (p.detach() - q.detach())
                for p, q in zip(net.parameters(), self.server.parameters(), strict=True)
            ]
            self.fit(net, images, labels, [rows])
            with torch.no_grad():
                for parameter, pull in zip(net.parameters(), pulls, strict=True):
                    parameter -= LR * pull
        return net

    def mixed(self, rows: list[list[float]]) -> list[float]:
        if self.case.mix == "geometric":
            found = [math.exp(sum(math.log(row[c]) for row in rows) / len(rows)) for c in range(CLASSES)]
        else:
            found = [sum(row[c] for row in rows) / len(rows) for c in range(CLASSES)]
        found = [p**2 for p in found] if self.case.mix == "squared" else found
        return [p / sum(found) for p in found]

    def sampled(self, r: int, before: Weights, own: list[Weights], sizes: list[int]) -> list[Weights]:
        if not self.case.sampler:
            return []
        draws, found, clients = rng.generator(self.seed, "teachers", r), [Weights() for _ in range(3)], range(len(own))
        if self.case.sampler == "dirichlet":
            gammas = np.random.default_rng(int(torch.randint(2**62, (), generator=draws)))
            raw = gammas.standard_gamma(1.5, (3, len(own)))
            raw = raw * (1 - gammas.random((3, len(own)))) ** (1 / 0.5)  # of 1.5 → of 0.5
            mixing = [[x / sum(row) for x in row] for row in raw.tolist()]
            for weights, row in zip(found, mixing, strict=True):
                for name in before:
                    weights[name] = [sum(row[k] * own[k][name][i] for k in clients) for i in range(len(before[name]))]
        for name in sorted(before) if self.case.sampler in ("directions", "weights") else ():
            count = len(before[name])
            shape = self.server.state_dict()[name].shape
            noise = torch.randn(3, *shape, generator=draws, dtype=torch.float64).view(3, count).tolist()
            moves = [[own[k][name][i] - before[name][i] for i in range(count)] for k in clients]
            lengths = [math.sqrt(sum(x * x for x in move)) for move in moves]
            far = sum(lengths) / len(lengths)
            for number, weights in enumerate(found):
                weights[name] = []
                for i in range(count):
                    if self.case.sampler == "weights":
                        mean = sum(s * own[k][name][i] for k, s in enumerate(sizes)) / sum(sizes)
                        spread = sum(s * (own[k][name][i] - mean) ** 2 for k, s in enumerate(sizes)) / sum(sizes)
                        weights[name].append(mean + math.sqrt(spread) * noise[number][i])
                    else:
                        units = [moves[k][i] / lengths[k] for k in clients]
                        g = sum(units) / len(units)
                        v = max(sum(u * u for u in units) / len(units) - g * g, 1e-5)
                        weights[name].append(before[name][i] + far * (g + 0.3 * math.sqrt(v) * noise[number][i]))
        return found

    def distill_server(self, round: int, draw: list[int], labels: list[list[float]]) -> None:
        seen: list[Weights] = []
        images, targets = self.data.public.fields["image"][torch.tensor(draw)], torch.tensor(labels)
        for step, rows in enumerate(self.batches(len(draw), 2, rng.generator(self.seed, "server", round)), 1):
            self.fit(self.server, images, targets, [rows])
            if self.case.first and step >= self.case.first and (step - self.case.first) % self.case.every == 0:
                seen.append(numbers(self.server))
        if seen:
            mean = {
                name: [sum(each[name][i] for each in seen) / len(seen) for i in range(len(values))]
                for name, values in seen[0].items()
            }
            self.server = self.net(mean)


MIX: dict[str, Aggregator] = {"mean": Mean(), "squared": EnhancedERA(2.0), "geometric": GeometricMean()}
SAMPLERS: dict[str, ModelSampler | None] = {
    "": None,
    "directions": GaussianModels(3, 0.3),
    "weights": GaussianModels(3, 1.0, "weights"),
    "dirichlet": DirichletModels(3, 0.5),
}


def compare(case: Case, seed: int, rounds: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    clients, part = int(torch.randint(2, 5, (), generator=draws)), (0.5, 0.7, 1.0)[seed % 3]
    data = unequal(clients, seed)
    naive = NaiveWeights(data, seed, part, case)
    start = copy.deepcopy(naive.server.state_dict())
    fusion = Fusion(
        MIX[case.mix],
        UniformDraw(7),
        case.start,  # type: ignore[arg-type]
        SAMPLERS[case.sampler],
        case.average_teaches,
    )
    client = replace(CLIENT, learner=partial(FedProx, mu=case.mu)) if case.mu else CLIENT
    method = FedAvg(fusion if case.fuse else None)
    learns = ServerConfig("mlp", epochs=2, batch_size=BATCH, average_from=case.first or None, average_every=case.every)
    trainer, server = tiny_trainer(method, rounds, seed, data, client, config=share(part), server=learns)
    trainer.fit(server, data_module(data))
    for round in range(rounds):
        naive.round(round)
    real = server.network.state_dict()
    assert any(not torch.allclose(real[key], start[key], atol=1e-3) for key in real), "nothing was learnt"
    assert_same_network(real, naive.server)


@pytest.mark.parametrize("seed", range(8))
def test_fedprox(seed: int) -> None:
    compare(Case(mu=(0.1, 1.0, 3.0)[seed % 3], fuse=False), seed, 5)


@pytest.mark.parametrize("seed", range(8))
def test_feddf_and_one_shot(seed: int) -> None:
    start = "previous" if seed % 4 == 3 else "average"
    compare(Case("mean" if seed % 4 == 2 else "geometric", start=start), seed, 1 if start == "previous" else 5)


@pytest.mark.parametrize("seed", range(8))
def test_fedbe(seed: int) -> None:
    sampler = ("directions", "dirichlet", "directions", "weights")[seed % 4]
    first, every = ((2, 1), (3, 2), (4, 1), (0, 1))[seed // 2]  # a round has 4 steps
    compare(Case("squared", sampler, seed % 3 > 0, "average", first, every), seed, 3)
