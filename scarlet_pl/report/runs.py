"""A run's folder, read for a comparison and checked on the way. Imports no torch."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from scarlet_pl.errors import ConfigError
from scarlet_pl.run_files import CONFIG, HOW_IT_RUNS, HOW_IT_STARTS, ROUNDS, SUMMARY, read_rounds, summarise
from scarlet_pl.yaml_files import read_yaml

SEED = "seed_everything"

_NOT_OF_A_METHOD = (
    SEED,
    *HOW_IT_STARTS,
    *("federation.store", "data.root", "trainer.default_root_dir", "trainer.profiler"),  # change no result
    *HOW_IT_RUNS,
)
_IN_EVERY_ROUND = ("round", "bytes/cumulative", "bytes/up", "bytes/down")
_NEEDED = (*_IN_EVERY_ROUND, "server/accuracy", "client/accuracy")
_ALL_READ = (
    *_NEEDED,
    "bytes/",
    "paper_bytes/",
    "shannon_bytes/",
    "no_cache_",
    "cache/",
    "seconds",
    "time/",
)  # beginnings

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Run:
    """One run.

    Attributes:
        folder: where it lies, as it was given.
        name: what it is called.
        seed: `seed_everything`.
        settings: its configuration by dotted name, without the seed and without what changes no result.
        rows: the numbers of each round by column of rounds.csv; where a round has none, there is no key.
        summary: what they came to, as `summarise` says; `without_cache`: "exact" or "estimated", where it is known what
            would have been sent without a cache.
        digest: of the final state; None if the run was cut short.
        commit: of scarlet_pl, when it ended; empty if it was cut short.
        versions: of the software it ran with, by name; of a run that was cut short nothing.
    """

    folder: Path
    name: str
    seed: Any
    settings: dict[str, Any]
    rows: list[dict[str, float]]
    summary: dict[str, Any]
    digest: str | None
    commit: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def configuration(self) -> tuple[tuple[str, str], ...]:
        """Equal for runs that differ at most in their seed. What is null counts as not there: a later version may have
        added it."""
        return tuple(sorted((name, repr(value)) for name, value in self.settings.items() if value is not None))

    def series(self, column: str) -> dict[int, float]:
        """A column of rounds.csv by round, counted from 1, where it has a value."""
        return {int(row["round"]) + 1: row[column] for row in self.rows if column in row}

    @property
    def timed(self) -> bool:
        """Whether it has simulated time."""
        return any("time/total" in row for row in self.rows)

    def megabytes_to(self, target: float) -> float | None:
        """10⁶ bytes sent by all, up and down, when the server's accuracy first was `target`; None if it never was,
        or where nothing is ever sent."""
        sent = reached(self.series("bytes/cumulative"), self.series("server/accuracy"), target)
        return sent / 1e6 if sent else None

    def seconds_to(self, target: float) -> float | None:
        """Simulated seconds until the server's accuracy first was `target`; None if it never was."""
        return reached(self.series("time/total"), self.series("server/accuracy"), target)


def reached(so_far: Mapping[int, float], accuracy: Mapping[int, float], target: float) -> float | None:
    """What had come together by the first round whose accuracy is at least `target`; None if there is no such round.
    A difference of 1e-7 is taken for the rounding of a target that was computed, or of an accuracy in float32.

    Args:
        so_far, accuracy: by round, in their order.
    """
    return next((so_far.get(round) for round, value in accuracy.items() if value >= target - 1e-7), None)


def read_run(folder: Path) -> Run:
    """Read a run's folder. summary.json may be missing: a run that was cut short has none.

    Raises:
        ConfigError: it is no run's folder, or a file in it is damaged; names the file and what is wrong.
    """
    inner = next(iter(sorted(folder.glob(f"*/{CONFIG}"))), None)
    if inner is not None and not (folder / CONFIG).exists():
        raise ConfigError("RUN", str(folder), f"the folder of a run, such as {str(inner.parent)!r}")
    config = _read(folder, CONFIG, _config)
    rows = _read(folder, ROUNDS, _rounds)
    end = _read(folder, SUMMARY, _summary) if (folder / SUMMARY).exists() else {}
    numbers = [{name: float(cell) for name, cell in row.items() if cell} for row in rows]
    finished = end.get("rounds") == len(rows)  # else it was resumed and cut short
    name = " ".join(str(config.get("name") or folder.resolve().name).split())
    end = end if finished else {}
    known, versions = summarise(rows), end.get("versions")
    if isinstance(end.get("without_cache"), str):
        known["without_cache"] = end["without_cache"]
    versions = {str(key): str(each) for key, each in versions.items()} if isinstance(versions, dict) else {}
    ended = (end.get("digest"), str(end.get("commit", "")), versions)
    return Run(folder, name, config.get(SEED), telling(config), numbers, known, *ended)


def changes_results(name: str) -> bool:
    """Whether runs that differ in this setting, by dotted name, are of different configurations; the seed is apart."""
    return not _is_in(name, _NOT_OF_A_METHOD)


def telling(config: dict[str, Any]) -> dict[str, Any]:
    """A run's settings by dotted name, without the seed and without what changes no result."""
    return {key: value for key, value in dotted(config).items() if changes_results(key)}


def dotted(value: Any, name: str = "") -> dict[str, Any]:
    """Nested settings by dotted name; `init_args` is left out of the names."""
    if not isinstance(value, dict):
        return {name: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= dotted(inner, name if key in ("init_args", "dict_kwargs") else f"{name}.{key}".lstrip("."))
    return found


def _is_in(name: str, groups: tuple[str, ...]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in groups)


def _read(folder: Path, file: str, reader: Callable[[Path], _T]) -> _T:
    try:
        return reader(folder / file)
    except OSError as error:
        wrong = error.strerror or str(error)
    except (ValueError, csv.Error, RecursionError) as error:
        wrong = " ".join(str(error).split())
    raise ConfigError("RUN", str(folder), f"the folder of a run ({file}: {wrong})")


def _config(path: Path) -> dict[str, Any]:
    config = read_yaml(path)
    if not isinstance(config, dict):
        raise ValueError("is no mapping of settings")
    return config


def _summary(path: Path) -> dict[str, Any]:
    summary = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(summary, dict):
        raise ValueError("is no JSON object")
    return summary


def _rounds(path: Path) -> list[dict[str, str]]:
    """The columns that are read, as text that is known to be numbers."""
    rows = read_rounds(path)
    if not rows:
        raise ValueError("has no finished round")
    missing = [name for name in _NEEDED if name not in rows[0]]
    if missing:
        raise ValueError(f"has no column {', '.join(missing)}")
    read = [{name: cell for name, cell in row.items() if name.startswith(_ALL_READ)} for row in rows]
    for number, row in enumerate(read):
        _check_numbers(row, number)
    return read


def _check_numbers(row: dict[str, str], number: int) -> None:
    for name, cell in row.items():
        if (cell or name in _IN_EVERY_ROUND) and not (cell and isfinite(float(cell))):
            raise ValueError(f"{name} of round {number} is {cell[:40]!r}, not a finite number")
