"""Naive readings of COMET, Selective-FD, EdgeFD, FedMD and Cronus, compared with the real methods."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from scarlet_pl import rng
from scarlet_pl.client.outliers import Centroids, KuLSIF
from scarlet_pl.learning import Learner
from scarlet_pl.methods import (
    Clusters,
    Confident,
    Distillation,
    FixedDraw,
    GeometricMean,
    Mean,
    RobustMean,
    UniformDraw,
)

from .conftest import node, share, tiny_data, tiny_trainer
from .naive import CLASSES, CLIENT, assert_same_network, data_module
from .naive_labels import Labels, NaiveLabels, average, centred, squared

ROUNDS = 4
CASES = pytest.mark.parametrize("case", range(8))


def setting(case: int) -> tuple[Any, float]:
    """Data and participation."""
    data = tiny_data(clients=3 + case % 3, public=12, shard=9, seed=case)
    return data, [1.0, 0.7, 0.5][case % 3]


def compare(method: Distillation, naive: NaiveLabels, **client: Any) -> None:
    config = replace(CLIENT, **client)
    start = copy.deepcopy([net.state_dict() for net in naive.nets])
    trainer, server = tiny_trainer(method, ROUNDS, naive.seed, naive.data, config, config=share(naive.share))
    trainer.fit(server, data_module(naive.data))
    for round in range(ROUNDS):
        naive.round(round)
    states = dict(node(trainer.federation).states.items())
    assert any(not torch.allclose(states[k][name], start[k][name], atol=1e-3) for k in states for name in states[k])
    for k, state in states.items():
        assert_same_network(dict(state), naive.nets[k])
    if method.has_server:
        assert_same_network(server.network.state_dict(), naive.server)


def distance(a: list[float], b: list[float]) -> float:
    return math.dist(a, b)


def clusters(vectors: dict[int, list[float]], count: int) -> dict[int, list[float]]:
    """The centroid of each client's cluster."""

    def middle(members: list[int]) -> list[float]:
        return [sum(vectors[k][j] for k in members) / len(members) for j in range(len(vectors[members[0]]))]

    everybody = sorted(vectors)
    centroids: list[list[float]] = []
    while len(centroids) < min(count, len(everybody)):
        far = {k: min(distance(vectors[k], c) for c in centroids or [middle(everybody)]) for k in everybody}
        centroids.append(vectors[max(everybody, key=lambda k: (far[k], -k))])
    last: dict[int, int] = {}
    while True:
        choice = {k: min(range(len(centroids)), key=lambda c: distance(vectors[k], centroids[c])) for k in everybody}
        if choice == last:
            return {k: centroids[choice[k]] for k in everybody}
        last = choice
        for c in range(len(centroids)):
            members = [k for k in everybody if choice[k] == c]
            if members:
                centroids[c] = middle(members)


class NaiveComet(NaiveLabels):
    by = "sample"

    def combine(self, answers: dict[int, Labels]) -> tuple[Labels, dict[int, Labels]]:
        clients, samples = sorted(answers), sorted(answers[min(answers)])
        mean = {i: average([answers[k][i] for k in clients]) for i in samples}
        own: dict[int, Labels] = {k: {} for k in clients}
        if self.by == "sample":
            for i in samples:
                for k, centroid in clusters({k: answers[k][i] for k in clients}, 2).items():
                    own[k][i] = centroid
        else:
            found = clusters({k: [p for i in samples for p in answers[k][i]] for k in clients}, 2)
            for k in clients:
                own[k] = {i: found[k][CLASSES * n : CLASSES * (n + 1)] for n, i in enumerate(samples)}
        return mean, own


@CASES
def test_comet(case: int) -> None:
    data, part = setting(case)
    if case % 2:
        compare(Distillation(Clusters(2), None, UniformDraw(7)), NaiveComet(data, case, part, 7))
        return
    naive = NaiveComet(data, case, part, 7, joint=0.5, loss=squared)
    naive.by = "client"
    method = Distillation(Clusters(2, "client"), None, UniformDraw(7))
    compare(method, naive, joint_weight=0.5, learner=partial(Learner, distance="l2"))


class NaiveSelective(NaiveLabels):
    """Which samples a client labels is worked out by loops over pixels."""

    threshold = 2.0
    count: int | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inliers = [self.chosen(k) for k in range(self.data.num_clients)]

    def pixels(self, images: torch.Tensor) -> list[list[float]]:
        return [row.flatten().double().tolist() for row in self.images(images)]

    def chosen(self, k: int) -> set[int]:
        draws = rng.generator(self.seed, "select", client=k)
        own = self.pixels(self.data.train.fields["image"][self.data.train_shards[k]])
        order = torch.randperm(len(own), generator=draws).tolist()
        used, held = [own[i] for i in order[: len(own) // 2]], [own[i] for i in order[len(own) // 2 :]]
        public = self.pixels(self.data.public.fields["image"])
        score = self.near(used) if self.count else self.ratio(used, public, draws)
        bound = np.quantile([score(v) for v in held], 0.25)
        return {i for i, v in enumerate(public) if (score(v) >= bound if self.count else score(v) > bound)}

    def ratio(self, own: list[list[float]], public: list[list[float]], draws: torch.Generator) -> Any:
        """The closed form, by numpy."""
        low, high = min(map(min, public)), max(map(max, public))
        noise = [[low + (high - low) * u for u in row] for row in torch.rand(20, len(own[0]), generator=draws).tolist()]

        def kernel(a: list[float], b: list[float]) -> float:
            return math.exp(-(distance(a, b) ** 2) / (2 * 3.0**2))

        ridge, n, m = 20**-0.5, len(noise), len(own)
        inner = np.array([[kernel(a, b) for b in noise] for a in noise]) / n + ridge * np.eye(n)
        alpha = np.linalg.inv(inner) @ [-sum(kernel(a, y) for y in own) / (n * m * ridge) for a in noise]

        def score(v: list[float]) -> float:
            mine = sum(kernel(v, y) for y in own) / (m * ridge)
            return mine + sum(a * kernel(v, x) for a, x in zip(alpha, noise, strict=True))

        return score

    def near(self, own: list[list[float]]) -> Any:
        assert self.count
        centroids = clusters(dict(enumerate(own)), self.count).values()
        return lambda v: -min(distance(v, c) for c in centroids)

    def wanted(self, k: int, draw: list[int]) -> list[int]:
        return [i for i in draw if i in self.inliers[k]]

    def combine(self, answers: dict[int, Labels]) -> tuple[Labels, dict[int, Labels]]:
        found = {}
        for i in {i for labels in answers.values() for i in labels}:
            mean = average([labels[i] for labels in answers.values() if i in labels])
            if sum(abs(p - (j == mean.index(max(mean)))) for j, p in enumerate(mean)) < self.threshold:
                found[i] = mean
        return found, {}


@CASES
def test_selective_fd(case: int) -> None:
    data, part = setting(case)
    kind = type("Naive", (NaiveSelective,), {"threshold": 1.25})
    naive = kind(data, case, part, 7)
    assert 0 < sum(map(len, naive.inliers)) < 12 * data.num_clients
    selector = KuLSIF(width=3.0, auxiliary=20)
    compare(Distillation(Confident(Mean(), 1.25), None, UniformDraw(7), selector=selector), naive)


@CASES
def test_edgefd(case: int) -> None:
    data, part = setting(case)
    kind = type("Naive", (NaiveSelective,), {"count": 2})
    compare(Distillation(Mean(), None, UniformDraw(7), selector=Centroids(2)), kind(data, case, part, 7))


class NaiveFedMD(NaiveLabels):
    """It sends logits, and averages them."""

    def answer(self, k: int, wanted: list[int]) -> Labels:
        net: nn.Module = self.nets[k].eval()
        images = self.images(self.data.public.fields["image"])
        with torch.no_grad():
            return {i: net(images[i : i + 1])[0].tolist() for i in wanted}

    def combine(self, answers: dict[int, Labels]) -> tuple[Labels, dict[int, Labels]]:
        found = {}
        for i in answers[min(answers)]:
            powers = [math.exp(z) for z in average([labels[i] for labels in answers.values()])]
            found[i] = [power / sum(powers) for power in powers]
        return found, {}


@CASES
def test_fedmd(case: int) -> None:
    data, part = setting(case)
    method = Distillation(GeometricMean(), None, UniformDraw(7))
    naive = NaiveFedMD(data, case, part, 7, loss=centred)
    compare(method, naive, learner=partial(Learner, distance="l1_logits"))


class NaiveCronus(NaiveLabels):
    def combine(self, answers: dict[int, Labels]) -> tuple[Labels, dict[int, Labels]]:
        found = {}
        for i in answers[min(answers)]:
            left = [np.array(answers[k][i]) for k in sorted(answers)]
            for _ in range(math.floor(0.4 * len(answers) + 1e-9)):
                mean = sum(left) / len(left)
                _, vectors = np.linalg.eigh(sum(np.outer(p - mean, p - mean) for p in left) / len(left))
                scores = [float((vectors[:, -1] @ (p - mean)) ** 2) for p in left]
                left.pop(scores.index(max(scores)))
            found[i] = list(sum(left) / len(left))
        return found, {}


@CASES
def test_cronus(case: int) -> None:
    data, part = setting(case)
    method = Distillation(RobustMean(0.4), None, FixedDraw(12), indices="seeded" if case % 2 else "explicit")
    compare(method, NaiveCronus(data, case, part, 12, joint=1.3, fixed=True), joint_weight=1.3)
