"""`scarlet-pl sweep`: every experiment's quick form, kills, shards, cells that fail, and what it refuses."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from scarlet_pl.cli.sweep import run
from scarlet_pl.run_files import read_rounds
from scarlet_pl.sweep.experiment import Cell
from scarlet_pl.sweep.folder import Work
from scarlet_pl.sweep.results import Result, add_results, read_results

from .test_cli import scarlet_pl

EXPERIMENTS = sorted((Path(__file__).parents[1] / "configs/experiments").glob("*.yaml"))
DIGITS: dict[str, Any] = {
    "trainer": {"max_rounds": 10, "accelerator": "cpu"},
    "data": {"private": "digits", "public": "digits", "private_size": 300, "public_size": 100, "num_clients": 3},
    "client": {"models": "mlp", "epochs": 1, "distillation_epochs": 1},
    "server": {"model": "mlp", "epochs": 1},
    "method": {"draw": {"class_path": "UniformDraw", "init_args": {"size": 30}}},
    "sweep": {"grid": {"method.cache.duration": [0, 5], "data.partition.alpha": [0.3, 100]}, "seeds": [0]},
}
LIMIT = 600
"""Seconds for a state to come, on a busy machine."""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(DIGITS))
    return path


def sweep(*arguments: object) -> int:
    try:
        return run(["scarlet-pl", "sweep", *map(str, arguments)])
    except SystemExit as stop:
        return int(stop.code or 0)


def table(folder: Path) -> list[dict[str, str]]:
    """The results, but for the seconds that they took."""
    with (folder / "results.csv").open(newline="") as file:
        return [{name: cell for name, cell in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def rounds_done(folder: Path) -> int:
    found = 0
    for path in folder.glob("runs/*/rounds.csv"):
        try:
            found += len(read_rounds(path))
        except ValueError:
            continue  # it is being written
    return found


def started(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "scarlet_pl", "sweep", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def killed_after(rounds: int, folder: Path, *arguments: object) -> None:
    """A sweep that is killed as soon as so many rounds more are done."""
    goal, process, end = rounds_done(folder) + rounds, started(*arguments), time.monotonic() + LIMIT
    while rounds_done(folder) < goal and process.poll() is None:
        assert time.monotonic() < end, "the sweep does not go on"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_has_a_quick_form(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep("--config", path, "--quick", "--out", tmp_path, "--jobs", 2) == 0
    assert list(tmp_path.glob("*.png"))
    assert all(row["digest"] for row in table(tmp_path))


@pytest.mark.slow
def test_kills_and_shards_change_nothing(experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, parts, cut = (tmp_path / name for name in ("whole", "parts", "cut"))
    assert sweep("--config", experiment, "--out", whole) == 0
    for shard in ("1/2", "2/2"):
        assert sweep("--config", experiment, "--out", parts, "--shard", shard) == 0
    assert "4 of 4 cells are finished" in capsys.readouterr().out
    draws = random.Random(11)
    for _ in range(3):
        killed_after(draws.randint(1, 10), cut, "--config", experiment, "--out", cut, "--jobs", 2)
    assert 3 <= rounds_done(cut) < 40
    assert sweep("--config", experiment, "--out", cut, "--jobs", 2) == 0
    assert len(table(whole)) == 4
    assert table(whole) == table(parts) == table(cut)
    for name in ("results.md", "results_by_round.csv"):
        assert (whole / name).read_text() == (parts / name).read_text() == (cut / name).read_text()


@pytest.mark.slow
def test_two_sweeps_on_one_folder_share_the_cells(experiment: Path, tmp_path: Path) -> None:
    given = ("--config", experiment, "--out", tmp_path / "out")
    other = started(*given)
    assert sweep(*given) == 0
    assert other.wait(LIMIT) == 0, other.stderr.read() if other.stderr else ""
    if other.stderr:
        other.stderr.close()
    assert sweep("--config", experiment, "--out", tmp_path / "alone") == 0
    assert table(tmp_path / "out") == table(tmp_path / "alone")
    logs = [path.read_text() for path in (tmp_path / "out/runs").glob("*.log")]
    assert len(logs) == 4
    assert all("Traceback" not in log for log in logs)


@pytest.mark.slow
def test_what_is_finished_is_not_run_again(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    given = ("--config", experiment, "--out", out, "--executor", "Serial")
    assert sweep(*given, "--shard", "1/4") == 0
    folder = next(path for path in (out / "runs").iterdir() if path.is_dir())
    before = os.stat(folder / "summary.json").st_mtime_ns
    folder = folder.rename(folder.with_name("called otherwise"))
    capsys.readouterr()
    assert sweep(*given, "--shard", "1/4", "--results", tmp_path / "kept") == 0
    assert "1 of 1 cells are finished already" in capsys.readouterr().out
    assert os.stat(folder / "summary.json").st_mtime_ns == before
    assert table(tmp_path / "kept") == table(out)


@pytest.mark.slow
def test_a_cell_that_fails_is_named_and_the_others_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump({**DIGITS, "sweep": {"grid": {"method.draw.size": [101, 30]}}}))
    assert sweep("--config", path, "--out", tmp_path / "out") == 1
    said = capsys.readouterr().out
    assert "[1/2] size=101 seed=0: failed: scarlet-pl: method.draw.size: got 101, allowed: at most 100" in said
    assert "1 of 2 cells are finished" in said


def test_what_is_not_finished_takes_no_row_from_the_results(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    cell = Work(Cell({"α": "7"}, 0, {}), [], {"seed_everything": 0}, tmp_path)
    row = Result("trial", cell.cell.place, 0, cell.configuration, {}, "c", "d", {"rounds": 1.0})
    add_results(kept, "trial", [row], [cell])
    given = ("--config", experiment, "--out", tmp_path / "out", "--show", "--results", kept)
    assert sweep(*given) == 0
    assert sweep(*given, "--client.epochs", 2) == 2
    assert "client.epochs: got '2', allowed: nothing with --results" in capsys.readouterr().err
    assert read_results(kept) == [row]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--name", "mine"), "name: got 'mine', allowed: nothing: a sweep names"),
        (("--run_dir=there",), "run_dir: got 'there', allowed: nothing"),
        (("--config", "scarlet"), "scarlet', allowed: one experiment"),
        (("--jobs", "0"), "jobs: got 0"),
        (("--shard", "3/2"), "shard: got '3/2'"),
        (("--quick",), "quick: got True"),
        (("--client.epoch", "3"), "α=0.3 D=0 seed=0: client.epoch: no such option"),
        (("--method.aggregator.beta", "-1"), "seed=0: method.aggregator.beta: got -1"),
        (("--trainer.max_time", "00:00:00:10"), "trainer.max_time: got '00:00:00:10', allowed: null"),
        (
            ("--trainer.callbacks", "EarlyStopping", "--trainer.callbacks.monitor", "server/accuracy"),
            "trainer.callbacks: got 'EarlyStopping', allowed: callbacks that leave",
        ),
    ],
)
def test_a_wrong_sweep_is_refused_before_a_cell_runs(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], line: str
) -> None:
    assert sweep("--config", experiment, "--out", tmp_path / "out", *arguments) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("scarlet-pl: ")
    assert line in said
    assert not (tmp_path / "out").exists()


def test_an_experiment_is_no_run(experiment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scarlet_pl("fit", "--config", str(experiment)) == 2
    assert "it is an experiment, for scarlet-pl sweep" in capsys.readouterr().err


def test_a_dry_run_lists_the_cells(experiment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep("--config", experiment, "--dry_run", "--shard", "1/4") == 0
    said = capsys.readouterr().out
    assert said.count("0/10") == 1
    assert "1 cells, " in said
