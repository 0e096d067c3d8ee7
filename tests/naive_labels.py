"""A naive federation of soft labels without a cache: loops and dictionaries, with the package's seeds."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from scarlet_pl import rng
from scarlet_pl.data import FederatedData

from .naive import BATCH, CLASSES, LR, Naive

Labels = dict[int, list[float]]
"""By public sample, or by class."""

FOREVER = 100


def squared(logits: Tensor, target: list[float]) -> Tensor:
    p = torch.softmax(logits, -1)
    return sum((p[j] - target[j]) ** 2 for j in range(CLASSES))  # type: ignore[return-value]


def divergence(logits: Tensor, target: list[float]) -> Tensor:
    log_p = torch.log_softmax(logits, -1)
    return sum(t * (math.log(t) - log_p[j]) for j, t in enumerate(target) if t > 0)  # type: ignore[return-value]


def centred(logits: Tensor, target: list[float]) -> Tensor:
    """Mean of |c(z) − c(log t)|: over the classes as well as the samples."""
    z = logits - sum(logits[j] for j in range(CLASSES)) / CLASSES
    logs = [math.log(max(t, 1.1754943508222875e-38)) for t in target]
    wanted = [each - sum(logs) / CLASSES for each in logs]
    return sum(abs(z[j] - wanted[j]) for j in range(CLASSES)) / CLASSES  # type: ignore[return-value]


class NaiveLabels(Naive):
    """Clients distil what they were sent, train, and label what they are asked for; the server distils.

    Args:
        size: of a draw.
        joint: the weight of the distillation loss in local training; None: distillation comes first.
        loss: of one sample, at clients.
        fixed: whether the draw is the same in all rounds.
    """

    def __init__(
        self,
        data: FederatedData,
        seed: int,
        share: float,
        size: int,
        joint: float | None = None,
        loss: Callable[[Tensor, list[float]], Tensor] = divergence,
        fixed: bool = False,
    ) -> None:
        super().__init__(data, seed, share)
        self.size, self.joint, self.loss, self.fixed = size, joint, loss, fixed
        self.nets = [self.network(k + 1) for k in range(data.num_clients)]
        self.sent: Labels = {}
        self.own: dict[int, Labels] = {}

    def combine(self, answers: dict[int, Labels]) -> tuple[Labels, dict[int, Labels]]:
        """Of all clients' labels those that all are sent, and those of clients that get their own."""
        raise NotImplementedError

    def wanted(self, k: int, draw: list[int]) -> list[int]:
        return draw

    def round(self, r: int) -> None:
        draw, answers = self.draw(0 if self.fixed else r, self.size), {}
        for k in self.cohort(r):
            self.learn(k, r, self.own.get(k, self.sent))
            answers[k] = self.answer(k, self.wanted(k, draw))
        self.sent, self.own = self.combine(answers)
        drawn = self.filled(self.sent)
        if drawn:
            self.distill_server(r, drawn, [self.sent[i] for i in drawn])

    def filled(self, labels: Labels) -> list[int]:
        """The labelled samples, gone through again until they are as many as in a draw."""
        found = sorted(labels)
        return (found * self.size)[: self.size]

    def answer(self, k: int, wanted: list[int]) -> Labels:
        return self.predict(self.nets[k], wanted)

    def learn(self, k: int, r: int, labels: Labels) -> None:
        net, shard = self.nets[k], self.data.train_shards[k].tolist()
        images, classes = self.data.train.fields["image"], self.data.train.labels
        public, listed = self.data.public.fields["image"], self.filled(labels)
        streams = {name: rng.generator(self.seed, name, r, k) for name in ("distill", "train")}  # type: ignore[arg-type]

        def taught(rows: Tensor) -> Tensor:
            return self.mean(net, public, [listed[row] for row in rows], lambda i: labels[i])

        if listed and self.joint is None:
            for rows in self.batches(len(listed), 2, streams["distill"]):
                self.step(net, taught(rows))
        beside = iter(self.batches(len(listed), FOREVER, streams["distill"]))
        for rows in self.batches(len(shard), 1, streams["train"]):
            mine = [shard[row] for row in rows]
            loss = self.mean(net, images, mine, lambda i: [float(c == classes[i]) for c in range(CLASSES)], divergence)
            if listed and self.joint is not None:
                loss = loss + self.joint * taught(next(beside))
            self.step(net, loss)

    def mean(
        self,
        net: nn.Module,
        images: Tensor,
        rows: list[int],
        target: Callable[[int], list[float]],
        loss: Callable[[Tensor, list[float]], Tensor] | None = None,
    ) -> Tensor:
        net.train()
        found = net(self.images(images[torch.tensor(rows)]))
        each = loss or self.loss
        return sum(each(found[place], target(row)) for place, row in enumerate(rows)) / len(rows)  # type: ignore[return-value]

    def step(self, net: nn.Module, loss: Tensor) -> None:
        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter -= LR * parameter.grad


def average(rows: list[list[float]]) -> list[float]:
    return [sum(row[j] for row in rows) / len(rows) for j in range(CLASSES)]


__all__ = ["BATCH", "CLASSES", "FOREVER", "Labels", "NaiveLabels", "average", "centred", "divergence", "squared"]
