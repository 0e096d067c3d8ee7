"""Where a run lies."""

from __future__ import annotations

import fcntl
import os
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from scarlet_pl.checkpoint import newest_verified, replace
from scarlet_pl.errors import ConfigError
from scarlet_pl.run_files import CONFIG, HOW_IT_RUNS, ROUNDS

LOGS = Path("logs")

_NOT_SETTINGS = {"name", "run_dir", "ckpt_path", "resume", "resume_override"}
_MAY_CHANGE = ("trainer.max_rounds", "trainer.eval_clients_every_n_rounds", *HOW_IT_RUNS)


_locks: list[int] = []


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


def config_changes(saved: Any, now: Any, name: str = "") -> dict[str, tuple[Any, Any]]:
    """The settings that differ, by dotted name: (saved, now). What a run is called and how it is started is not one."""
    if isinstance(saved, dict) and isinstance(now, dict):
        changes: dict[str, tuple[Any, Any]] = {}
        for key in sorted({*saved, *now} - (_NOT_SETTINGS if not name else set())):
            changes |= config_changes(saved.get(key), now.get(key), f"{name}.{key}" if name else key)
        return changes
    return {} if saved == now else {name.replace(".init_args", ""): (saved, now)}


def check_resume(run_dir: str | None, now: dict[str, Any], override: bool) -> Path:
    """The folder of the run to go on with.

    Raises:
        ConfigError: none is named, it holds no run, or the configuration is another: field by field.
    """
    if run_dir is None or not (Path(run_dir) / CONFIG).is_file():
        raise ConfigError("run_dir", run_dir, "the folder of a run to resume, with its config.yaml")
    changes = config_changes(read_config(Path(run_dir)), now)
    may = [name for name in changes if name.startswith(_MAY_CHANGE)]
    if override:
        changes = {name: change for name, change in changes.items() if name not in may}
    if changes:
        said = "; ".join(f"{name} {old!r} -> {new!r}" for name, (old, new) in changes.items())
        but = f"; with --resume_override {', '.join(may)} may be another" if may and not override else ""
        raise ConfigError("resume", said, f"the configuration of the run{but}")
    return Path(run_dir)


def read_config(run_dir: Path) -> dict[str, Any]:
    """A run's `config.yaml`, as plain values.

    Raises:
        ConfigError: it is no YAML mapping.
    """
    try:
        settings = yaml.safe_load((run_dir / CONFIG).read_text())
    except (yaml.YAMLError, UnicodeDecodeError):
        settings = None
    if not isinstance(settings, dict):
        raise ConfigError("run_dir", str(run_dir), f"the folder of a run whose {CONFIG} is whole")
    return settings


def save_config(run_dir: Path, settings: dict[str, Any]) -> None:
    """Write a run's `config.yaml`; not again if it is there already."""
    path, text = run_dir / CONFIG, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    if not path.exists() or path.read_text() != text:
        replace(path, lambda file: file.write(text.encode()))


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


def with_config_of_run(arguments: list[str]) -> list[str]:
    """`validate` and `test` with `--run_dir DIR` read the run's configuration and its newest checkpoint."""
    if not arguments or arguments[0] not in ("validate", "test"):
        return arguments
    command, *rest = arguments
    folder = next((rest[i + 1] for i, flag in enumerate(rest[:-1]) if flag == "--run_dir"), None)
    folder = next((flag.partition("=")[2] for flag in rest if flag.startswith("--run_dir=")), folder)
    if folder is None:
        return arguments
    newest = newest_verified(Path(folder))
    if not (Path(folder) / CONFIG).is_file() or newest is None:
        raise ConfigError("run_dir", folder, "the folder of a run with config.yaml and checkpoints")
    given = [] if any(flag.startswith("--ckpt_path") for flag in rest) else ["--ckpt_path", str(newest)]
    return [command, "--config", str(Path(folder) / CONFIG), *given, *rest]


def lock(run_dir: Path) -> None:
    """Keep other processes from going on with the run, until `unlock` or this one's end.

    Raises:
        ConfigError: another one has done so.
    """
    descriptor = os.open(run_dir, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError("run_dir", str(run_dir), "a folder whose run no other process goes on with") from None
    except OSError:
        pass  # a file system without locks
    _locks.append(descriptor)


def unlock() -> None:
    """Take back all locks."""
    while _locks:
        os.close(_locks.pop())


def _make(folder: Path, exist_ok: bool) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
    except FileExistsError:
        raise
    except OSError as error:
        raise ConfigError("run_dir", str(folder), f"a folder that can be written ({error.strerror})") from error
    return folder
