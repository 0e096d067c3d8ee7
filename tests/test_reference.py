"""Naive readings of SCARLET, DS-FL and CFD, with dictionaries and loops, compared with the real methods."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from scarlet_pl.cache import CachePolicy
from scarlet_pl.data import FederatedData
from scarlet_pl.methods import ERA, Distillation, EnhancedERA, FixedDraw, Mean, UniformDraw
from scarlet_pl.wire import Float32, Quantized

from .conftest import node, share, tiny_data, tiny_trainer
from .naive import CLASSES, CLIENT, COMMON, Naive, assert_same_network, data_module


@dataclass
class Entry:
    label: list[float]
    round: int


@dataclass
class NaiveClient:
    net: nn.Module
    cache: dict[int, Entry] = field(default_factory=dict)


class NaiveScarlet(Naive):
    """SCARLET; with a duration of -1 and a temperature it is DS-FL."""

    def __init__(
        self,
        data: FederatedData,
        seed: int,
        share: float,
        beta: float,
        duration: int,
        size: int,
        temperature: float = 0,
    ) -> None:
        super().__init__(data, seed, share)
        self.beta, self.duration, self.size, self.temperature = beta, duration, size, temperature
        self.clients = [NaiveClient(self.network(k + 1)) for k in range(data.num_clients)]
        self.cache: dict[int, Entry] = {}
        self.last: dict[int, tuple[list[float], str, int]] = {}

    def round(self, r: int) -> None:
        draw, cohort = self.draw(r, self.size), self.cohort(r)
        wanted = [i for i in draw if i not in self.cache or r - self.cache[i].round > self.duration]
        answers = {k: self.client(k, r, wanted) for k in cohort}
        labels: dict[int, tuple[list[float], str, int]] = {}
        for i in draw:
            if i not in wanted:
                labels[i] = (self.cache[i].label, "HIT", self.cache[i].round)
                continue
            label = self.sharpen([sum(answers[k][i][c] for k in cohort) / len(cohort) for c in range(CLASSES)])
            if i in self.cache:
                del self.cache[i]
                labels[i] = (label, "EXPIRED", r)
            elif self.duration > 0:
                self.cache[i] = Entry(label, r)
                labels[i] = (label, "NEW", r)
            else:
                labels[i] = (label, "SENT", r)
        self.last = labels
        self.distill_server(r, draw, [labels[i][0] for i in draw])

    def sharpen(self, average: list[float]) -> list[float]:
        if self.temperature:
            powers = [math.exp(p / self.temperature) for p in average]
        else:
            powers = [p**self.beta for p in average]
        return [p / sum(powers) for p in powers]

    def client(self, k: int, r: int, wanted: list[int]) -> dict[int, list[float]]:
        me = self.clients[k]
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
            self.distill_client(me.net, k, r, known)
        self.train_client(me.net, k, r)
        return self.predict(me.net, wanted)


def pick(draws: torch.Generator, values: list[float]) -> float:
    return values[int(torch.randint(0, len(values), (), generator=draws))]


def compare(method: Distillation, naive: NaiveScarlet, data: FederatedData, seed: int, rounds: int) -> None:
    start = copy.deepcopy(naive.server.state_dict())
    for round in range(rounds):
        naive.round(round)
    trainer, server = tiny_trainer(method, rounds, seed, data, CLIENT, config=share(naive.share))
    trainer.fit(server, data_module(data))
    real = server.network.state_dict()
    assert any(not torch.allclose(real[key], start[key], atol=1e-3) for key in real), "nothing was learnt"
    assert_same_network(real, naive.server)
    stored = {i: r for i, r in enumerate(method.cache.stored.tolist()) if r >= 0}
    assert stored == {i: entry.round for i, entry in naive.cache.items()}
    for k, state in node(trainer.federation).states.items():
        assert_same_network(dict(state), naive.clients[k].net)


@pytest.mark.parametrize("case", range(8))
def test_scarlet(case: int) -> None:
    draws = torch.Generator().manual_seed(case)
    beta, duration = pick(draws, [0.5, 1.0, 2.0]), int(pick(draws, [1, 2, 4]))
    size, part = int(pick(draws, [5, 9, 12])), pick(draws, [0.4, 0.7, 1.0])
    data = tiny_data(clients=int(pick(draws, [2, 3, 5])), public=12, shard=9, seed=case)
    indices = "seeded" if case % 2 else "explicit"
    cache = CachePolicy(duration)
    method = Distillation(EnhancedERA(beta), cache, UniformDraw(size), indices=indices)  # type: ignore[arg-type]
    compare(method, NaiveScarlet(data, case, part, beta, duration, size), data, case, 7)


@pytest.mark.parametrize("case", range(4))
def test_ds_fl(case: int) -> None:
    draws = torch.Generator().manual_seed(case)
    temperature, part = pick(draws, [0.1, 0.5]), pick(draws, [0.4, 1.0])
    data = tiny_data(clients=3, public=12, shard=9, seed=case)
    method = Distillation(ERA(temperature), None, UniformDraw(7))
    compare(method, NaiveScarlet(data, case, part, 1, -1, 7, temperature), data, case, 5)


class NaiveCFD(Naive):
    """Algorithm 1 of CFD: common start, a fixed public subset, quantised labels up, the server's quantised down."""

    def __init__(self, data: FederatedData, seed: int, share: float, size: int, up: int, down: int) -> None:
        super().__init__(data, seed, share)
        self.subset, self.bits = self.draw(0, size), (up, down)
        self.down: dict[int, list[float]] = {}
        self.nets: dict[int, nn.Module] = {}

    def quantize(self, row: list[float], bits: int) -> list[float]:
        if bits == 32:
            return row
        steps = 2**bits - 1
        levels = [math.floor(p / sum(row) * steps) for p in row]
        rest = [p / sum(row) * steps - level for p, level in zip(row, levels, strict=True)]
        for c in sorted(range(len(row)), key=lambda c: -rest[c])[: steps - sum(levels)]:
            levels[c] += 1
        return [level / steps for level in levels]

    def round(self, r: int) -> None:
        cohort, sums = self.cohort(r), {i: [0.0] * CLASSES for i in self.subset}
        for k in cohort:
            net = self.nets[k] = self.network(COMMON)
            if self.down:
                self.distill_client(net, k, r, self.down)
            self.train_client(net, k, r)
            for i, row in self.predict(net, self.subset).items():
                sums[i] = [s + q for s, q in zip(sums[i], self.quantize(row, self.bits[0]), strict=True)]
        self.distill_server(r, self.subset, [[s / len(cohort) for s in sums[i]] for i in self.subset])
        predicted = self.predict(self.server, self.subset)
        self.down = {i: self.quantize(row, self.bits[1]) for i, row in predicted.items()}


@pytest.mark.parametrize(
    ("case", "up", "down", "delta"), [(0, 1, 1, False), (1, 1, 32, True), (2, 2, 4, True), (3, 32, 32, False)]
)
def test_cfd(case: int, up: int, down: int, delta: bool) -> None:
    data, part = tiny_data(clients=4, public=14, shard=9, seed=case), 0.5
    naive = NaiveCFD(data, case, part, 10, up, down)
    method = Distillation(
        Mean(),
        None,
        FixedDraw(10),
        Quantized(up, delta),
        Quantized(down, delta) if down < 32 else Float32(),
        indices="seeded",
        client_start="common",
        server_labels="predictions",
    )
    trainer, server = tiny_trainer(method, 5, case, data, CLIENT, config=share(part))
    trainer.fit(server, data_module(data))
    for round in range(5):
        naive.round(round)
    assert_same_network(server.network.state_dict(), naive.server)
    for k, state in node(trainer.federation).states.items():
        assert_same_network(dict(state), naive.nets[k])
