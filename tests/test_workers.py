"""Workers: how many there are, what they are told, and what becomes of one that dies."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from scarlet_pl.client import ClientConfig, ClientFailure, ClientResult, ClientTask
from scarlet_pl.digest import digest as digest_of
from scarlet_pl.errors import ConfigError
from scarlet_pl.executors import Job, Processes, RunnerSpec, Serial, Threads
from scarlet_pl.executors.cores import cores

from .conftest import tiny_data
from .faults.runs import Run
from .naive import CLIENT

ONE_OR_TWO = pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.full)])


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import signal\n"
        "from tests.test_workers import *\n"
        "if __name__ == '__main__':\n"
        "    executor = Processes(2)\n"
        "    executor.setup(RunnerSpec(CLIENT, tiny_data(), 0))\n"
        "    next(executor.run(Job(ClientTask(k % 3, k, train=True)) for k in range(1000)))\n"
        "    print(*executor._pool._processes, flush=True)\n"
        "    signal.pause()\n"
    )
    with Run([sys.executable, "-c", script], tmp_path / "parent") as parent:
        parent.wait_until(lambda: parent.files[0].read_text().endswith("\n"), "its workers ran")
        workers = {int(pid) for pid in parent.files[0].read_text().split()}
        assert workers
        assert workers < set(parent.processes())
        parent.kill()
        parent.end()


@pytest.mark.slow
@ONE_OR_TWO
def test_a_killed_worker_is_noticed_and_its_work_runs_again(
    workers: int, processes: Callable[[int], Processes]
) -> None:
    executor, serial, files = processes(workers), Serial(), len(os.listdir("/proc/self/fd"))
    for each in (executor, serial):
        each.setup(RunnerSpec(CLIENT, tiny_data(), 0))
    jobs = [Job(ClientTask(k % 3, k, train=True)) for k in range(60)]
    results = executor.run(jobs)
    answers = [next(results)]
    os.kill(next(iter(executor._pool._processes)), signal.SIGKILL)  # type: ignore[union-attr]
    with pytest.warns(UserWarning, match="a worker process was killed"):
        answers += results
    assert len(os.listdir("/proc/self/fd")) < files + 40  # not one for each tensor of 60 answers
    for answer, right in zip(answers, serial.run(jobs), strict=True):
        assert digest_of(vars(answer)) == digest_of(vars(right))
    executor.close()


@pytest.mark.slow
def test_half_an_answer_is_noticed(processes: Callable[[int], Processes]) -> None:
    """A worker that is killed while it writes: nobody sends the other half."""
    executor = processes(1)
    executor.setup(RunnerSpec(CLIENT, tiny_data(), 0))
    next(executor.run([Job(ClientTask(0, 0, train=True))]))
    answer = executor._pool.submit(bytes, 1 << 29)  # type: ignore[union-attr]
    (worker,) = executor._pool._processes  # type: ignore[union-attr]
    end = time.monotonic() + 600
    while "pipe_write" not in Path(f"/proc/{worker}/wchan").read_text():
        assert time.monotonic() < end
        assert not answer.done()
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(BrokenProcessPool):
        executor._result(answer)
    executor.close()


def training(images: Tensor) -> bool:
    """Whether a network is in a client's training: the samples that it is tried with beforehand are zeros."""
    return torch.is_grad_enabled() and bool(images.any())


class Suicidal(nn.Sequential):
    """Kills the worker process it trains in."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(16, num_classes))

    def forward(self, images: Tensor) -> Tensor:
        if training(images):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(images)  # type: ignore[no-any-return]


class Unpicklable(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__("neither one nor two")


class Raising(nn.Sequential):
    def __init__(self, num_classes: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(16, num_classes))

    def forward(self, images: Tensor) -> Tensor:
        if training(images):
            raise Unpicklable(1, 2)
        return super().forward(images)  # type: ignore[no-any-return]


class Strict(Raising):
    """Refuses to train where torch was not told what the parent was told."""

    def forward(self, images: Tensor) -> Tensor:
        told = torch.are_deterministic_algorithms_enabled(), torch.backends.cuda.matmul.fp32_precision
        if training(images) and told != (True, "tf32"):
            raise ValueError(told)
        return nn.Sequential.forward(self, images)  # type: ignore[no-any-return]


@pytest.mark.slow
def test_workers_compute_as_their_parent_was_told(processes: Callable[[int], Processes]) -> None:
    executor = processes(1)
    executor.setup(RunnerSpec(ClientConfig(models={"name": "tests.test_workers.Strict"}), tiny_data(), 0))
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("high")
    try:
        (answer,) = executor.run([Job(ClientTask(0, 0, train=True))])
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_float32_matmul_precision("highest")
        executor.close()
    assert isinstance(answer, ClientResult), answer


@pytest.mark.full
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("bad", "why"), [("Suicidal", "killed twice"), ("Raising", "neither one nor two")])
def test_a_client_that_ends_its_worker_is_a_failure(
    bad: str, why: str, workers: int, processes: Callable[[int], Processes]
) -> None:
    """The others go on."""
    executor = processes(workers)
    config = ClientConfig(models=[{"name": f"tests.test_workers.{bad}"}, "mlp"], batch_size=4)
    executor.setup(RunnerSpec(config, tiny_data(), 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answers = list(executor.run([Job(ClientTask(k, 0, train=True)) for k in range(1 + workers)]))
    assert [type(answer) for answer in answers] == [ClientFailure, ClientResult, ClientFailure][: 1 + workers]
    assert isinstance(answers[0], ClientFailure)
    assert why in str(answers[0].error)
    executor.close()


def test_jobs_are_taken_as_workers_get_free() -> None:
    executor = Threads(1)
    executor.setup(RunnerSpec(CLIENT, tiny_data(), 0))
    taken = []

    def jobs() -> Iterator[Job]:
        for k in range(50):
            taken.append(k)
            yield Job(ClientTask(k % 3, k))

    results = executor.run(jobs())
    next(results)
    assert len(taken) <= 2 * executor.workers + 1
    assert len(list(results)) == 49
    executor.close()


def test_workers_are_bounded_by_cores() -> None:
    assert Threads().workers == cores()
    assert Threads(10_000).workers == cores()
    with pytest.raises(ConfigError, match=r"executor\.workers: got 0"):
        Threads(0)
