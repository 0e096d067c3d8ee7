"""An executor and what its workers are made from: the clients of this process and the server's teachers share it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch

from scarlet_pl.executors.base import Answer, Executor, Job, RunnerSpec
from scarlet_pl.executors.ranks import over_ranks


class Workers:
    """Runs jobs on an executor that is set up when it is known to be needed: a server whose clients are all elsewhere
    may need none.

    Args:
        executor: how jobs are run.
        spec: what its workers are made from.
    """

    def __init__(self, executor: Executor, spec: RunnerSpec) -> None:
        self.executor, self.spec, self._needed = executor, spec, False

    def need(self) -> None:
        """There will be jobs; raises `ConfigError` where configuration and data do not fit."""
        if not self._needed:
            self._needed = True
            self.executor.setup(self.spec)

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        """The jobs' results or failures, in the jobs' order."""
        return self.executor.run(jobs)

    def to(self, device: torch.device, neighbours: int, world: int) -> None:
        """Run the jobs on `device`; of `world` ranks, `neighbours` of them on this machine, each its share."""
        moved = world > 1 or device != self.spec.device
        if world > 1:
            self.executor = over_ranks(self.executor, neighbours)
        self.spec = replace(self.spec, device=device)
        if moved and self._needed:
            self.executor.setup(self.spec)

    def close(self) -> None:
        """End the workers, until they are needed again."""
        self.executor.close()
