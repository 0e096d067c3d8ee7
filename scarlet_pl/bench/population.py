"""Does a client that does not take part cost anything?"""

from __future__ import annotations

import resource
from collections.abc import Callable
from itertools import count

from scarlet_pl.bench.federations import NoServer, ds_fl, random_data
from scarlet_pl.bench.timing import race, report
from scarlet_pl.client import ClientConfig
from scarlet_pl.executors import Threads

COHORT = 10


def run() -> None:
    """ResNet-20, 10 clients a round out of 100, 1,000 and 10,000."""
    sides = {f"{clients:,} clients": _round(clients) for clients in (100, 1_000, 10_000)}
    report(f"a round of {COHORT} ResNet-20 clients", race(sides, 3), "100 clients")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def _round(clients: int) -> Callable[[], object]:
    data = random_data(clients, 50, 250, (3, 32, 32))
    config = ClientConfig(models="resnet20", epochs=1, distillation_epochs=1)
    federation, rounds = ds_fl(data, config, Threads(), 50, COHORT / clients), count(1)
    federation.run_round(0, NoServer())
    return lambda: federation.run_round(next(rounds), NoServer())
