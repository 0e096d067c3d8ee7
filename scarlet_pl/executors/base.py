"""The interface of an executor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch

from scarlet_pl.client import ClientConfig, ClientFailure, ClientResult, ClientRunner, ClientTask, State
from scarlet_pl.client.selectors import ClientSelector
from scarlet_pl.data import FederatedData

Answer: TypeAlias = ClientResult | ClientFailure


def no_state() -> None:
    """No state: the client starts from its initial one."""


@dataclass(frozen=True)
class Job:
    """A client's task, and what reads the state it starts from (None: its initial one) when a worker is free for it."""

    task: ClientTask
    state: Callable[[], State | None] = no_state


@dataclass(frozen=True)
class RunnerSpec:
    """What a worker makes its runner from."""

    config: ClientConfig
    data: FederatedData
    seed: int
    device: torch.device = torch.device("cpu")  # noqa: RUF009 (a value)
    selector: ClientSelector | None = None

    def runner(self) -> ClientRunner:
        """A runner of one worker's own."""
        return ClientRunner(self.config, self.data, self.seed, self.device, self.selector)


class Executor(ABC):
    """Runs the clients' jobs; what comes back does not depend on how."""

    @abstractmethod
    def setup(self, spec: RunnerSpec) -> None:
        """Called once before the first job; raises `ConfigError` where configuration and data do not fit."""

    @abstractmethod
    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        """The jobs' results or failures, in the jobs' order. Jobs are taken as workers get free, not all at once."""

    def share(self, processes: int) -> None:  # noqa: B027 (optional)
        """So many processes like this one run on this machine: take no more than this one's part of its cores."""

    def close(self) -> None:  # noqa: B027 (optional)
        """End the workers."""
