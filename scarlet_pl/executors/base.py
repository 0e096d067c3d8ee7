"""The interface of an executor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from scarlet_pl.client import ClientResult, ClientRunner, ClientTask, State


@dataclass(frozen=True)
class Job:
    """A client's task and the state it starts from (None: its initial one)."""

    task: ClientTask
    state: State | None


class Executor(ABC):
    """Runs jobs; what comes back does not depend on how."""

    @abstractmethod
    def setup(self, make_runner: Callable[[], ClientRunner]) -> None:
        """Called once before the first job. A worker makes its own runner."""

    @abstractmethod
    def run(self, jobs: Iterable[Job]) -> Iterator[ClientResult]:
        """The jobs' results, in the jobs' order."""
