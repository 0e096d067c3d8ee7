"""The folder of a sweep: a run's folder for each cell, found by its configuration. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scarlet_pl.errors import ConfigError
from scarlet_pl.report.runs import SEED, Run, read_run, telling
from scarlet_pl.run_files import CONFIG, ROUNDS, checkpoints, read_rounds
from scarlet_pl.yaml_files import read_yaml

RUNS = "runs"

Settings = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a cell's run is, or will be."""

    folder: Path

    @property
    def log(self) -> Path:
        """What the run prints."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def begun(self) -> bool:
        """Whether there is a run, whatever became of it."""
        return (self.folder / CONFIG).exists()

    @property
    def resumable(self) -> bool:
        """Whether a round of it was saved."""
        return bool(checkpoints(self.folder))

    @property
    def finished(self) -> Run | None:
        """The run, once all its rounds are done."""
        try:
            run = read_run(self.folder)
        except ConfigError:
            return None  # not a round is done, or a file is damaged: a resumed run looks again
        return None if run.digest is None else run

    @property
    def rounds(self) -> int:
        """How many are done."""
        try:
            return len(read_rounds(self.folder / ROUNDS))
        except (OSError, ValueError):
            return 0


def places(out: Path, cells: Iterable[tuple[str, Settings]]) -> list[Place]:
    """The places of cells in a sweep's folder: where a run of the same configuration is, or else a new folder.

    Args:
        out: the sweep's folder, which may be a new one.
        cells: name and whole configuration of each.
    """
    there = _there(out / RUNS)
    taken = {place.folder.name for place in there.values()}
    found = []
    for name, settings in cells:
        place = there.get(_key(settings))
        if place is None:
            place = there[_key(settings)] = Place(out / RUNS / _free(_slug(name, settings), taken))
            taken.add(place.folder.name)
        found.append(place)
    return found


def _there(folder: Path) -> dict[str, Place]:
    """By configuration; of several with the same, one that is finished before one that is not."""
    found: dict[str, Place] = {}
    for config in sorted(folder.glob(f"*/{CONFIG}")):
        try:
            key = _key(dict(read_yaml(config)))
        except (ValueError, TypeError, OSError):
            continue  # no run of ours
        place = Place(config.parent)
        if key not in found or (place.finished and not found[key].finished):
            found[key] = place
    return found


def _key(settings: Settings) -> str:
    return repr((sorted((name, repr(value)) for name, value in telling(settings).items()), settings.get(SEED)))


def _slug(name: str, settings: Settings) -> str:
    return re.sub(r"[^\w.=+-]+", "_", f"{name} seed={settings.get(SEED)}").strip("_")[:100]


def _free(name: str, taken: set[str]) -> str:
    numbered = (name if number == 1 else f"{name}_{number}" for number in range(1, len(taken) + 2))
    return next(each for each in numbered if each not in taken)
