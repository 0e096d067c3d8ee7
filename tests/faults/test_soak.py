"""Long runs do not grow."""

from __future__ import annotations

import csv
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scarlet_pl.loop import FederatedCallback

from .runs import command

TINY = (
    *("--data.num_clients", "100", "--data.public_size", "60", "--method.draw.size", "20"),
    *("--server.batch_size", "20", "--client.batch_size", "20", "--executor.workers", "2"),
    *("--federation.availability.participation", "0.1", "--trainer.eval_clients_every_n_rounds", "50"),
)


class Watch(FederatedCallback):
    """Writes what this process holds after each round: kilobytes of memory, descriptors, threads."""

    def on_round_end(self, trainer: Any, server: Any, record: Any) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        held = (pages * os.sysconf("SC_PAGE_SIZE") // 1024, len(os.listdir("/proc/self/fd")), threading.active_count())
        with open(os.environ["SCARLET_PL_WATCH"], "a") as file:
            csv.writer(file).writerow(held)


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.timeout(6000)
@pytest.mark.parametrize("store", ["memory", "disk"])
def test_memory_files_and_threads_do_not_grow(store: str, tmp_path: Path) -> None:
    """100 clients, 2,000 rounds: what is held at the end is what was held after a quarter."""
    rounds = 2000
    watched = tmp_path / "watch.csv"
    flags = (
        *TINY,
        "--federation.store",
        store,
        "--trainer.max_rounds",
        str(rounds),
        "--trainer.callbacks+",
        "tests.faults.test_soak.Watch",
    )
    run = subprocess.run(
        command("scarlet.yaml", tmp_path / "run", *flags),
        env={**os.environ, "SCARLET_PL_WATCH": str(watched)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    kilobytes, descriptors, threads = np.loadtxt(watched, delimiter=",", dtype=int).T[:, rounds // 4 :]
    lag = rounds // 20
    slope = np.median(kilobytes[lag:] - kilobytes[:-lag]) / lag  # the allocator's rare steps do not count
    said = f"{rounds} rounds: {slope:.2f} kB a round, {kilobytes[0]} to {kilobytes[-1]} kB, {max(descriptors)} files"
    print(said)
    assert len(kilobytes) == rounds - rounds // 4
    assert slope < 0.5, said
    assert kilobytes[-1] < 1.02 * kilobytes[0], said
    assert max(descriptors) - min(descriptors) <= 2
    assert max(threads) - min(threads) <= 1
