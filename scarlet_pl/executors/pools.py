"""Several clients at once, in threads or in processes: each worker has a runner and one intra-op thread."""

from __future__ import annotations

import os
import threading
import warnings
from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor as Pool
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.connection import wait
from typing import Any

import torch
import torch.multiprocessing  # tensors cross to other processes in shared memory

from scarlet_pl.client import ClientFailure, ClientRunner
from scarlet_pl.errors import WorkerError, require
from scarlet_pl.executors.backend import Numerics, own_stream
from scarlet_pl.executors.base import Answer, Executor, Job, RunnerSpec
from scarlet_pl.executors.cores import cores
from scarlet_pl.executors.fork_server import begin_in, fork_server
from scarlet_pl.executors.parent import end_with_parent
from scarlet_pl.executors.serialization import pack_answers, pack_job, unpack_answers, unpack_job


class _Pooled(Executor):
    """A pool of workers that is fed as they get free, so that few jobs wait in memory.

    Args:
        workers: clients at once; as many as there are cores when null, and never more.
    """

    def __init__(self, workers: int | None = None) -> None:
        require(workers is None or workers >= 1, "executor.workers", workers, "an integer >= 1, or null")
        self.workers = min(workers or cores(), cores())  # more would compete for the cores, and spin
        self._pool: Pool | None = None

    def share(self, processes: int) -> None:
        self.workers = max(1, min(self.workers, cores() // processes))

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        """Answers in the jobs' order; at most two jobs a worker wait."""
        waiting: deque[tuple[Job, Future[Any]]] = deque()
        source = iter(jobs)
        try:
            waiting.extend((job, self._submit(job)) for job in islice(source, 2 * self.workers))
            while waiting:
                yield self._answer(*waiting.popleft())
                waiting.extend((job, self._submit(job)) for job in islice(source, 1))
        finally:
            for _, future in waiting:
                future.cancel()

    @abstractmethod
    def _submit(self, job: Job) -> Future[Any]:
        """Give a job to the pool."""

    @abstractmethod
    def _answer(self, job: Job, future: Future[Any]) -> Answer:
        """Wait for what became of it."""


class Threads(_Pooled):
    """Runs clients in threads of this process.

    A network that draws from torch's global generator in training (plain dropout) holds that generator while it
    runs, so such clients run one at a time: use `Processes` for them.

    Args:
        workers: clients at once; as many as there are cores when null, and never more.
    """

    def setup(self, spec: RunnerSpec) -> None:
        self.close()
        self._local, self._spec = threading.local(), spec
        if spec.runner().draws_globally and self.workers > 1:
            warnings.warn("clients draw from torch's global generator (dropout?): threads run them one at a time; "
                "executor Processes runs them together", stacklevel=2)  # fmt: skip

    def _submit(self, job: Job) -> Future[Any]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.workers, "client")
        return self._pool.submit(self._work, job)

    def _answer(self, job: Job, future: Future[Any]) -> Answer:
        answer: Answer = future.result()
        return answer

    def _work(self, job: Job) -> Answer:
        with own_stream(self._spec.device):
            if not hasattr(self._local, "runner"):
                torch.set_num_threads(1)
                self._local.runner = self._spec.runner()
            result: Answer = self._local.runner.attempt(job.task, job.state())
        return result


_LOOK = 5.0
"""Seconds after which is looked whether a worker is gone."""

_WHY = "out of memory? or a script that is not under if __name__ == '__main__'?"


class Processes(_Pooled):
    """Runs clients in processes that are started once; samples are in shared memory, states cross as bytes.

    Optimizers and models must be importable by name: a lambda cannot be sent to another process.

    Args:
        workers: clients at once; as many as there are cores when null, and never more.
    """

    def setup(self, spec: RunnerSpec) -> None:
        self.close()
        spec.runner()  # what does not fit is said here, not in a worker
        for tensor in spec.data.tensors():
            tensor.share_memory_()
        self._spec = spec

    def _submit(self, job: Job) -> Future[Any]:
        try:
            return self._living().submit(_work_in_process, pack_job(job))
        except BrokenProcessPool:
            self.close()
            return self._living().submit(_work_in_process, pack_job(job))

    def _answer(self, job: Job, future: Future[Any]) -> Answer:
        try:
            return unpack_answers(self._result(future))[0]
        except BrokenProcessPool:
            return self._again(job)

    def _result(self, future: Future[bytes]) -> bytes:
        """What a worker answers. One that is killed while it writes leaves half a message, and the pool would wait for
        the other half for ever: with no writer left it sees that there is none."""
        while True:
            try:
                return future.result(_LOOK)
            except TimeoutError:
                pool: Any = self._pool
                workers = list((pool._processes or {}).values())
                if wait([each.sentinel for each in workers], 0):
                    for each in workers:
                        each.kill()
                    pool._result_queue._writer.close()

    def _again(self, job: Job) -> Answer:
        """A worker died, and with it the pool: what was not finished runs again, one after the other, so that it shows
        who kills a worker."""
        warnings.warn(f"a worker process was killed ({_WHY}): what it had at hand runs again", stacklevel=2)
        try:
            return unpack_answers(self._result(self._submit(job)))[0]
        except BrokenProcessPool:
            return ClientFailure(job.task.client, WorkerError(f"its worker process was killed twice ({_WHY})"))

    def _living(self) -> Pool:
        context = fork_server(__name__)
        if self._pool is None:
            given = (self._spec, Numerics.here(), dict(os.environ))
            self._pool = ProcessPoolExecutor(self.workers, context, _start_worker, given)
        return self._pool


_process_runner: ClientRunner | None = None


def _start_worker(spec: RunnerSpec, numerics: Numerics, environment: dict[str, str]) -> None:
    global _process_runner
    begin_in(environment)
    torch.set_num_threads(1)
    numerics.apply()
    end_with_parent()
    _process_runner = spec.runner()


def _work_in_process(packed: bytes) -> bytes:
    if _process_runner is None:
        raise RuntimeError("a worker that was not started")
    return pack_answers([_process_runner.attempt(*unpack_job(packed))])
