"""Checkpoints that are whole or not there: written beside their place, synced, then moved into it, then vouched for.

Lightning writes through the system's temporary folder and does not sync, so a crash can leave half a file; and torch
checks no sums, so a flipped bit loads as another weight. Here a file NAME.sha256 beside the checkpoint holds its hash.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from scarlet_pl.client import DiskStore
from scarlet_pl.run_files import CLIENTS, checkpoints, replace

OF_A_RUN = {"state_dict", "federation", "pytorch-lightning_version"}
"""What a checkpoint of a run holds, among others."""


class DamagedCheckpointError(ValueError):
    """A checkpoint that is not what was saved."""


class AtomicCheckpointIO(CheckpointIO):
    """Tensors and plain values only: everything is loaded with `weights_only=True`."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Temporary file in the target's folder → fsync → replace → fsync of the folder; then the same for its hash.

        Raises:
            OSError: it could not be written; names the path. What was there before is untouched.
        """
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        replace(target, lambda file: torch.save(checkpoint, file))
        replace(manifest(target), lambda file: file.write(_sha256(target).encode()))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """The checkpoint at `path`, on the CPU unless said otherwise.

        Raises:
            DamagedCheckpointError: it is not what was saved, or nothing says what was.
        """
        if not verified(Path(path)):
            raise DamagedCheckpointError(f"{path} is damaged, or its {manifest(Path(path)).name} is missing")
        return _load(Path(path), map_location or "cpu")

    def remove_checkpoint(self, path: Any) -> None:
        """Delete it, if it is there."""
        Path(path).unlink(missing_ok=True)
        manifest(Path(path)).unlink(missing_ok=True)


def manifest(checkpoint: Path) -> Path:
    """The file that holds a checkpoint's SHA-256."""
    return checkpoint.with_name(checkpoint.name + ".sha256")


def verified(checkpoint: Path) -> bool:
    """Whether a checkpoint is what was saved."""
    try:
        return manifest(checkpoint).read_bytes() == _sha256(checkpoint).encode()
    except OSError:
        return False


def _load(path: Path, map_location: Any) -> dict[str, Any]:
    try:
        loaded = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:  # whatever torch says of a file that it does not want
        raise DamagedCheckpointError(f"{path} holds more than tensors and plain values, or less") from error
    if not isinstance(loaded, dict):
        raise DamagedCheckpointError(f"{path} is no checkpoint")
    return loaded


def newest_verified(run_dir: Path) -> Path | None:
    """A run's newest checkpoint that is whole; damaged ones are skipped with a warning. None if there is none."""
    for checkpoint in reversed(checkpoints(run_dir)):
        if not verified(checkpoint):
            warnings.warn(f"{checkpoint} is damaged or was not finished: skipped", stacklevel=2)
            continue
        try:
            saved = _load(checkpoint, "cpu")
        except DamagedCheckpointError as error:
            warnings.warn(f"{error}: skipped", stacklevel=2)
            continue
        if not saved.keys() >= OF_A_RUN:
            warnings.warn(f"{checkpoint} is no checkpoint of a run: skipped", stacklevel=2)
            continue
        if _rows_are_whole(saved, Path(run_dir) / CLIENTS):
            return checkpoint
        where = Path(run_dir) / CLIENTS
        warnings.warn(f"{checkpoint} skipped: states in {where} are damaged or missing", stacklevel=2)
    return None


def _rows_are_whole(checkpoint: dict[str, Any], folder: Path) -> bool:
    """Whether the clients' states are there that a checkpoint refers to, if it does."""
    try:
        saved = checkpoint.get("federation", {}).get("clients", {}).get("states", {})
        if any("slots" in states for states in saved.values()):
            DiskStore(len(saved), folder, read_only=True).load_state_dict(saved)
    except (OSError, LookupError, TypeError, ValueError, RuntimeError, AttributeError):  # or it is no such checkpoint
        return False
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
