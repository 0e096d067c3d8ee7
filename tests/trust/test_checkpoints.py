"""A stranger's checkpoint runs nothing, and one that does not fit is one line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from scarlet_pl.checkpoint import AtomicCheckpointIO
from scarlet_pl.run_files import checkpoints

from ..run_folders import Capture
from .conftest import copied, refused


@pytest.mark.parametrize("command", ["test", "fit"])
def test_a_checkpoint_with_a_pickle_and_a_hash_that_fits_is_refused(
    command: str, finished: Path, somewhere: Path, capsys: Capture
) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("touch pwned",)

    run_dir = copied(finished, somewhere / "run", lambda settings: None)
    (checkpoint,) = checkpoints(run_dir)
    torch.save({"state_dict": {}, "x": Malicious()}, checkpoint)
    hashed = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    checkpoint.with_name(f"{checkpoint.name}.sha256").write_text(hashed)
    said = refused(capsys, command, "--run_dir", str(run_dir), *(["--resume"] if command == "fit" else []))
    assert "holds more than tensors and plain values" in said
    config = ("--config", str(run_dir / "config.yaml"))
    said = refused(capsys, "test", *config, "--ckpt_path", str(checkpoint))
    assert "ckpt_path: " in said
    assert not list(somewhere.rglob("pwned"))


def some_text(path: Path) -> None:
    path.write_text("hello")


def some_tensors(path: Path) -> None:
    AtomicCheckpointIO().save_checkpoint({"w": torch.zeros(3)}, path)


def another_network(path: Path) -> None:
    (checkpoint,) = checkpoints(path.parent)
    other = AtomicCheckpointIO().load_checkpoint(checkpoint)
    other["state_dict"] = {name: torch.zeros(7, 7) for name in other["state_dict"]}
    AtomicCheckpointIO().save_checkpoint(other, path)


def clients_in_a_list(path: Path) -> None:
    (checkpoint,) = checkpoints(path.parent if path.name == "other.ckpt" else path.parents[1])
    other = AtomicCheckpointIO().load_checkpoint(checkpoint)
    other["federation"]["clients"] = [1, 2]
    AtomicCheckpointIO().save_checkpoint(other, path)


def other_clients(path: Path) -> None:
    (checkpoint,) = checkpoints(path.parent)
    other = AtomicCheckpointIO().load_checkpoint(checkpoint)
    other["federation"]["method"] = {"weights": {}}
    AtomicCheckpointIO().save_checkpoint(other, path)


@pytest.mark.slow
@pytest.mark.parametrize("write", [some_text, some_tensors, another_network, clients_in_a_list, other_clients])
def test_a_foreign_checkpoint_is_one_line(
    write: Callable[[Path], None], finished: Path, somewhere: Path, capsys: Capture
) -> None:
    run_dir = copied(finished, somewhere / "run", lambda settings: None)
    write(run_dir / "other.ckpt")
    said = refused(capsys, "test", "--config", str(run_dir / "config.yaml"), "--ckpt_path", str(run_dir / "other.ckpt"))
    assert said.startswith("scarlet-pl: ckpt_path: ")
    assert str(run_dir / "other.ckpt") in said


@pytest.mark.slow
def test_a_run_whose_checkpoint_is_of_another_shape_is_one_line(
    finished: Path, somewhere: Path, capsys: Capture
) -> None:
    run_dir = copied(finished, somewhere / "run", lambda settings: None)
    clients_in_a_list(checkpoints(run_dir)[0].with_name("other"))
    for suffix in ("", ".sha256"):
        os.replace(run_dir / f"checkpoints/other{suffix}", f"{checkpoints(run_dir)[0]}{suffix}")
    assert "the folder of a run with a checkpoint that is whole" in refused(capsys, "test", "--run_dir", str(run_dir))
