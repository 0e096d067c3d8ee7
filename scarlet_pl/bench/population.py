"""Does a client that does not take part cost anything?"""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import cast

import torch

from scarlet_pl.availability import Uniform
from scarlet_pl.bench.federations import DEVICE, NoServer, random_data
from scarlet_pl.bench.timing import race, report
from scarlet_pl.cache import CachePolicy
from scarlet_pl.checkpoint import AtomicCheckpointIO
from scarlet_pl.client import ClientConfig
from scarlet_pl.executors import Auto
from scarlet_pl.federation import Federation, FederationConfig
from scarlet_pl.methods import Distillation, EnhancedERA, UniformDraw
from scarlet_pl.models import build
from scarlet_pl.node import Node

COHORT = 10


def run() -> None:
    """SCARLET, ResNet-20, 10 clients a round out of 100, 1,000 and 10,000 that all have taken part, states on disk: a
    round and its checkpoint."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        sides = {f"{clients:,} clients": _round(clients, Path(folder)) for clients in (100, 1_000, 10_000)}
        report(f"a round of {COHORT} ResNet-20 clients, states on disk", race(sides, 5), "100 clients")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def _round(clients: int, folder: Path) -> Callable[[], object]:
    data = random_data(clients, 50, 250, (3, 32, 32))
    config = ClientConfig(models="resnet20", epochs=1, distillation_epochs=1)
    method = Distillation(EnhancedERA(1.0), CachePolicy(), UniformDraw(50))
    rules = FederationConfig(Uniform(COHORT / clients), store="disk")
    federation, rounds, io = Federation(data, config, method, Auto(), config=rules), count(), AtomicCheckpointIO()
    node = cast(Node, federation.transport)
    federation.to(DEVICE, 1, 1)
    node.keep_states_in(folder / str(clients))
    state = build("resnet20", "-", {"num_classes": 10, "in_channels": 3, "image_size": (32, 32)}).state_dict()
    nothing = {"indices": torch.arange(0), "labels": torch.zeros(0, data.num_classes), "rounds": torch.arange(0)}
    for client in range(clients):
        node.states.put(client, state)
        # it has a cache, and no label in it yet
        node.side.remember(client, {"cache": nothing, "links": None, "filters": None})
        method.cache.mark_sent(client, torch.arange(0))

    def one() -> None:
        federation.run_round(next(rounds), NoServer())
        io.save_checkpoint(federation.state_dict(), folder / f"{clients}.ckpt")

    return one
