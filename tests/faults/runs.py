"""Runs of the command in processes of their own, which may be stopped and killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from scarlet_pl.run_files import read_rounds

from ..test_cli import SCARLET, scarlet_pl

CONFIGS = Path(SCARLET).parent
QUICK = (
    *("--trainer.max_rounds", "8", "--client.epochs", "1", "--client.distillation_epochs", "1"),
    *("--client.models", "mlp", "--server.epochs", "1", "--server.model", "mlp", "--method.participation", "0.6"),
)
TWO_RANKS = ("--trainer.strategy", "ddp", "--trainer.devices", "2")


def command(config: str, run_dir: Path, *flags: str) -> list[str]:
    fit = ["fit", "--config", str(CONFIGS / config), "--run_dir", str(run_dir)]
    return [sys.executable, "-m", "scarlet_pl", *fit, *QUICK, *flags]


def start(config: str, run_dir: Path, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command(config, run_dir, *flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def fit(config: str, run_dir: Path, *flags: str) -> int:
    """In this process."""
    return scarlet_pl(*command(config, run_dir, *flags)[3:])


def wait_for_rounds(run_dir: Path, rounds: int, run: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and run.poll() is None:
        path = run_dir / "rounds.csv"
        if path.exists() and len(path.read_text().splitlines()) > rounds:
            return
        time.sleep(0.01)


def children(pid: int) -> list[str]:
    return subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()


def alive(pid: str) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def digest(run_dir: Path) -> str:
    return str(json.loads((run_dir / "summary.json").read_text())["digest"])


def check_whole(run_dir: Path, rounds: int = 8) -> None:
    """No doubled and no missing points, in the table and in TensorBoard."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert [int(row["round"]) for row in read_rounds(run_dir / "rounds.csv")] == list(range(rounds))
    events = EventAccumulator(str(run_dir / "tensorboard/round"))
    events.Reload()
    assert sorted(event.step for event in events.Scalars("server/loss")) == list(range(rounds))
    summary = json.loads((run_dir / "summary.json").read_text())
    assert summary["rounds"] == rounds
    assert sum(int(row["bytes/up"]) for row in read_rounds(run_dir / "rounds.csv")) == summary["bytes_up"]
