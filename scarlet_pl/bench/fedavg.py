"""How many models FedAvg holds at once."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from rich.console import Console

from scarlet_pl.bench.federations import random_data
from scarlet_pl.client import ClientConfig, ClientResult, State
from scarlet_pl.executors import Answer, Executor, Job, RunnerSpec
from scarlet_pl.federation import Federation
from scarlet_pl.functional.streams import lean_map
from scarlet_pl.methods import FedAvg
from scarlet_pl.models import build
from scarlet_pl.wire.weights import decode_weights, weights_size

COHORTS = (1, 10, 100)
_MMAP_THRESHOLD = -3
REPEATS = 5


class _Echo(Executor):
    """Clients that send back what they were sent: what training takes would hide what is measured."""

    def __init__(self, like: State) -> None:
        self._like = like

    def setup(self, spec: RunnerSpec) -> None:
        pass

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        return lean_map(self._answer, jobs)

    def _answer(self, job: Job) -> Answer:
        return ClientResult(job.task.client, decode_weights(job.task.weights or b"", self._like), samples=1)


class _Server:
    """A server whose weights are those of one network."""

    def __init__(self, weights: State) -> None:
        self._weights = weights

    def predict_public(self, indices: object) -> object:
        """Nothing is predicted."""
        raise NotImplementedError

    def weights(self) -> State:
        """A copy."""
        return {name: value.clone() for name, value in self._weights.items()}


def run() -> None:
    """ResNet-20, cohorts of 1, 10 and 100 clients: by how much a round's peak exceeds what is there before it."""
    ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, 4096)  # what is freed is the system's again, and not counted
    weights = build("resnet20", "-", {"num_classes": 10, "in_channels": 3, "image_size": (32, 32)}).state_dict()
    model, console = weights_size(weights), Console(width=110)
    for clients in COHORTS:
        data = random_data(clients, 10, 10, (3, 32, 32))
        federation = Federation(data, ClientConfig(models="resnet20"), FedAvg(), _Echo(weights))
        rounds, server, grown = count(), _Server(weights), []
        for _ in range(REPEATS):
            before = _peak(reset=True)
            federation.run_round(next(rounds), server)  # type: ignore[arg-type]
            grown.append((_peak() - before) / model)
        console.print(f"{clients:4} clients of {model / 1e6:.2f} MB: at most {max(grown[1:]):.1f} models more")


def _peak(reset: bool = False) -> int:
    """Bytes of this process's memory at its highest, or now, from where the highest then counts (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])
