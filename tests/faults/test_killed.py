"""Runs that are killed or stopped, at any moment and inside a save."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from scarlet_pl.checkpoint import AtomicCheckpointIO, newest_verified, verified
from scarlet_pl.run_files import checkpoints, read_rounds

from .conftest import Finished
from .runs import TWO_RANKS, check_whole, digest, fit, start, wait_for_rounds


@pytest.mark.slow
@pytest.mark.timeout(6000)
@pytest.mark.parametrize(
    "config",
    ["scarlet.yaml", *(pytest.param(name, marks=pytest.mark.full) for name in ("cfd_1_1_delta.yaml", "fedavg.yaml"))],
)
def test_killed_at_any_moment_it_goes_on_to_the_same_digest(config: str, tmp_path: Path, full: bool) -> None:
    """`kill -9` at random points; 50 with --full, over methods and executors."""
    assert fit(config, tmp_path / "whole") == 0
    draws = random.Random(config)
    for number in range(17 if full else 1):
        run_dir = tmp_path / f"run{number}"
        executor = ("--executor", ("serial", "threads", "threads", "processes")[number % 4])
        executor += ("--federation.store", ("memory", "disk")[number // 4 % 2])
        executor += TWO_RANKS if config == "fedavg.yaml" and number % 4 == 2 else ()  # its server takes no steps
        with start(config, run_dir, *executor) as run:
            if number % 5 == 4:  # at any moment, also before the first round and after the last
                time.sleep(3 + 9 * draws.random())
            else:
                wait_for_rounds(run_dir, draws.randint(0, 8), run)
                time.sleep(draws.random() * 0.3)
            run.kill()
            run.end()
        alone = (*executor[:4],)  # as many ranks as this process is
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the kill may have come between a checkpoint and its hash
            if newest_verified(run_dir) is None:
                run_dir = tmp_path / f"again{number}"  # a run without a checkpoint cannot be resumed
                assert fit(config, run_dir, *alone) == 0
            else:
                assert fit(config, run_dir, *alone, "--resume", "--resume_override") == 0
        assert digest(run_dir) == digest(tmp_path / "whole"), (config, number)
        check_whole(run_dir)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("executor", "number"),
    [
        ("Serial", signal.SIGINT),
        pytest.param("Threads", signal.SIGTERM, marks=pytest.mark.full),
        ("Processes", signal.SIGINT),
        ("two ranks", signal.SIGTERM),
        pytest.param("Serial", signal.SIGTERM, marks=pytest.mark.full),
        pytest.param("Threads", signal.SIGINT, marks=pytest.mark.full),
        pytest.param("Processes", signal.SIGTERM, marks=pytest.mark.full),
        pytest.param("two ranks", signal.SIGINT, marks=pytest.mark.full),
    ],
)
def test_a_signal_ends_the_run_and_says_how_to_go_on(executor: str, number: signal.Signals, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    how = TWO_RANKS if executor == "two ranks" else ("--executor", executor)
    flags = (*how, "--trainer.max_rounds", "5000")
    with start("scarlet.yaml", run_dir, *flags) as run:
        wait_for_rounds(run_dir, 2, run)
        if number == signal.SIGINT:
            os.killpg(run.pid, number)  # as a terminal does on Ctrl-C
        else:
            run.send_signal(number)
        said = run.end()
    assert run.returncode == 128 + number, said
    assert "Traceback" not in said
    assert f"--run_dir {run_dir} --resume" in said
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the signal may have come between a checkpoint and its hash
        assert newest_verified(run_dir) is not None
    if executor == "Serial":
        rounds = len(read_rounds(run_dir / "rounds.csv")) + 2
        changed = ("--trainer.max_rounds", str(rounds), "--executor", "Threads", "--resume", "--resume_override")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert fit("scarlet.yaml", run_dir, *changed) == 0
        assert len(read_rounds(run_dir / "rounds.csv")) == rounds


KILLED_WHILE_SAVING = """
import sys, torch
from pathlib import Path
from scarlet_pl.checkpoint import OF_A_RUN, AtomicCheckpointIO
from scarlet_pl.run_files import checkpoint_name, checkpoints
folder, io, n = Path(sys.argv[1]), AtomicCheckpointIO(), int(sys.argv[2])
while True:
    n += 1
    state = {**{key: {} for key in OF_A_RUN}, "n": n, "w": torch.full((200_000,), float(n))}
    io.save_checkpoint(state, folder / "checkpoints" / checkpoint_name(n))
    for old in checkpoints(folder)[:-2]:
        io.remove_checkpoint(old)
    print(n, flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(6000)
def test_killed_inside_the_save_a_valid_checkpoint_remains(tmp_path: Path, full: bool) -> None:
    """100 kills with --full."""
    draws, done = random.Random(0), 0
    for _ in range(100 if full else 1):
        script = [sys.executable, "-c", KILLED_WHILE_SAVING, str(tmp_path), str(done)]
        run = subprocess.Popen(script, stdout=subprocess.PIPE, text=True)
        assert run.stdout is not None
        run.stdout.readline()
        run.stdout.readline()
        time.sleep(draws.random() * 0.05)
        run.kill()
        seen = [int(line) for line in run.communicate()[0].split()]
        valid = [path for path in checkpoints(tmp_path) if verified(path)]
        assert valid
        found = AtomicCheckpointIO().load_checkpoint(valid[-1])
        assert bool((found["w"] == found["n"]).all())
        assert found["n"] >= max([done + 2, *seen])
        done = found["n"]


def test_a_run_that_was_killed_after_its_last_round_gets_its_summary(tmp_path: Path, finished: Finished) -> None:
    run_dir = tmp_path / "run"
    finished(run_dir, 8)
    before = (run_dir / "summary.json").read_text()
    (run_dir / "summary.json").unlink()
    assert fit("scarlet.yaml", run_dir, "--resume") == 0
    assert (run_dir / "summary.json").read_text() == before
    check_whole(run_dir)
