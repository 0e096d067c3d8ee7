"""Where a run lies."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from scarlet_pl.errors import ConfigError
from scarlet_pl.run_files import CONFIG, ROUNDS

LOGS = Path("logs")


def check_run_dir(run_dir: str | None, name: str) -> None:
    """Raise `ConfigError` if the run's folder holds a run already or could not be made. Makes nothing."""
    folder = LOGS / name if run_dir is None else Path(run_dir)
    if run_dir is not None and ((folder / CONFIG).exists() or (folder / ROUNDS).exists()):
        raise ConfigError("run_dir", run_dir, "a folder that holds no run yet")
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError("run_dir", str(folder), f"a folder that can be written ({existing} cannot)")


def make_run_dir(run_dir: str | None, name: str) -> Path:
    """Make the run's folder: `run_dir`, or the next free logs/NAME/version_N."""
    if run_dir is not None:
        return _make(Path(run_dir), exist_ok=True)
    for version in count():
        try:
            return _make(LOGS / name / f"version_{version}", exist_ok=False)
        except FileExistsError:
            continue  # another run may be taking it at the same time
    raise AssertionError  # pragma: no cover


def _make(folder: Path, exist_ok: bool) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
    except FileExistsError:
        raise
    except OSError as error:
        raise ConfigError("run_dir", str(folder), f"a folder that can be written ({error.strerror})") from error
    return folder
