"""The executor that fits."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator

from scarlet_pl.errors import require
from scarlet_pl.executors.base import Answer, Executor, Job, RunnerSpec
from scarlet_pl.executors.cores import cores
from scarlet_pl.executors.pools import Processes, Threads
from scarlet_pl.executors.serial import Serial


class Auto(Executor):
    """`Serial` for one worker; `Processes` for networks that draw from torch's global generator in training (plain
    dropout), which threads would have to run one at a time; else `Threads`.

    Args:
        workers: clients at once; as many as there are cores when null, and never more.
    """

    def __init__(self, workers: int | None = None) -> None:
        require(workers is None or workers >= 1, "executor.workers", workers, "an integer >= 1, or null")
        self.workers = min(workers or cores(), cores())
        self.chosen: Executor = Serial()

    def share(self, processes: int) -> None:
        self.workers = max(1, min(self.workers, cores() // processes))

    def setup(self, spec: RunnerSpec) -> None:
        self.close()
        if self.workers == 1:
            self.chosen = Serial()
        elif spec.runner().draws_globally:
            warnings.warn("clients draw from torch's global generator (dropout?): they run in processes", stacklevel=2)
            self.chosen = Processes(self.workers)
        else:
            self.chosen = Threads(self.workers)
        self.chosen.setup(spec)

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        return self.chosen.run(jobs)

    def close(self) -> None:
        self.chosen.close()
