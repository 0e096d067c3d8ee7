"""Several ranks: the federation of one process, and what becomes of a rank that dies (reliability.md, rows 4, 25)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from scarlet_pl.checkpoint import AtomicCheckpointIO, newest_verified
from scarlet_pl.digest import digest as digest_of
from scarlet_pl.run_files import read_rounds

from .runs import TWO_RANKS, alive, check_whole, children, command, digest, fit, start, wait_for_rounds

DOUBLE = ("--trainer.precision", "64-true")


def ranks(config: str, run_dir: Path, *flags: str) -> str:
    """Run on two ranks; what was said on standard error."""
    done = subprocess.run(command(config, run_dir, *TWO_RANKS, *flags), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stderr


def saved(run_dir: Path) -> dict[str, Any]:
    newest = newest_verified(run_dir)
    assert newest is not None
    return AtomicCheckpointIO().load_checkpoint(newest)


def check_same(one: Path, two: Path) -> None:
    """Clients, caches and ledger bit by bit, the server to 1e-10."""
    a, b = saved(one), saved(two)
    assert digest_of(a["federation"]) == digest_of(b["federation"])
    for name in ("server/accuracy", "server/loss"):
        measured = [[float(row[name]) for row in read_rounds(run / "rounds.csv")] for run in (one, two)]
        assert measured[0] == pytest.approx(measured[1], abs=1e-6)
    for name, weight in a["state_dict"].items():
        assert torch.allclose(weight, b["state_dict"][name], rtol=0, atol=1e-10), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "flags"),
    [
        ("scarlet.yaml", ("--client.dropout_rate", "0.3")),
        ("cfd_1_1_delta.yaml", ("--method.participation", "1.0")),
        ("fedavg.yaml", ()),
    ],
)
def test_two_ranks_are_the_federation_of_one(config: str, flags: tuple[str, ...], tmp_path: Path) -> None:
    """Row 25: sizes that two ranks cannot share out evenly, and rounds without an answer, are among them."""
    flags = (*flags, *DOUBLE)
    if config != "fedavg.yaml":
        flags = (*flags, "--method.draw.size", "101", "--server.batch_size", "33")
        flags = (*flags, "--data.images.flip", "true", "--data.images.crop_padding", "1")
    assert not ranks(config, tmp_path / "two", *flags)
    assert fit(config, tmp_path / "one", *flags) == 0
    check_same(tmp_path / "one", tmp_path / "two")
    check_whole(tmp_path / "two")


@pytest.mark.slow
def test_a_round_without_answers_leaves_the_servers_weights(tmp_path: Path) -> None:
    """Momentum and weight decay would move them without a gradient."""
    heavy = ("--server.optimizer", "Adam", "--server.optimizer.weight_decay", "0.1")
    ranks("scarlet.yaml", tmp_path / "two", "--client.dropout_rate", "1.0", "--trainer.max_rounds", "2", *heavy)
    assert fit("scarlet.yaml", tmp_path / "one", "--client.dropout_rate", "1.0", "--trainer.max_rounds", "1") == 0
    one, two = saved(tmp_path / "one"), saved(tmp_path / "two")
    assert digest_of(one["state_dict"]) == digest_of(two["state_dict"])


@pytest.mark.slow
def test_from_two_ranks_to_one_and_back(tmp_path: Path) -> None:
    """Resumed on the same ranks the bits are the same; on others, those of the clients are."""

    def to(rounds: int) -> tuple[str, ...]:
        return ("--trainer.max_rounds", str(rounds), "--resume", "--resume_override", *DOUBLE)

    ranks("scarlet.yaml", tmp_path / "whole", *DOUBLE)
    ranks("scarlet.yaml", tmp_path / "part", *DOUBLE, "--trainer.max_rounds", "3")
    ranks("scarlet.yaml", tmp_path / "part", *to(8))
    assert digest(tmp_path / "part") == digest(tmp_path / "whole")
    ranks("scarlet.yaml", tmp_path / "mixed", *DOUBLE, "--trainer.max_rounds", "3")
    assert fit("scarlet.yaml", tmp_path / "mixed", *to(5)) == 0
    ranks("scarlet.yaml", tmp_path / "mixed", *to(8))
    check_same(tmp_path / "mixed", tmp_path / "whole")
    check_whole(tmp_path / "mixed")


@pytest.mark.slow
def test_torchrun_starts_the_ranks_as_well(tmp_path: Path) -> None:
    """As a cluster's launcher does: every rank is started from outside."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m"]
    done = subprocess.run(
        [*torchrun, *command("scarlet.yaml", tmp_path / "run", *TWO_RANKS, *DOUBLE)[2:]],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert fit("scarlet.yaml", tmp_path / "one", *DOUBLE) == 0
    check_same(tmp_path / "one", tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("epochs", ["1", "1000000"])
@pytest.mark.parametrize("victim", ["first", "second"])
def test_a_killed_rank_ends_the_others(victim: str, epochs: str, tmp_path: Path) -> None:
    """Whether they meet it in a collective soon, or train on for hours."""
    flags = (*TWO_RANKS, "--trainer.max_rounds", "5000", "--client.epochs", epochs)
    run = start("scarlet.yaml", tmp_path / "run", *flags)
    if epochs == "1":
        wait_for_rounds(tmp_path / "run", 2, run)
    else:
        while not children(run.pid):
            time.sleep(0.1)
        time.sleep(8)
    others = children(run.pid)
    begun = time.monotonic()
    os.kill(run.pid if victim == "first" else int(others[0]), signal.SIGKILL)
    run.wait(timeout=30)
    while any(map(alive, others)) and time.monotonic() - begun < 30:
        time.sleep(0.1)
    assert time.monotonic() - begun < 30
    assert run.returncode != 0
    said = run.communicate()[1]
    assert "Traceback" not in said
    assert victim == "first" or "another rank has ended; go on with the same command" in said


def test_a_rank_that_fails_does_not_wait_for_the_others() -> None:
    """An orderly end would: Lightning takes NCCL's process group down at exit."""
    failing = (
        "import atexit, time\nfrom scarlet_pl.cli.signals import stoppable\natexit.register(time.sleep, 60)\n"
        "with stoppable():\n    raise KeyError('why')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", failing], env={**os.environ, "RANK": "1"}, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 1
    assert ended.stderr.endswith("KeyError: 'why'\n")


@pytest.mark.slow
def test_a_client_that_fails_on_another_rank_is_named(tmp_path: Path) -> None:
    flags = ("--client.optimizer.lr", "1e30", "--client.on_error")
    run = subprocess.run(
        command("scarlet.yaml", tmp_path / "fail", *TWO_RANKS, *flags, "fail"), capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "client" in run.stderr
    assert "Traceback" not in run.stderr
    ranks("scarlet.yaml", tmp_path / "skip", *flags, "skip", "--trainer.max_rounds", "2")
    assert fit("scarlet.yaml", tmp_path / "one", *flags, "skip", "--trainer.max_rounds", "2") == 0
    tables = [(tmp_path / name / "rounds.csv").read_text().splitlines() for name in ("skip", "one")]
    assert [row.split(",")[-1] for row in tables[0]] == [row.split(",")[-1] for row in tables[1]]
    assert "client" in tables[0][1]


def test_a_strategy_that_is_not_ddp_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit("scarlet.yaml", tmp_path / "run", "--trainer.strategy", "ddp_spawn", "--trainer.devices", "2") == 2
    assert "trainer.strategy: got 'ddp_spawn', allowed: ddp" in capsys.readouterr().err
