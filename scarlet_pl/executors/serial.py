"""One client after the other, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scarlet_pl.executors.base import Answer, Executor, Job, RunnerSpec
from scarlet_pl.functional.streams import lean_map


class Serial(Executor):
    """Runs one client after the other."""

    def setup(self, spec: RunnerSpec) -> None:
        self._runner = spec.runner()

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        return lean_map(self._attempt, jobs)

    def _attempt(self, job: Job) -> Answer:
        return self._runner.attempt(job.task, job.state())
