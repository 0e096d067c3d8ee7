"""What the naive references share: plain training loops, with the package's seeds and nothing else of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from scarlet_pl import rng
from scarlet_pl.client import ClientConfig
from scarlet_pl.data import FederatedData, FederatedDataModule
from scarlet_pl.models import build

LR, BATCH, CLASSES = 0.1, 4, 3
SERVER, COMMON = 0, -1
CLIENT = ClientConfig(models="mlp", epochs=1, distillation_epochs=2, batch_size=BATCH, distillation_batch_size=BATCH)


class Naive:
    """A federation in plain torch: a network each, batches in the package's order, everything else by hand."""

    def __init__(self, data: FederatedData, seed: int, share: float) -> None:
        self.data, self.seed, self.share = data, seed, share
        self.server = self.network(SERVER)

    def network(self, number: int) -> nn.Module:
        with rng.seeded(self.seed, "init", client=number):
            return build("mlp", "-", self.data.network_facts)

    def cohort(self, round: int) -> list[int]:
        everyone = self.data.num_clients
        members = torch.randperm(everyone, generator=rng.generator(self.seed, "cohort", round))
        return sorted(members[: max(1, math.floor(self.share * everyone + 1e-9))].tolist())

    def draw(self, round: int, size: int) -> list[int]:
        draws = rng.generator(self.seed, "draw", round)
        return sorted(torch.randperm(len(self.data.public), generator=draws)[:size].tolist())

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

    def batches(self, count: int, epochs: int, draws: torch.Generator) -> list[Tensor]:
        found = []
        for _ in range(epochs if count else 0):
            order = torch.randperm(count, generator=draws)
            one = [order[i : i + BATCH] for i in range(0, count, BATCH)]
            found += one if len(one) == 1 or len(one[-1]) > 1 else one[:-1]
        return found

    def distill_server(self, round: int, draw: list[int], labels: list[list[float]]) -> None:
        batches = self.batches(len(draw), 2, rng.generator(self.seed, "server", round))
        self.fit(self.server, self.data.public.fields["image"][torch.tensor(draw)], torch.tensor(labels), batches)

    def distill_client(self, net: nn.Module, k: int, round: int, known: dict[int, list[float]]) -> None:
        indices = torch.tensor(sorted(known))
        targets = torch.tensor([known[i] for i in sorted(known)])
        batches = self.batches(len(indices), 2, rng.generator(self.seed, "distill", round, k))
        self.fit(net, self.data.public.fields["image"][indices], targets, batches)

    def train_client(self, net: nn.Module, k: int, round: int) -> None:
        shard = self.data.train_shards[k]
        batches = self.batches(len(shard), 1, rng.generator(self.seed, "train", round, k))
        self.fit(net, self.data.train.fields["image"][shard], self.data.train.labels[shard], batches)

    def predict(self, net: nn.Module, indices: list[int]) -> dict[int, list[float]]:
        net.eval()
        images = self.images(self.data.public.fields["image"])
        with torch.no_grad():
            return {i: net(images[i : i + 1]).softmax(-1)[0].tolist() for i in indices}


def data_module(data: FederatedData) -> FederatedDataModule:
    """A DataModule that has its data already."""
    module = FederatedDataModule()
    module._data = data
    return module


def assert_same_network(real: dict[str, Tensor], naive: nn.Module, atol: float = 2e-5) -> None:
    """Compare weights."""
    for key, value in naive.state_dict().items():
        assert torch.allclose(real[key], value, atol=atol), key
