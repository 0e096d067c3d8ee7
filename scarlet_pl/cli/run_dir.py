"""Where a run lies."""

from __future__ import annotations

import os
import warnings
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import yaml

from scarlet_pl.checkpoint import newest_verified
from scarlet_pl.cli.trust import check_trusted
from scarlet_pl.errors import ConfigError, require
from scarlet_pl.printable import printable
from scarlet_pl.run_files import (
    CONFIG,
    FLOWER,
    HOW_IT_RUNS,
    HOW_IT_STARTS,
    ROUNDS,
    checkpoints,
    is_file,
    read_rounds,
    replace,
    rounds_done,
)
from scarlet_pl.yaml_files import read_yaml

LOGS = Path("logs")

_LONGEST = 200
_MAY_CHANGE = ("trainer.max_rounds", "trainer.eval_clients_every_n_rounds", "data.root", *HOW_IT_RUNS)


def check_run_dir(run_dir: str | None, name: str) -> None:
    """Raise `ConfigError` if the run's folder holds anything already or could not be made. Makes nothing."""
    ok = name not in ("", ".", "..") and "/" not in name and name.isprintable() and len(name.encode()) <= _LONGEST
    require(ok, "name", name, f"a folder's name, without a slash, of at most {_LONGEST} bytes")
    require(run_dir is None or run_dir.strip() != "", "run_dir", run_dir, "a folder")
    folder = LOGS / name if run_dir is None else Path(run_dir)
    try:
        existing = folder.absolute()
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        held = {path.name for path in folder.iterdir()} if run_dir is not None and folder.is_dir() else set()
    except OSError as error:
        raise ConfigError("run_dir", str(folder), f"a folder that can be made ({error.strerror})") from error
    if held & {CONFIG, ROUNDS}:
        raise ConfigError(
            "run_dir", run_dir, "a folder that holds no run yet; --resume goes on with the one that is there"
        )
    # of a run that was killed before it began, and of the SuperLink that starts one
    held = {each for each in held if not each.endswith(".tmp") and each != FLOWER}
    require(not held, "run_dir", run_dir, f"a new or an empty folder (it holds {', '.join(sorted(held)[:3])})")
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError("run_dir", str(folder), f"a folder that can be written ({existing} cannot)")


def name_from(text: str) -> str:
    """A name for a run that `check_run_dir` lets pass."""
    return printable(text).replace("/", "_").encode()[:_LONGEST].decode(errors="ignore")


def config_changes(saved: Any, now: Any, name: str = "") -> dict[str, tuple[Any, Any]]:
    """The settings that differ, by dotted name: (saved, now). What a run is called and how it is started is not one."""
    if isinstance(saved, dict) and isinstance(now, dict):
        changes: dict[str, tuple[Any, Any]] = {}
        for key in sorted({*saved, *now} - (set(HOW_IT_STARTS) if not name else set())):
            changes |= config_changes(saved.get(key), now.get(key), f"{name}.{key}" if name else key)
        return changes
    return {} if saved == now else {name.replace(".init_args", ""): (saved, now)}


def check_resume(run_dir: str | None, now: dict[str, Any], override: bool) -> Path:
    """The folder of the run to go on with.

    Raises:
        ConfigError: none is named, it holds no run, or the configuration is another: field by field.
    """
    if not run_dir or not is_file(Path(run_dir) / CONFIG):
        raise ConfigError("run_dir", run_dir, "the folder of a run to resume, with its config.yaml")
    check_table(Path(run_dir))
    changes = config_changes(read_config(Path(run_dir)), now)
    may = [name for name in changes if name.startswith(_MAY_CHANGE)]
    if override:
        changes = {name: change for name, change in changes.items() if name not in may}
    if changes:
        said = "; ".join(f"{name} {old!r} -> {new!r}" for name, (old, new) in changes.items())
        but = f"; with --resume_override {', '.join(may)} may be another" if may and not override else ""
        raise ConfigError("resume", said, f"the configuration of the run{but}")
    return Path(run_dir)


def check_table(run_dir: Path) -> None:
    """Raise `ConfigError` if a row of a run's `rounds.csv` is damaged or missing; those that come after the newest
    checkpoint are written again."""
    try:
        there = len(read_rounds(run_dir / ROUNDS)) if (run_dir / ROUNDS).exists() else 0
        done = max(map(rounds_done, checkpoints(run_dir)), default=0)
        wrong = f"it has {there} of the {done} rounds that are done" if there < done else ""
    except ValueError as error:
        wrong = str(error)
    require(not wrong, "run_dir", str(run_dir), f"the folder of a run whose {ROUNDS} is whole ({wrong})")


def read_config(run_dir: Path) -> dict[str, Any]:
    """A run's `config.yaml`, as plain values.

    Raises:
        ConfigError: it is no YAML mapping.
    """
    try:
        settings = read_yaml(run_dir / CONFIG)
        reason = "" if isinstance(settings, dict) else "no mapping"
    except (ValueError, OSError) as error:
        reason = str(error)
    if reason:
        raise ConfigError("run_dir", str(run_dir), f"the folder of a run whose {CONFIG} is whole ({reason})")
    return dict(settings)


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
    """The arguments, with the configuration of the run that `--run_dir` names: `validate` and `test` read it and its
    newest checkpoint, `fit --resume` reads it where no `--config` is given.

    Raises:
        ConfigError: it holds no such run, or its configuration names code that is not trusted.
    """
    command, *rest = arguments or [""]
    folder = _value_of("--run_dir", rest)
    if not folder or not (command in ("validate", "test") or (command == "fit" and "--resume" in rest)):
        return arguments
    run_dir = Path(folder)
    if not is_file(run_dir / CONFIG):
        use = "to resume, with its config.yaml" if command == "fit" else "with config.yaml and checkpoints"
        raise ConfigError("run_dir", folder, f"the folder of a run {use}")
    settings = read_config(run_dir)
    if "--trust_code" not in rest:
        check_trusted(run_dir, settings)
    if command == "fit":
        return arguments if _value_of("--config", rest) else [command, "--config", str(run_dir / CONFIG), *rest]
    given = [] if _value_of("--ckpt_path", rest) else ["--ckpt_path", str(checkpoint_to_use(run_dir))]
    return [command, "--config", str(run_dir / CONFIG), *given, *rest]


def checkpoint_to_use(run_dir: Path) -> Path:
    """A run's newest whole checkpoint.

    Raises:
        ConfigError: it has none.
    """
    with warnings.catch_warnings(record=True) as skipped:
        warnings.simplefilter("always")
        newest = newest_verified(run_dir)
    if newest is None:
        why = f" ({'; '.join(str(warning.message) for warning in skipped)})" if skipped else ""
        allowed = f"the folder of a run with a checkpoint that is whole{why}; start again in another folder"
        raise ConfigError("run_dir", str(run_dir), allowed)
    for warning in skipped:
        warnings.warn(warning.message, stacklevel=2)
    return newest


def _value_of(flag: str, arguments: list[str]) -> str | None:
    """The last value of a flag on the command line."""
    found = [after for given, after in pairwise(arguments) if given == flag]
    found += [each.partition("=")[2] for each in arguments if each.startswith(f"{flag}=")]
    return found[-1] if found else None


def _make(folder: Path, exist_ok: bool) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
    except FileExistsError:
        raise
    except OSError as error:
        raise ConfigError("run_dir", str(folder), f"a folder that can be written ({error.strerror})") from error
    return folder
