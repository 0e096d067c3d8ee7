"""The processes that run the cells of a sweep, each as `scarlet-pl fit` would."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import shutil
import sys
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from scarlet_pl.cli.run_dir import lock, unlock
from scarlet_pl.executors import cores, end_with_parent, use_at_most
from scarlet_pl.sweep.experiment import Cell
from scarlet_pl.sweep.folder import Place

_PERIOD = 0.2


@dataclass(frozen=True)
class Work:
    """A cell and how it is run.

    Attributes:
        cell: which.
        arguments: of `scarlet-pl fit`, but for the run's folder.
        rounds: of its run.
        place: where its run is, or will be.
    """

    cell: Cell
    arguments: list[str]
    rounds: int
    place: Place

    @property
    def why(self) -> str:
        """The last line that its process printed."""
        text = self.place.log.read_text(errors="replace") if self.place.log.exists() else ""
        return ([line for line in text.splitlines() if line.strip()] or ["it said nothing"])[-1]


class Cells:
    """Runs cells, so many at once; none outlives this process.

    A fork server imports torch once for all of them, and each has a process of its own.

    Args:
        jobs: cells at once; they share the cores.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs, self._running = jobs, list[tuple[Work, BaseProcess]]()
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["scarlet_pl.cli.fit"])

    @property
    def running(self) -> list[Work]:
        """What runs."""
        return [work for work, _ in self._running]

    def start(self, work: Work) -> None:
        """Run a cell, or go on with its run.

        Raises:
            ConfigError: another process is at it.
        """
        place = work.place
        if place.resumable:
            how = ["--resume", "--trust_code"]  # its configuration is ours, value for value
        else:
            _clear(place.folder)
            how = work.arguments
        place.log.parent.mkdir(parents=True, exist_ok=True)
        share = None if self.jobs == 1 else max(1, cores() // self.jobs)
        arguments = [*how, "--run_dir", str(place.folder)]
        process = self._context.Process(target=_run, args=(arguments, place.log, share))
        process.start()
        self._running.append((work, process))

    def ended(self) -> list[Work]:
        """What has ended since the last call; waits a moment where nothing has."""
        multiprocessing.connection.wait([process.sentinel for _, process in self._running], _PERIOD)
        ended = [work for work, process in self._running if not process.is_alive()]
        self._running = [each for each in self._running if each[0] not in ended]
        return ended

    def close(self) -> None:
        """End what runs: of each cell no more is lost than the round at hand."""
        for _, process in self._running:
            process.kill()
        for _, process in self._running:
            process.join()


def _clear(folder: Path) -> None:
    """Remove what a run left that was killed before its first round was saved."""
    if not folder.exists():
        return
    try:
        lock(folder)
        shutil.rmtree(folder)
    finally:
        unlock()


def _run(arguments: list[str], log: Path, share: int | None) -> None:
    end_with_parent()
    to = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(to, 1)
    os.dup2(to, 2)
    if share is not None:
        use_at_most(share)
    from scarlet_pl.cli.fit import run

    sys.argv[:] = ["scarlet-pl", "fit", *arguments]
    sys.exit(run(sys.argv))
