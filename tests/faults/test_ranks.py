"""Several ranks: the federation of one process, and what becomes of a rank that dies."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from scarlet_pl.checkpoint import AtomicCheckpointIO, newest_verified
from scarlet_pl.digest import digest as digest_of
from scarlet_pl.executors import Answer, Job, Serial
from scarlet_pl.run_files import read_rounds

from .runs import LIMIT, TWO_RANKS, Run, check_whole, command, digest, fit, start, wait_for_rounds

DOUBLE = ("--trainer.precision", "64-true")


def ranks(config: str, run_dir: Path, *flags: str) -> str:
    """Run on two ranks; what was said on standard error."""
    with start(config, run_dir, *TWO_RANKS, *flags) as run:
        said = run.end()
    assert run.returncode == 0, said
    return said


def to(rounds: int) -> tuple[str, ...]:
    return ("--trainer.max_rounds", str(rounds), "--resume", "--resume_override", *DOUBLE)


def saved(run_dir: Path) -> dict[str, Any]:
    newest = newest_verified(run_dir)
    assert newest is not None
    return AtomicCheckpointIO().load_checkpoint(newest)


def check_same(one: Path, two: Path) -> None:
    """Clients, caches and ledger bit by bit, the server to 1e-10."""
    a, b = saved(one), saved(two)
    assert digest_of(a["federation"]) == digest_of(b["federation"])
    tables = [read_rounds(run / "rounds.csv") for run in (one, two)]
    for name in (name for name in tables[0][0] if name.startswith(("server/", "client/"))):
        measured = [[float(row[name] or "nan") for row in table] for table in tables]
        assert measured[0] == pytest.approx(measured[1], abs=1e-6, nan_ok=True), name
    for name, weight in a["state_dict"].items():
        assert torch.allclose(weight, b["state_dict"][name], rtol=0, atol=1e-10), name


AVAILABLE = "--federation.availability"
LATE = (AVAILABLE, "Deadline", f"{AVAILABLE}.deadline", "0.2", f"{AVAILABLE}.latency.kind", "exponential")


UNEVEN = (
    *("--method.draw.size", "101", "--server.batch_size", "33"),
    *("--data.transform.flip", "true", "--data.transform.crop_padding", "1"),
)
"""Sizes that two ranks cannot share out evenly."""
UNEVEN_FUSION = ("--method.fusion.draw.size", "101", "--server.batch_size", "33")
SMALL_TEXT = "{name: distilbert, dim: 32, n_layers: 1}"
EARLY = ("--server.average_from", "1", "--server.average_every", "1")
FULL = {
    "cfd_1_1_delta.yaml": (*UNEVEN, "--federation.availability.participation", "1.0"),
    "comet.yaml": UNEVEN,
    "selective_fd.yaml": UNEVEN,
    "edgefd.yaml": UNEVEN,
    "cronus.yaml": UNEVEN,
    "fedmd.yaml": (*UNEVEN, "--client.models", "[cnn,mlp]"),
    "jeong_fd.yaml": (),
    "fedavg.yaml": (),
    "fedprox.yaml": (),
    "feddf.yaml": UNEVEN_FUSION,
    "one_shot_models.yaml": UNEVEN_FUSION,
    "text.yaml": ("--method.draw.size", "101", "--client.models", SMALL_TEXT, "--server.model", SMALL_TEXT),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "flags"),
    [
        ("scarlet.yaml", (*UNEVEN, *LATE, "--federation.availability.dropout_rate", "0.3", "--data.num_clients", "9")),
        ("fedbe.yaml", (*UNEVEN_FUSION, *EARLY)),
        *(pytest.param(config, flags, marks=pytest.mark.full) for config, flags in FULL.items()),
    ],
)
def test_two_ranks_are_the_federation_of_one(config: str, flags: tuple[str, ...], tmp_path: Path) -> None:
    """Sizes that two ranks cannot share out evenly, and rounds without an answer, are among them. What two
    ranks began one goes on with."""
    flags = (*flags, *DOUBLE)
    assert not ranks(config, tmp_path / "two", *flags)
    assert fit(config, tmp_path / "one", *flags) == 0
    check_same(tmp_path / "one", tmp_path / "two")
    check_whole(tmp_path / "two")
    for run_dir in (tmp_path / "one", tmp_path / "two"):
        assert fit(config, run_dir, *flags, *to(10)) == 0
    check_same(tmp_path / "one", tmp_path / "two")
    check_whole(tmp_path / "two", 10)


@pytest.mark.slow
@pytest.mark.full
def test_a_round_without_answers_leaves_the_servers_weights(tmp_path: Path) -> None:
    """Momentum and weight decay would move them without a gradient."""
    heavy = ("--server.optimizer", "Adam", "--server.optimizer.weight_decay", "0.1")
    nobody = ("--federation.availability.dropout_rate", "1.0")
    ranks("scarlet.yaml", tmp_path / "two", *nobody, "--trainer.max_rounds", "2", *heavy)
    assert fit("scarlet.yaml", tmp_path / "one", *nobody, "--trainer.max_rounds", "1") == 0
    one, two = saved(tmp_path / "one"), saved(tmp_path / "two")
    assert digest_of(one["state_dict"]) == digest_of(two["state_dict"])


@pytest.mark.slow
@pytest.mark.full
def test_from_two_ranks_to_one_and_back(tmp_path: Path) -> None:
    """Resumed on the same ranks the bits are the same; on others, those of the clients are."""
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
@pytest.mark.full
def test_torchrun_starts_the_ranks_as_well(tmp_path: Path) -> None:
    """As a cluster's launcher does: every rank is started from outside."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m"]
    with Run([*torchrun, *command("scarlet.yaml", tmp_path / "run", *TWO_RANKS, *DOUBLE)[2:]], tmp_path / "run") as run:
        said = run.end()
    assert run.returncode == 0, said
    assert fit("scarlet.yaml", tmp_path / "one", *DOUBLE) == 0
    check_same(tmp_path / "one", tmp_path / "run")


class Watched(nn.Sequential):
    """Leaves a file with the number of the process in which it trains."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(64, num_classes))

    def forward(self, images: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            Path(os.environ["SCARLET_PL_TRAINING"], str(os.getpid())).touch()
        return super().forward(images)  # type: ignore[no-any-return]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("victim", "epochs"),
    [
        pytest.param("first", "1", marks=pytest.mark.full),
        ("second", "1"),
        pytest.param("first", "1000000", marks=pytest.mark.full),
        pytest.param("second", "1000000", marks=pytest.mark.full),
    ],
)
def test_a_killed_rank_ends_the_others(
    victim: str, epochs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether they meet it in a collective soon, or train on for hours."""
    flags = (*TWO_RANKS, "--trainer.max_rounds", "5000", "--client.epochs", epochs)
    training = tmp_path / "training"
    training.mkdir()
    monkeypatch.setenv("SCARLET_PL_TRAINING", str(training))
    with start("scarlet.yaml", tmp_path / "run", *flags, "--client.models", f"{__name__}.Watched") as run:
        if epochs == "1":
            wait_for_rounds(tmp_path / "run", 2, run)
        run.wait_until(lambda: len(list(training.iterdir())) == 2, "both ranks trained")
        (second,) = {int(path.name) for path in training.iterdir()} - {run.pid}
        os.kill(run.pid if victim == "first" else second, signal.SIGKILL)
        said = run.end()
    assert run.returncode != 0
    assert "Traceback" not in said
    how = "go on with the same command" if epochs == "1" else "no round was finished"
    assert victim == "first" or f"another rank has ended; {how}" in said


def test_a_rank_that_fails_does_not_wait_for_the_others(tmp_path: Path) -> None:
    """An orderly end would: Lightning takes NCCL's process group down at exit."""
    failing = (
        f"import atexit, time\nfrom scarlet_pl.cli.signals import stoppable\natexit.register(time.sleep, {2 * LIMIT})\n"
        "with stoppable():\n    raise KeyError('why')"
    )
    with Run([sys.executable, "-c", failing], tmp_path / "run", env={**os.environ, "RANK": "1"}) as run:
        said = run.end()
    assert run.returncode == 1
    assert said.endswith("KeyError: 'why'\n")


@pytest.mark.slow
@pytest.mark.full
def test_a_client_that_fails_on_another_rank_is_named(tmp_path: Path) -> None:
    flags = ("--client.optimizer.lr", "1e30", "--federation.on_error")
    with start("scarlet.yaml", tmp_path / "fail", *TWO_RANKS, *flags, "fail") as run:
        said = run.end()
    assert run.returncode == 1
    assert "client" in said
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.full
def test_a_client_that_fails_on_another_rank_is_skipped(tmp_path: Path) -> None:
    flags = ("--client.optimizer.lr", "1e30", "--federation.on_error")
    ranks("scarlet.yaml", tmp_path / "skip", *flags, "skip", "--trainer.max_rounds", "2")
    assert fit("scarlet.yaml", tmp_path / "one", *flags, "skip", "--trainer.max_rounds", "2") == 0
    tables = [(tmp_path / name / "rounds.csv").read_text().splitlines() for name in ("skip", "one")]
    assert [row.split(",")[-1] for row in tables[0]] == [row.split(",")[-1] for row in tables[1]]
    assert "client" in tables[0][1]


class FailsOnOneRank(Serial):
    """Cannot read its clients' states, on one rank alone."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        if os.environ.get("LOCAL_RANK") == "1":
            raise OSError("the state of client 3 is damaged or missing")
        return super().run(jobs)


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_a_fault_of_one_rank_that_is_no_clients_ends_all(on_error: str, tmp_path: Path) -> None:
    flags = (*TWO_RANKS, "--executor", f"{__name__}.FailsOnOneRank", "--federation.on_error", on_error)
    with start("scarlet.yaml", tmp_path / "run", *flags) as run:
        said = run.end()
    assert run.returncode == 1
    assert "the state of client 3 is damaged or missing" in said
    assert "Traceback" not in said


def test_a_strategy_that_is_not_ddp_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit("scarlet.yaml", tmp_path / "run", "--trainer.strategy", "ddp_spawn", "--trainer.devices", "2") == 2
    assert "trainer.strategy: got 'ddp_spawn', allowed: ddp" in capsys.readouterr().err
