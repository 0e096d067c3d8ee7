"""Checkpoints that are cut short, changed or malicious, or for which the disk has no space."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
from pathlib import Path

import pytest
import torch

from scarlet_pl.checkpoint import OF_A_RUN, AtomicCheckpointIO, DamagedCheckpointError, newest_verified, verified
from scarlet_pl.run_files import checkpoint_name, checkpoints

from ..run_folders import Capture
from .conftest import Finished
from .runs import check_whole, command, digest, fit


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
    state = {"w": torch.arange(3000.0), "n": 3, "s": {"a": [1, 2.5, "x", None]}}
    AtomicCheckpointIO().save_checkpoint({**{key: {} for key in OF_A_RUN}, **state}, path)
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
    run_dir, flags = tmp_path / "run", ("--federation.store", store)
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
    tmp_path: Path, finished: Finished, capsys: Capture
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
def test_states_on_disk_that_are_damaged_take_the_checkpoint_before(tmp_path: Path, finished: Finished) -> None:
    flags, run_dir = ("--federation.store", "disk"), tmp_path / "run"
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
