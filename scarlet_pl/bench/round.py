"""A whole round against the bare client steps it consists of, and against a process pool made for each round."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count

import torch
import torch.nn.functional as F
from torch.optim import SGD

from scarlet_pl.bench.federations import DEVICE, NoServer, ds_fl, random_data
from scarlet_pl.bench.timing import race, report
from scarlet_pl.client import ClientConfig
from scarlet_pl.data import FederatedData
from scarlet_pl.executors import Executor, Processes, Serial, Threads
from scarlet_pl.executors.backend import own_stream
from scarlet_pl.executors.cores import cores
from scarlet_pl.models import build

CLIENTS, SHARD, DRAW, BATCH = 10, 250, 250, 50
_IMAGE = (3, 32, 32)


@dataclass(frozen=True)
class _Steps:
    """A client's steps in plain PyTorch: distil on the draw, train on the shard, predict the draw."""

    data: FederatedData
    model: str
    channels_last: bool = False

    def __call__(self, client: int) -> None:
        torch.set_num_threads(1)
        with own_stream(DEVICE):  # as our threads have
            self._run(client)

    def _run(self, client: int) -> None:
        network = build(self.model, "-", self.data.network_facts).to(DEVICE)
        if self.channels_last:
            network = network.to(memory_format=torch.channels_last)
        labels = torch.full((DRAW, 10), 0.1)
        public, own = self.data.public.fields["image"][:DRAW], self.data.train.select(self.data.train_shards[client])
        for images, targets in ((public, labels), (own.fields["image"], own.labels)):
            optimizer = SGD(network.parameters(), lr=0.1)
            for rows in torch.randperm(len(images)).split(BATCH):
                loss = F.cross_entropy(network(self._floats(images[rows])), targets[rows].to(DEVICE))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        network.eval()
        with torch.no_grad():
            network(self._floats(public)).softmax(-1).cpu()

    def _floats(self, images: torch.Tensor) -> torch.Tensor:
        floats = images.to(DEVICE).float().div_(255).sub_(0.5).div_(0.5)
        return floats.contiguous(memory_format=torch.channels_last) if self.channels_last else floats


def run() -> None:
    """10 ResNet-20 clients at batch 50, a pass of distillation and one of training over 250 images each."""
    data = random_data(CLIENTS, SHARD, DRAW, _IMAGE)
    steps = _Steps(data, "resnet20", channels_last=True)
    config = ClientConfig(models="resnet20", epochs=1, distillation_epochs=1, channels_last=True)
    pool = ThreadPoolExecutor(cores())

    def bare() -> None:
        list(pool.map(steps, range(CLIENTS)))

    def pool_per_round() -> None:
        with multiprocessing.get_context("spawn").Pool(cores()) as processes:
            processes.map(steps, range(CLIENTS))

    sides: dict[str, Callable[[], object]] = {
        "bare loop, threads": bare,
        "round, fp32": _round(data, config),
        "round, bf16-mixed": _round(data, replace(config, precision="bf16-mixed")),
        "a process pool each round": pool_per_round,
    }
    report(
        f"{CLIENTS} ResNet-20 clients on {DEVICE}, {cores()} workers × 1 thread", race(sides, 3), "bare loop, threads"
    )
    _small_models()


def scaling() -> None:
    """Speed with 1, 2, 4 and more workers, as far as there are cores, against one client after the other."""
    data = random_data(CLIENTS, SHARD, DRAW, _IMAGE)
    config = ClientConfig(models="resnet20", epochs=1, distillation_epochs=1)
    sides = {"serial": _round(data, config, Serial())}
    for workers in (1, 2, 4, 8):
        if workers <= cores():
            sides[f"threads, {workers}"] = _round(data, config, Threads(workers))
            sides[f"processes, {workers}"] = _round(data, config, Processes(workers))
    report(f"{CLIENTS} ResNet-20 clients on {DEVICE}, intra-op threads 1", race(sides, 3), "serial")


def _small_models() -> None:
    data = random_data(CLIENTS, SHARD, DRAW, (1, 28, 28))
    steps = _Steps(data, "lenet5")

    def bare() -> None:
        for client in range(CLIENTS):
            steps(client)

    config = ClientConfig(models="lenet5", epochs=1, distillation_epochs=1)
    seconds = race({"bare loop, serial": bare, "round, serial": _round(data, config, Serial())}, 15)
    report(f"{CLIENTS} LeNet-5 clients, one after the other", seconds, "bare loop, serial")
    done = CLIENTS * (SHARD + DRAW) // BATCH
    extra = (min(seconds["round, serial"]) - min(seconds["bare loop, serial"])) / done
    print(f"overhead: {1000 * extra:.3f} ms a client step")


def _round(data: FederatedData, config: ClientConfig, executor: Executor | None = None) -> Callable[[], object]:
    federation, rounds = ds_fl(data, config, executor or Threads(), DRAW), count(1)
    federation.run_round(0, NoServer())
    return lambda: federation.run_round(next(rounds), NoServer())
