"""Runs of the command in processes of their own, which may be stopped and killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from scarlet_pl.run_files import read_rounds

from ..test_cli import SCARLET, scarlet_pl

CONFIGS = Path(SCARLET).parent
QUICK = (
    *("--trainer.max_rounds", "8", "--client.epochs", "1", "--client.distillation_epochs", "1"),
    *("--client.models", "mlp", "--server.epochs", "1", "--server.model", "mlp"),
    *("--federation.availability.participation", "0.6"),
)
TWO_RANKS = ("--trainer.strategy", "ddp", "--trainer.devices", "2")
LIMIT = 600
"""Seconds after which a wait is a hang. It says nothing about speed: a busy machine may need minutes."""


class Run(subprocess.Popen[bytes]):
    """A process in a session of its own. What it says goes to files: a pipe that nobody reads fills up and stops it."""

    def __init__(self, command: list[str], said: Path, env: dict[str, str] | None = None) -> None:
        self.files = said.with_suffix(".out"), said.with_suffix(".err")
        with self.files[0].open("w") as out, self.files[1].open("w") as err:
            super().__init__(command, stdout=out, stderr=err, env=env, start_new_session=True)

    def __exit__(self, *_: object) -> None:
        """Leave no process behind, also where a test fails."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def said(self) -> str:
        """On standard error, so far."""
        return self.files[1].read_text()

    def processes(self) -> list[int]:
        """It and all that it started, directly or not, and that still run."""
        listed = subprocess.run(["pgrep", "-s", str(self.pid)], capture_output=True, text=True).stdout.split()
        return [int(pid) for pid in listed if alive(pid)]

    def wait_until(self, reached: Callable[[], bool], state: str) -> None:
        """Fail where the state does not come: at once when all processes have ended without it."""
        end, ended = time.monotonic() + LIMIT, False
        while not reached():
            if ended or time.monotonic() > end:
                why = f"ended with code {self.returncode}" if ended else f"took more than {LIMIT} s"
                pytest.fail(f"{' '.join(self.args)}\n{why} before {state}\n" + "".join(map(Path.read_text, self.files)))
            ended = self.poll() is not None and not self.processes()  # and one more look
            time.sleep(0.05)

    def end(self) -> str:
        """Wait until all its processes have ended; what they said on standard error."""
        self.wait_until(lambda: self.poll() is not None and not self.processes(), "all its processes had ended")
        return self.said()


def command(config: str, run_dir: Path, *flags: str) -> list[str]:
    fit = ["fit", "--config", str(CONFIGS / config), "--run_dir", str(run_dir)]
    return [sys.executable, "-m", "scarlet_pl", *fit, *QUICK, *flags]


def start(config: str, run_dir: Path, *flags: str) -> Run:
    return Run(command(config, run_dir, *flags), run_dir)


def fit(config: str, run_dir: Path, *flags: str) -> int:
    """In this process."""
    return scarlet_pl(*command(config, run_dir, *flags)[3:])


def wait_for_rounds(run_dir: Path, rounds: int, run: Run) -> None:
    table = run_dir / "rounds.csv"
    run.wait_until(
        lambda: table.exists() and len(table.read_text().splitlines()) > rounds, f"{rounds} rounds were done"
    )


def alive(pid: int | str) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def digest(run_dir: Path) -> str:
    return str(json.loads((run_dir / "summary.json").read_text())["digest"])


def check_whole(run_dir: Path, rounds: int = 8) -> None:
    """No doubled and no missing points, in the table and in TensorBoard."""
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    assert [int(row["round"]) for row in read_rounds(run_dir / "rounds.csv")] == list(range(rounds))
    events = EventAccumulator(str(run_dir / "tensorboard/round"))
    events.Reload()
    assert sorted(event.step for event in events.Tensors("bytes/up")) == list(range(rounds))
    summary = json.loads((run_dir / "summary.json").read_text())
    assert summary["rounds"] == rounds
    assert sum(int(row["bytes/up"]) for row in read_rounds(run_dir / "rounds.csv")) == summary["bytes_up"]
