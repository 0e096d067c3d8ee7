"""A cohort over the ranks of a process group: each runs its share, all get all answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
import torch.distributed as dist

from scarlet_pl.client import ClientFailure
from scarlet_pl.executors.base import Answer, Executor, Job, RunnerSpec
from scarlet_pl.executors.serialization import pack_answers, unpack_answers

_RANK = -1
"""In place of a client's number: what went wrong on a rank outside of any client."""


def over_ranks(inner: Executor, neighbours: int) -> Executor:
    """Rank r of w runs every w-th client of a cohort, from the r-th on, on an executor of its own.

    Every rank reads all messages and gets all answers, in the jobs' order: the federation is the same on each of them,
    and the same as in one process. Only the rank that runs a client reads its state. Tensors and plain values cross,
    nothing is pickled.

    Args:
        inner: runs this rank's share.
        neighbours: ranks on this machine, which share its cores.
    """
    return _Ranks(inner, neighbours)


class _Ranks(Executor):
    def __init__(self, inner: Executor, neighbours: int) -> None:
        self.inner = inner
        inner.share(neighbours)

    def setup(self, spec: RunnerSpec) -> None:
        self.inner.setup(spec)
        self._device = spec.device

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        rank, world, order = dist.get_rank(), dist.get_world_size(), list[int]()

        def share() -> Iterator[Job]:
            for position, job in enumerate(jobs):
                order.append(job.task.client)
                if position % world == rank:
                    yield job

        try:
            own: dict[int, Answer] = {answer.client: answer for answer in self.inner.run(share())}
        except Exception as error:  # the others must hear of it, or they would wait for this rank for ever
            own = {_RANK: ClientFailure(_RANK, error)}
        blocks = self._gather(pack_answers(own.values()))
        everyones = {answer.client: answer for block in blocks for answer in unpack_answers(block)}
        everyones |= own  # whose exceptions are still whole
        fault = everyones.get(_RANK)
        if isinstance(fault, ClientFailure):
            raise fault.error
        yield from (everyones[client] for client in order)

    def close(self) -> None:
        self.inner.close()

    def _gather(self, own: bytes) -> list[bytes]:
        """Every rank's bytes, by rank."""
        block = torch.frombuffer(bytearray(own), dtype=torch.uint8)
        device = self._device if dist.get_backend() == "nccl" else torch.device("cpu")
        sizes = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(dist.get_world_size())]
        dist.all_gather(sizes, torch.tensor([len(block)], device=device))
        lengths = [int(size) for size in sizes]
        padded = torch.zeros(max(lengths), dtype=torch.uint8, device=device)
        padded[: len(block)] = block.to(device)
        blocks = [torch.empty_like(padded) for _ in lengths]
        dist.all_gather(blocks, padded)
        return [block[:length].cpu().numpy().tobytes() for block, length in zip(blocks, lengths, strict=True)]
