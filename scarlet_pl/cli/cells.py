"""The processes that run the cells of a sweep, each as `scarlet-pl fit` would."""

from __future__ import annotations

import multiprocessing.connection
import os
import shutil
import signal
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

from scarlet_pl.executors import begin_in, cores, end_with_parent, fork_server, use_at_most
from scarlet_pl.locks import claimed, in_use
from scarlet_pl.run_files import commit, use_commit
from scarlet_pl.sweep.folder import Work

_PERIOD = 0.2


class Cells:
    """Runs cells, so many at once; none outlives this process.

    A fork server imports torch once for all of them, and each has a process of its own.

    Args:
        jobs: cells at once; they share the cores.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs, self._running = jobs, list[tuple[Work, BaseProcess, int]]()
        self._commit = commit()  # of what the fork server imports now, whatever is committed meanwhile

    @property
    def running(self) -> list[Work]:
        """What runs."""
        return [work for work, *_ in self._running]

    def start(self, work: Work) -> bool:
        """Run a cell, or go on with its run; False if another sweep is at it.

        Raises:
            ConfigError: something else is in its folder.
        """
        work.check_ours()
        work.log.parent.mkdir(parents=True, exist_ok=True)
        claim = claimed(work.log)
        if claim is None:
            return False
        if in_use(work.folder):  # by a run whose sweep was killed just now
            os.close(claim)
            return False
        if work.resumable:
            # with our configuration, not with the file's, which a stranger may have changed
            how = ["--resume", "--resume_override", "--trust_code"]
        else:
            shutil.rmtree(work.folder, ignore_errors=True)  # a run that was killed before its first round was saved
            how = []
        share = None if self.jobs == 1 else max(1, cores() // self.jobs)
        arguments = [*work.arguments, *how, "--run_dir", str(work.folder)]
        given = (arguments, work.log, share, self._commit, dict(os.environ))
        process = fork_server("scarlet_pl.cli.fit").Process(target=_run, args=given)
        process.start()
        self._running.append((work, process, claim))
        return True

    def ended(self) -> list[tuple[Work, str]]:
        """What has ended since the last call, and the signal that ended it, or ""; waits a moment where nothing has."""
        multiprocessing.connection.wait([process.sentinel for _, process, _ in self._running], _PERIOD)
        ended = [each for each in self._running if not each[1].is_alive()]
        self._running = [each for each in self._running if each not in ended]
        for *_, claim in ended:
            os.close(claim)
        return [(work, _signal(process.exitcode or 0)) for work, process, _ in ended]

    def close(self) -> None:
        """End what runs: of each cell no more is lost than the round at hand."""
        for _, process, _ in self._running:
            process.kill()
        for _, process, claim in self._running:
            process.join()
            os.close(claim)


def _signal(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else ""


def _run(arguments: list[str], log: Path, share: int | None, commit: str, environment: dict[str, str]) -> None:
    begin_in(environment)
    end_with_parent()
    use_commit(commit)
    to = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(to, 1)
    os.dup2(to, 2)
    if share is not None:
        use_at_most(share)
    from scarlet_pl.cli.fit import run

    sys.argv[:] = ["scarlet-pl", "fit", *arguments]
    sys.exit(run(sys.argv))
