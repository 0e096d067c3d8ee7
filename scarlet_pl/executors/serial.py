"""One client after the other, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from scarlet_pl.client import ClientResult, ClientRunner
from scarlet_pl.executors.base import Executor, Job


class Serial(Executor):
    """Runs one client after the other."""

    def setup(self, make_runner: Callable[[], ClientRunner]) -> None:
        self._runner = make_runner()

    def run(self, jobs: Iterable[Job]) -> Iterator[ClientResult]:
        for job in jobs:
            yield self._runner.run(job.task, job.state)
