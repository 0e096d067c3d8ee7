"""Randomness: every use has a stream of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from torch import nn

from scarlet_pl import rng
from scarlet_pl.availability import Deadline
from scarlet_pl.cache import CachePolicy, RandomShare
from scarlet_pl.client import ClientConfig
from scarlet_pl.data import BalancedDirichlet, Dirichlet, FederatedDataModule, ImageShift, ImageTransform, Shards
from scarlet_pl.executors import Serial
from scarlet_pl.federation import Federation, FederationConfig
from scarlet_pl.loop import FederatedTrainer
from scarlet_pl.methods import Distillation, EnhancedERA, FedAvg, Fusion, GaussianModels, UniformDraw
from scarlet_pl.server import ServerConfig, ServerModule
from scarlet_pl.wire import Quantized

from .parts import Chosen

Streams = dict[tuple[Any, ...], set[str]]


class WithDropout(nn.Sequential):
    def __init__(self, num_classes: int) -> None:
        super().__init__(nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, num_classes))


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    """Which functions asked for which stream, by (kind of generator, purpose, round, client)."""
    found: Streams = {}
    derive = rng.derive

    def recorded(seed: int, purpose: rng.Purpose, round: int = 0, client: int = 0) -> int:
        frame = sys._getframe(1)
        kind = "numpy" if frame.f_code.co_name == "numpy_generator" else "torch"
        while frame.f_globals["__name__"] in ("scarlet_pl.rng", "contextlib"):
            frame = frame.f_back  # type: ignore[assignment]
        asked = f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_qualname}"
        found.setdefault((kind, purpose, round, client), set()).add(asked)
        return derive(seed, purpose, round, client)

    monkeypatch.setattr(rng, "derive", recorded)
    return found


@pytest.mark.parametrize("partition", [Dirichlet(0.3), BalancedDirichlet(0.3), Shards(2)])
def test_no_two_uses_share_a_stream(partition: Any, streams: Streams) -> None:
    """Two runs that draw everything there is to draw."""
    images = ImageTransform(flip=True, crop_padding=1)
    sizes: dict[str, Any] = {"num_clients": 4, "public_size": 60, "private_size": 200, "validation_share": 0.1}
    module = FederatedDataModule(**sizes, partition=partition, transform=images, shift=ImageShift(30, 0.1))
    model = {"name": "tests.test_rng.WithDropout"}
    client = ClientConfig(model, epochs=1, distillation_epochs=1)
    codec = Quantized(1)
    policy = CachePolicy(2, admission=RandomShare(0.5))
    labels = Distillation(EnhancedERA(1.5), policy, UniformDraw(20), codec, codec, selector=Chosen())
    config = FederationConfig(Deadline(0.5, 0.3))
    for method in (labels, FedAvg(Fusion(draw=UniformDraw(20), models=GaussianModels(2)))):
        federation = Federation(module.data, client, method, Serial(), 0, config=config)
        server = ServerModule(ServerConfig(model, epochs=1), module.data, method.server_work, 0)
        trainer = FederatedTrainer(federation, 4, accelerator="cpu")
        trainer.fit(server, module)
    shared = {stream: users for stream, users in streams.items() if len(users) > 1 and stream[1] != "probe"}
    assert not shared
    assert {purpose for _, purpose, _, _ in streams} == set(get_args(rng.Purpose))


def test_streams_differ() -> None:
    seeds = {
        rng.derive(seed, purpose, round, client)
        for seed in (0, 1)
        for purpose in get_args(rng.Purpose)
        for round in range(5)
        for client in range(-2, 5)
    }
    assert len(seeds) == 2 * len(get_args(rng.Purpose)) * 5 * 7
