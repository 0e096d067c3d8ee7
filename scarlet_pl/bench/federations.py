"""Federations of random images, of any size, for benchmarks."""

from __future__ import annotations

import torch
from torch import Tensor

from scarlet_pl.availability import Uniform
from scarlet_pl.client import ClientConfig, State
from scarlet_pl.data import FederatedData, ImageTransform, LabelledSamples, Samples, Split
from scarlet_pl.executors import Executor
from scarlet_pl.federation import Federation, FederationConfig
from scarlet_pl.methods import ERA, Distillation, UniformDraw

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
"""Where clients run, on both sides of a benchmark."""


def random_data(clients: int, shard: int, public: int, shape: tuple[int, int, int], classes: int = 10) -> FederatedData:
    """Noise with labels; clients share a pool of at most 50,000 images, so that thousands of them fit in memory."""
    draws = torch.Generator().manual_seed(0)

    def images(count: int) -> Tensor:
        return torch.randint(0, 256, (count, *shape), generator=draws, dtype=torch.uint8)

    pool = min(clients * shard, 50_000)
    train = LabelledSamples({"image": images(pool)}, torch.randint(0, classes, (pool,), generator=draws))
    rows = torch.arange(clients * shard).view(clients, shard) % pool
    transform = ImageTransform()
    return FederatedData(
        train,
        train.select(torch.arange(10)),
        Samples.images(images(public)),
        Split.equal(rows),
        Split.equal(rows[:, :1]),
        classes,
        transform,
        {"num_classes": classes, **transform.facts(train.shapes)},
    )


def ds_fl(data: FederatedData, client: ClientConfig, executor: Executor, draw: int, share: float = 1.0) -> Federation:
    """DS-FL without a server that learns: no cache, so that every round asks for every prediction."""
    method = Distillation(ERA(0.1), cache=None, draw=UniformDraw(draw))
    federation = Federation(data, client, method, executor, config=FederationConfig(Uniform(share)))
    federation.to(DEVICE, 1, 1)
    return federation


class NoServer:
    """A server's view where nobody looks at it."""

    def predict_public(self, indices: Tensor) -> Tensor:
        """Nothing is predicted."""
        raise NotImplementedError

    def weights(self) -> State:
        """Nothing is there."""
        return {}
