"""Runs that are resumed: as they were begun, with other settings, and where their table or configuration is damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scarlet_pl.locks import lock, unlock
from scarlet_pl.loop import FederatedCallback
from scarlet_pl.record import RoundRecord
from scarlet_pl.run_files import checkpoint_name, checkpoints, read_rounds

from ..run_folders import Capture
from ..test_cli import scarlet_pl
from .conftest import Finished
from .runs import check_whole, digest, fit


@pytest.mark.slow
def test_another_configuration_is_refused_field_by_field(tmp_path: Path, finished: Finished, capsys: Capture) -> None:
    run_dir = tmp_path / "run"
    finished(run_dir, 2)
    capsys.readouterr()
    changed = ("--trainer.max_rounds", "3", "--client.epochs", "2", "--method.cache.duration", "7", "--resume")
    assert fit("scarlet.yaml", run_dir, *changed) == 2
    said = capsys.readouterr().err
    for part in ("client.epochs 1 -> 2", "method.cache.duration 10 -> 7", "trainer.max_rounds 2 -> 3"):
        assert part in said
    assert len(said.strip().splitlines()) == 1
    assert fit("scarlet.yaml", run_dir, *changed, "--resume_override") == 2
    said = capsys.readouterr().err
    assert "trainer.max_rounds 2" not in said
    assert "client.epochs 1 -> 2" in said
    more = ("--trainer.max_rounds", "4", "--resume", "--resume_override")
    assert fit("scarlet.yaml", run_dir, *more) == 0
    finished(tmp_path / "whole", 4)
    assert digest(run_dir) == digest(tmp_path / "whole")
    check_whole(run_dir, 4)


@pytest.mark.slow
def test_resume_takes_the_runs_own_configuration(tmp_path: Path, finished: Finished) -> None:
    finished(tmp_path / "whole", 4)
    assert fit("scarlet.yaml", tmp_path / "run", "--trainer.max_rounds", "4", "--trainer.max_time", "00:00:00:00") == 0
    assert len(read_rounds(tmp_path / "run/rounds.csv")) == 1
    more = ("--trainer.max_time", "null", "--resume", "--resume_override")
    assert scarlet_pl("fit", "--run_dir", str(tmp_path / "run"), *more) == 0
    assert digest(tmp_path / "run") == digest(tmp_path / "whole")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text.replace(b"\r\n1,", b"\r\none,"), "row 2 is not that of round 1"),
        (lambda text: text.replace(b",cohort", b""), "row 1 has not as many cells as the header"),
        (lambda text: text + b"\xff\r\n", "no table"),
        (lambda text: text[:-20], "it has 1 of the 2 rounds that are done"),
        (lambda text: b"", "it has 0 of the 2 rounds that are done"),
    ],
)
def test_a_damaged_row_is_said_before_anything_changes(
    damage: Callable[[bytes], bytes],
    said: str,
    tmp_path: Path,
    finished: Finished,
    capsys: Capture,
) -> None:
    run_dir, table = tmp_path / "run", tmp_path / "run/rounds.csv"
    finished(run_dir, 2)
    damaged = damage(table.read_bytes())
    table.write_bytes(damaged)
    capsys.readouterr()
    assert fit("scarlet.yaml", run_dir, "--trainer.max_rounds", "3", "--resume", "--resume_override") == 2
    error = capsys.readouterr().err.strip()
    assert "allowed: the folder of a run whose rounds.csv is whole" in error
    assert said in error
    assert len(error.splitlines()) == 1
    assert table.read_bytes() == damaged


@pytest.mark.slow
@pytest.mark.parametrize("store", [pytest.param("memory", marks=pytest.mark.full), "disk"])
def test_a_runs_folder_is_tested_and_its_configuration_taken_back(store: str, tmp_path: Path, capsys: Capture) -> None:
    run_dir, more = tmp_path / "run", ("--resume", "--resume_override", "--trainer.max_rounds", "4")
    assert fit("scarlet.yaml", run_dir, "--federation.store", store, "--trainer.max_rounds", "2") == 0
    assert fit("scarlet.yaml", run_dir, "--federation.store", store, *more) == 0
    capsys.readouterr()
    assert scarlet_pl("test", "--run_dir", str(run_dir)) == 0
    accuracy = float(read_rounds(run_dir / "rounds.csv")[-1]["client/accuracy"])
    assert f"{accuracy:.4f}" in capsys.readouterr().out
    again = ("fit", "--config", str(run_dir / "config.yaml"), "--run_dir", str(tmp_path / "again"))
    assert scarlet_pl(*again) == 0
    assert digest(tmp_path / "again") == digest(run_dir)
    modes = {path.stat().st_mode & 0o077 for path in run_dir.rglob("*") if path.is_file()}
    assert len(modes) == 1  # whoever may read one file may read all


@pytest.mark.parametrize("left", ["", "client: [unclos", "5"])
def test_a_configuration_that_is_cut_off_is_one_line(
    left: str, tmp_path: Path, finished: Finished, capsys: Capture
) -> None:
    finished(tmp_path / "run", 2)
    (tmp_path / "run/config.yaml").write_text(left)
    capsys.readouterr()
    assert fit("scarlet.yaml", tmp_path / "run", "--trainer.max_rounds", "2", "--resume") == 2
    said = capsys.readouterr().err.strip()
    assert "config.yaml is whole" in said
    assert len(said.splitlines()) == 1


def test_fewer_rounds_than_are_done_are_refused(tmp_path: Path, finished: Finished, capsys: Capture) -> None:
    run_dir = tmp_path / "run"
    finished(run_dir, 4)
    before = (run_dir / "config.yaml").read_text()
    capsys.readouterr()
    assert fit("scarlet.yaml", run_dir, "--trainer.max_rounds", "2", "--resume", "--resume_override") == 2
    assert capsys.readouterr().err == (
        "scarlet-pl: trainer.max_rounds: got 2, allowed: at least 4: so many rounds are done\n"
    )
    assert (run_dir / "config.yaml").read_text() == before


@pytest.mark.slow
def test_one_process_at_a_time_goes_on_with_a_run(tmp_path: Path, finished: Finished, capsys: Capture) -> None:
    run_dir = tmp_path / "run"
    finished(run_dir, 2)
    more = ("--resume", "--resume_override", "--trainer.max_rounds", "3")
    capsys.readouterr()
    lock(run_dir)
    assert fit("scarlet.yaml", run_dir, *more) == 2
    assert "a folder whose run no other process goes on with" in capsys.readouterr().err
    unlock()
    assert fit("scarlet.yaml", run_dir, *more) == 0
    check_whole(run_dir, 3)


class Extra(FederatedCallback):
    def round_metrics(self, record: RoundRecord) -> dict[str, float | None]:
        return {"extra/round": float(record.round)}


@pytest.mark.slow
def test_a_resumed_run_may_have_another_callback(tmp_path: Path, finished: Finished) -> None:
    run_dir = tmp_path / "run"
    finished(run_dir, 2)
    more = ("--trainer.callbacks+", "tests.faults.test_resume.Extra", "--trainer.max_rounds", "4")
    assert fit("scarlet.yaml", run_dir, *more, "--resume", "--resume_override") == 0
    assert [row["extra/round"] for row in read_rounds(run_dir / "rounds.csv")] == ["", "", "2.0", "3.0"]
    check_whole(run_dir, 4)


@pytest.mark.slow
def test_a_run_that_stops_early_is_saved(tmp_path: Path) -> None:
    run_dir, every = tmp_path / "run", ("--trainer.checkpoint_every_n_rounds", "4")
    stop = ("--trainer.callbacks+", "lightning.pytorch.callbacks.EarlyStopping")
    stop += ("--trainer.callbacks.monitor", "server/accuracy", "--trainer.callbacks.stopping_threshold", "0.0")
    stop += ("--trainer.callbacks.mode", "max")
    assert fit("scarlet.yaml", run_dir, *every, *stop) == 0
    rounds = len(read_rounds(run_dir / "rounds.csv"))
    assert rounds < 4
    assert [path.name for path in checkpoints(run_dir)] == [checkpoint_name(rounds)]


@pytest.mark.slow
def test_rows_that_were_cut_short_are_written_again(tmp_path: Path, finished: Finished) -> None:
    run_dir = tmp_path / "run"
    finished(run_dir, 4)
    table = run_dir / "rounds.csv"
    table.write_text(table.read_text() + "1,")
    assert fit("scarlet.yaml", run_dir, "--trainer.max_rounds", "5", "--resume", "--resume_override") == 0
    check_whole(run_dir, 5)
