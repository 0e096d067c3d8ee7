"""A cohort over the ranks of a process group: each runs its share, all get all answers."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from scarlet_pl.client import ClientFailure, ClientResult
from scarlet_pl.errors import ClientError
from scarlet_pl.executors.base import Answer, Executor, Job, Workshop


def over_ranks(inner: Executor, neighbours: int) -> Executor:
    """Rank r of w runs the clients k with k % w == r, on an executor of its own.

    Every rank makes all jobs and gets all answers, in the jobs' order: the federation is the same on each of them,
    and the same as in one process. Tensors and plain values cross, nothing is pickled.

    Args:
        inner: runs this rank's share.
        neighbours: ranks on this machine, which share its cores.
    """
    return _Ranks(inner, neighbours)


class _Ranks(Executor):
    def __init__(self, inner: Executor, neighbours: int) -> None:
        self.inner = inner
        inner.share(neighbours)

    def setup(self, workshop: Workshop) -> None:
        self.inner.setup(workshop)
        self._device = workshop.device

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        rank, world, order = dist.get_rank(), dist.get_world_size(), list[int]()

        def share() -> Iterator[Job]:
            for job in jobs:
                order.append(job.task.client)
                if job.task.client % world == rank:
                    yield job

        own = {answer.client: answer for answer in self.inner.run(share())}
        everyones = {answer.client: answer for block in self._gather(_pack(own)) for answer in _unpack(block)}
        everyones |= own  # whose exceptions are still whole
        yield from (everyones[client] for client in order)

    def close(self) -> None:
        self.inner.close()

    def _gather(self, block: Tensor) -> list[Tensor]:
        """Every rank's bytes, (n,) uint8 of any length, by rank."""
        device = self._device if dist.get_backend() == "nccl" else torch.device("cpu")
        sizes = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(dist.get_world_size())]
        dist.all_gather(sizes, torch.tensor([len(block)], device=device))
        lengths = [int(size) for size in sizes]
        padded = torch.zeros(max(lengths), dtype=torch.uint8, device=device)
        padded[: len(block)] = block.to(device)
        blocks = [torch.empty_like(padded) for _ in lengths]
        dist.all_gather(blocks, padded)
        return [block[:length].cpu() for block, length in zip(blocks, lengths, strict=True)]


def _pack(answers: dict[int, Answer]) -> Tensor:
    plain: list[dict[str, Any]] = [
        {"client": answer.client, "error": str(answer.error)}
        if isinstance(answer, ClientFailure)
        else {**vars(answer), "state": dict(answer.state)}
        for answer in answers.values()
    ]
    file = io.BytesIO()
    torch.save(plain, file)
    return torch.frombuffer(file.getbuffer(), dtype=torch.uint8)


def _unpack(block: Tensor) -> Iterator[Answer]:
    for plain in torch.load(io.BytesIO(block.numpy().tobytes()), weights_only=True):
        if "error" in plain:
            yield ClientFailure(plain["client"], ClientError(plain["error"]))
        else:
            yield ClientResult(**plain)
