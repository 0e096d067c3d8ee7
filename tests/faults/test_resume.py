"""Runs that are killed, stopped, or find their checkpoints damaged."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from scarlet_pl.checkpoint import AtomicCheckpointIO, DamagedCheckpointError, newest_verified, verified
from scarlet_pl.cli.run_dir import lock, unlock
from scarlet_pl.loop import FederatedCallback
from scarlet_pl.record import RoundRecord
from scarlet_pl.run_files import checkpoint_name, checkpoints, read_rounds

from ..test_cli import scarlet_pl
from .runs import TWO_RANKS, check_whole, command, digest, fit, start, wait_for_rounds

Finished = Callable[..., None]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Copies the folder of a run after so many rounds, with these flags; each is run once."""

    @cache
    def run(rounds: int, *flags: str) -> Path:
        folder = tmp_path_factory.mktemp("finished") / "run"
        assert fit("scarlet.yaml", folder, "--trainer.max_rounds", str(rounds), *flags) == 0
        return folder

    def copy(to: Path, rounds: int, *flags: str) -> None:
        shutil.copytree(run(rounds, *flags), to)

    return copy


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
        executor += ("--client.store", ("memory", "disk")[number // 4 % 2])
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
        pytest.param("Processes", signal.SIGINT, marks=pytest.mark.full),
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


@pytest.mark.slow
def test_another_configuration_is_refused_field_by_field(
    tmp_path: Path, finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
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


def test_a_damaged_checkpoint_is_skipped(tmp_path: Path, finished: Finished) -> None:
    run_dir = tmp_path / "run"
    finished(run_dir, 8)
    whole = digest(run_dir)
    (run_dir / "summary.json").unlink()
    newest = checkpoints(run_dir)[-1]
    newest.write_bytes(newest.read_bytes()[:-1000])
    with pytest.warns(UserWarning, match="damaged"):
        assert fit("scarlet.yaml", run_dir, "--resume") == 0
    assert digest(run_dir) == whole


def save(folder: Path) -> Path:
    path = folder / "checkpoints" / checkpoint_name(1)
    AtomicCheckpointIO().save_checkpoint({"w": torch.arange(3000.0), "n": 3, "s": {"a": [1, 2.5, "x", None]}}, path)
    return path


def test_truncations_and_bit_flips_never_load_silently(tmp_path: Path, full: bool) -> None:
    """1,000 of each with --full."""
    path = save(tmp_path)
    whole, draws = path.read_bytes(), random.Random(0)
    assert AtomicCheckpointIO().load_checkpoint(path)["n"] == 3
    for _ in range(1000 if full else 50):
        flipped = bytearray(whole)
        flipped[draws.randrange(len(whole))] ^= 1 << draws.randrange(8)
        for damaged in (whole[: draws.randrange(len(whole))], bytes(flipped)):
            path.write_bytes(damaged)
            assert not verified(path)
            with pytest.raises(DamagedCheckpointError):
                AtomicCheckpointIO().load_checkpoint(path)
    path.write_bytes(whole)
    assert AtomicCheckpointIO().load_checkpoint(path)["n"] == 3


def test_a_malicious_checkpoint_is_not_executed(tmp_path: Path) -> None:
    """Even one whose hash fits."""
    marker = tmp_path / "marker"

    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {marker}",)

    path = tmp_path / "checkpoints" / checkpoint_name(1)
    AtomicCheckpointIO().save_checkpoint({"x": Malicious()}, path)
    with pytest.raises(DamagedCheckpointError, match="more than tensors and plain values"):
        AtomicCheckpointIO().load_checkpoint(path)
    assert not marker.exists()


KILLED_WHILE_SAVING = """
import sys, torch
from pathlib import Path
from scarlet_pl.checkpoint import AtomicCheckpointIO
from scarlet_pl.run_files import checkpoint_name, checkpoints
folder, io, n = Path(sys.argv[1]), AtomicCheckpointIO(), int(sys.argv[2])
while True:
    n += 1
    io.save_checkpoint({"n": n, "w": torch.full((200_000,), float(n))}, folder / "checkpoints" / checkpoint_name(n))
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


def test_a_full_disk_names_the_path_and_keeps_what_was_there(tmp_path: Path) -> None:
    """By a limit on the size of files."""
    path = save(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"round_000002\.ckpt could not be written"):
            AtomicCheckpointIO().save_checkpoint({"w": torch.zeros(10**6)}, path.with_name(checkpoint_name(2)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert newest_verified(tmp_path) == path
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, path.name + ".sha256"]


@pytest.mark.full
@pytest.mark.parametrize("store", ["memory", "disk"])
def test_a_run_on_a_full_disk_goes_on_when_there_is_space(store: str, tmp_path: Path, finished: Finished) -> None:
    """As a user meets it."""
    run_dir, flags = tmp_path / "run", ("--client.store", store)
    finished(tmp_path / "whole", 8, *flags)
    assert fit("scarlet.yaml", run_dir, *flags, "--trainer.max_rounds", "3") == 0
    newest = newest_verified(run_dir)
    assert newest is not None
    full = subprocess.run(
        command("scarlet.yaml", run_dir, *flags, "--resume", "--resume_override"),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (newest.stat().st_size // 2,) * 2),
    )
    assert full.returncode == 1
    said = full.stderr.strip().splitlines()
    assert len(said) == 1, full.stderr
    assert str(run_dir) in said[0]
    assert "could not be written: " in said[0]
    assert newest_verified(run_dir) == newest
    assert fit("scarlet.yaml", run_dir, *flags, "--resume", "--resume_override") == 0
    assert digest(run_dir) == digest(tmp_path / "whole")
    check_whole(run_dir)


def test_a_run_that_was_killed_after_its_last_round_gets_its_summary(tmp_path: Path, finished: Finished) -> None:
    run_dir = tmp_path / "run"
    finished(run_dir, 8)
    before = (run_dir / "summary.json").read_text()
    (run_dir / "summary.json").unlink()
    assert fit("scarlet.yaml", run_dir, "--resume") == 0
    assert (run_dir / "summary.json").read_text() == before
    check_whole(run_dir)


def test_a_damaged_checkpoint_does_not_push_out_a_good_one(tmp_path: Path, finished: Finished) -> None:
    run_dir = tmp_path / "run"
    finished(run_dir, 4)
    newest = checkpoints(run_dir)[-1]
    newest.write_bytes(newest.read_bytes()[:-9])
    (run_dir / "checkpoints/.left.tmp").write_bytes(b"of a run that was killed while it saved")
    with pytest.warns(UserWarning, match="damaged"):
        assert fit("scarlet.yaml", run_dir, "--trainer.max_rounds", "4", "--resume") == 0
    assert [path.name for path in checkpoints(run_dir)] == [checkpoint_name(3), checkpoint_name(4)]
    assert newest_verified(run_dir) == checkpoints(run_dir)[-1]
    assert not (run_dir / "checkpoints/.left.tmp").exists()


def test_a_run_without_a_whole_checkpoint_is_refused_and_left_alone(
    tmp_path: Path, finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not started over: whoever resumes has rounds to lose."""
    run_dir = tmp_path / "run"
    finished(run_dir, 2)
    for path in checkpoints(run_dir):
        path.write_bytes(path.read_bytes()[:-9])
    before = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert fit("scarlet.yaml", run_dir, "--trainer.max_rounds", "2", "--resume") == 2
    said = capsys.readouterr().err.strip()
    assert f"run_dir: got '{run_dir}', allowed: the folder of a run with a checkpoint that is whole" in said
    assert "start again in another folder" in said
    assert len(said.splitlines()) == 1
    assert {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()} == before


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
    ],
)
def test_a_damaged_row_is_said_before_anything_changes(
    damage: Callable[[bytes], bytes],
    said: str,
    tmp_path: Path,
    finished: Finished,
    capsys: pytest.CaptureFixture[str],
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
def test_states_on_disk_that_are_damaged_take_the_checkpoint_before(tmp_path: Path, finished: Finished) -> None:
    flags, run_dir = ("--client.store", "disk"), tmp_path / "run"
    finished(run_dir, 8, *flags)
    whole = digest(run_dir)
    (run_dir / "summary.json").unlink()
    newest = AtomicCheckpointIO().load_checkpoint(checkpoints(run_dir)[-1])["federation"]["clients"]["states"][0]
    only = sorted(set(newest["slots"].tolist()) - set(newest["kept"][-2].tolist()))
    (file,) = (run_dir / "clients").iterdir()
    data = bytearray(file.read_bytes())
    data[only[0] * (len(data) // (1 + int(max(map(max, newest["kept"]))))) + 5] ^= 4
    file.write_bytes(data)
    with pytest.warns(UserWarning, match="damaged"):
        assert fit("scarlet.yaml", run_dir, *flags, "--resume") == 0
    assert digest(run_dir) == whole


@pytest.mark.slow
@pytest.mark.parametrize("store", [pytest.param("memory", marks=pytest.mark.full), "disk"])
def test_a_runs_folder_is_tested_and_its_configuration_taken_back(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir, more = tmp_path / "run", ("--resume", "--resume_override", "--trainer.max_rounds", "4")
    assert fit("scarlet.yaml", run_dir, "--client.store", store, "--trainer.max_rounds", "2") == 0
    assert fit("scarlet.yaml", run_dir, "--client.store", store, *more) == 0
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
    left: str, tmp_path: Path, finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    finished(tmp_path / "run", 2)
    (tmp_path / "run/config.yaml").write_text(left)
    capsys.readouterr()
    assert fit("scarlet.yaml", tmp_path / "run", "--trainer.max_rounds", "2", "--resume") == 2
    said = capsys.readouterr().err.strip()
    assert "config.yaml is whole" in said
    assert len(said.splitlines()) == 1


def test_fewer_rounds_than_are_done_are_refused(
    tmp_path: Path, finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
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
def test_one_process_at_a_time_goes_on_with_a_run(
    tmp_path: Path, finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
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
