"""A naive SCARLET, written from the paper with dictionaries and loops, compared with the real one.

It shares with the package only the seeds (`rng`), the network's architecture, and the order of mini-batches.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn

from scarlet_pl import rng
from scarlet_pl.cache import CachePolicy
from scarlet_pl.client import ClientConfig
from scarlet_pl.data import FederatedData
from scarlet_pl.methods import Distillation, EnhancedERA, UniformDraw
from scarlet_pl.models import build

from .conftest import tiny_data, tiny_trainer

LR, BATCH, CLASSES = 0.1, 4, 3


@dataclass
class Entry:
    label: list[float]
    round: int


@dataclass
class NaiveClient:
    net: nn.Module
    cache: dict[int, Entry] = field(default_factory=dict)


class NaiveScarlet:
    def __init__(self, data: FederatedData, seed: int, beta: float, duration: int, size: int, share: float) -> None:
        self.data, self.seed, self.beta, self.duration = data, seed, beta, duration
        self.size, self.share = size, share
        self.clients = [NaiveClient(self.network(k + 1)) for k in range(data.num_clients)]
        self.server, self.cache = self.network(0), {}
        self.last: dict[int, tuple[list[float], str, int]] = {}

    def network(self, number: int) -> nn.Module:
        with rng.seeded(self.seed, "init", client=number):
            return build("mlp", "-", CLASSES, self.data.image_shape)

    def images(self, images: Tensor) -> Tensor:
        return (images.float() / 255 - 0.5) / 0.5

    def fit(self, net: nn.Module, images: Tensor, targets: Tensor, batches: list[Tensor]) -> None:
        net.train()
        for rows in batches:
            log_p = torch.log_softmax(net(self.images(images[rows])), -1)
            if targets.ndim == 1:
                loss = -sum(log_p[i, c] for i, c in enumerate(targets[rows])) / len(rows)
            else:
                t = targets[rows]
                loss = (torch.where(t > 0, t * t.clamp_min(1e-45).log(), torch.zeros(())) - t * log_p).sum() / len(rows)
            net.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in net.parameters():
                    parameter -= LR * parameter.grad

    def batches(self, count: int, epochs: int, draws: torch.Generator, keep_single: bool) -> list[Tensor]:
        found = []
        for _ in range(epochs):
            order = torch.randperm(count, generator=draws)
            one = [order[i : i + BATCH] for i in range(0, count, BATCH)]
            found += one if keep_single or len(one) == 1 or len(one[-1]) > 1 else one[:-1]
        return found

    def round(self, r: int) -> None:
        data, everyone = self.data, len(self.clients)
        draw = sorted(
            torch.randperm(len(data.public), generator=rng.generator(self.seed, "draw", r))[: self.size].tolist()
        )
        members = torch.randperm(everyone, generator=rng.generator(self.seed, "cohort", r))
        cohort = sorted(members[: max(1, math.floor(self.share * everyone + 0.5))].tolist())
        wanted = [i for i in draw if i not in self.cache or r - self.cache[i].round > self.duration]
        answers = {k: self.client(k, r, wanted) for k in cohort}
        labels: dict[int, tuple[list[float], str, int]] = {}
        for i in draw:
            if i not in wanted:
                labels[i] = (self.cache[i].label, "HIT", self.cache[i].round)
                continue
            average = [sum(answers[k][i][c] for k in cohort) / len(cohort) for c in range(CLASSES)]
            powers = [p**self.beta for p in average]
            label = [p / sum(powers) for p in powers]
            if i in self.cache:
                del self.cache[i]
                labels[i] = (label, "EXPIRED", r)
            else:
                self.cache[i] = Entry(label, r)
                labels[i] = (label, "NEW", r)
        self.last = labels
        targets = torch.tensor([labels[i][0] for i in draw])
        batches = self.batches(len(draw), 2, rng.generator(self.seed, "server", r), keep_single=True)
        self.fit(self.server, data.public[torch.tensor(draw)], targets, batches)

    def client(self, k: int, r: int, wanted: list[int]) -> dict[int, list[float]]:
        me, data = self.clients[k], self.data
        known: dict[int, list[float]] = {}
        for i, (label, signal, made) in self.last.items():
            if signal == "HIT":
                if i not in me.cache or me.cache[i].round != made:
                    me.cache[i] = Entry(label, made)  # the catch-up package
                known[i] = me.cache[i].label
            else:
                known[i] = label
                me.cache.pop(i, None)
                if signal == "NEW":
                    me.cache[i] = Entry(label, made)
        if known:
            indices = torch.tensor(sorted(known))
            targets = torch.tensor([known[i] for i in sorted(known)])
            batches = self.batches(len(indices), 2, rng.generator(self.seed, "distill", r, k), keep_single=False)
            self.fit(me.net, data.public[indices], targets, batches)
        shard = data.train_shards[k]
        batches = self.batches(len(shard), 1, rng.generator(self.seed, "train", r, k), keep_single=False)
        self.fit(me.net, data.train.images[shard], data.train.labels[shard], batches)
        me.net.eval()
        with torch.no_grad():
            return {i: me.net(self.images(data.public[i : i + 1])).softmax(-1)[0].tolist() for i in wanted}


@pytest.mark.parametrize("case", range(8))
def test_scarlet_is_what_a_naive_reading_of_the_paper_gives(case: int) -> None:
    draws = torch.Generator().manual_seed(case)

    def pick(values: list[float]) -> float:
        return values[int(torch.randint(0, len(values), (), generator=draws))]

    beta, duration, size = pick([0.5, 1.0, 2.0]), int(pick([1, 2, 4])), int(pick([5, 9, 12]))
    share, clients, rounds = pick([0.4, 0.7, 1.0]), int(pick([2, 3, 5])), 7
    data = tiny_data(clients=clients, public=12, shard=9, seed=case)
    method = Distillation(EnhancedERA(beta), CachePolicy(duration), UniformDraw(size), participation=share)
    client = ClientConfig(
        models="mlp", epochs=1, distillation_epochs=2, batch_size=BATCH, distillation_batch_size=BATCH
    )
    trainer, server = tiny_trainer(method, rounds, case, data, client)

    naive = NaiveScarlet(data, case, beta, duration, size, share)
    start = copy.deepcopy(naive.server.state_dict())
    for round in range(rounds):
        naive.round(round)
    from scarlet_pl.data import FederatedDataModule

    module = FederatedDataModule()
    module._data = data
    trainer.fit(server, module)

    real = server.network.state_dict()
    assert any(not torch.allclose(real[key], start[key], atol=1e-3) for key in real), "nothing was learnt"
    for key, value in naive.server.state_dict().items():
        assert torch.allclose(real[key], value, atol=2e-5), key
    stored = {i: r for i, r in enumerate(method.cache.stored.tolist()) if r >= 0}
    assert stored == {i: entry.round for i, entry in naive.cache.items()}
    states = trainer.federation.state_dict()["clients"]
    for stack in states.values():
        for row, k in enumerate(stack["clients"].tolist()):
            for key, value in naive.clients[k].net.state_dict().items():
                assert torch.allclose(stack["states"][key][row], value, atol=2e-5), (k, key)
