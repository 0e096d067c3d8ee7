"""The folder of a sweep: a run's folder for each cell, found by its configuration. Imports no torch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from scarlet_pl.errors import ConfigError, require
from scarlet_pl.report.runs import SEED, Run, read_run, telling
from scarlet_pl.run_files import CHECKPOINTS, CLIENTS, CONFIG, ROUNDS, checkpoints, read_rounds
from scarlet_pl.sweep.experiment import Cell, Settings
from scarlet_pl.yaml_files import read_yaml

RUNS = "runs"

_OF_A_RUN = {CONFIG, ROUNDS, CHECKPOINTS, CLIENTS, "split.png", "tensorboard"}
"""What a run may have written before its first round was saved."""


@dataclass(frozen=True)
class Work:
    """A cell and how it is run.

    Attributes:
        cell: which.
        arguments: of `scarlet-pl fit`, but for the run's folder.
        settings: its whole configuration.
        folder: where its run is, or will be.
    """

    cell: Cell
    arguments: list[str]
    settings: Settings
    folder: Path

    @property
    def rounds(self) -> int:
        """Of its run."""
        return int(self.settings["trainer"]["max_rounds"])

    @cached_property
    def configuration(self) -> str:
        """As `identity` says."""
        return identity(self.settings)

    @property
    def log(self) -> Path:
        """What its process prints."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def last_line(self) -> str:
        """Of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return ([line for line in text.splitlines() if line.strip()] or ["it said nothing"])[-1]

    @property
    def resumable(self) -> bool:
        """Whether a round of it was saved."""
        return bool(checkpoints(self.folder))

    @property
    def finished(self) -> Run | None:
        """The run, once all its rounds are done."""
        if _identity_of(self.folder) != self.configuration:
            return None
        try:
            run = read_run(self.folder)
        except ConfigError:
            return None  # not a round is done, or a file is damaged: a resumed run looks again
        return run if run.digest is not None and len(run.rows) >= self.rounds else None

    @property
    def rounds_done(self) -> int:
        """How many."""
        try:
            return len(read_rounds(self.folder / ROUNDS))
        except (OSError, ValueError):
            return 0

    def check_ours(self) -> None:
        """Raise `ConfigError` if the folder holds anything but a run of this cell."""
        if not self.folder.exists():
            return
        allowed = f"a folder whose {RUNS}/{self.folder.name} is a run of this sweep"
        known = {None, self.configuration}
        require(_identity_of(self.folder) in known, "out", str(self.folder), f"{allowed}, of the same configuration")
        if not self.resumable:
            other = [path.name for path in self.folder.iterdir() if path.name not in _OF_A_RUN]
            other = [name for name in other if not name.endswith(".tmp")]
            require(not other, "out", str(self.folder), f"{allowed} (it holds {', '.join(other[:3])})")


def identity(settings: Settings, seed: int | None = None) -> str:
    """Equal for runs that differ at most in what changes no result.

    Args:
        settings: a whole configuration. What is null in it counts as not there: a later version may have added it.
        seed: in place of the one there.
    """
    told = sorted((name, repr(value)) for name, value in telling(settings).items() if value is not None)
    return hashlib.sha256(repr((told, settings.get(SEED) if seed is None else seed)).encode()).hexdigest()[:16]


def find_folders(out: Path, names: Sequence[str], configurations: Sequence[str]) -> list[Path]:
    """The folders of cells in a sweep's folder: where a run of the same configuration is, or else a new one. Cells of
    one configuration have one folder.

    Args:
        out: the sweep's folder, which may be a new one.
        names: of the cells.
        configurations: of the cells, as `identity` says.
    """
    there: dict[str | None, Path] = {}
    for config in sorted((out / RUNS).glob(f"*/{CONFIG}")):
        there.setdefault(_identity_of(config.parent), config.parent)
    pairs = zip(names, configurations, strict=True)
    return [there.setdefault(each, out / RUNS / f"{_slug(name)}_{each[:8]}") for name, each in pairs]


def _identity_of(folder: Path) -> str | None:
    """Of the run in a folder; None where there is none, or none that can be read."""
    try:
        return identity(dict(read_yaml(folder / CONFIG)))
    except (ValueError, TypeError, OSError):
        return None


def _slug(name: str) -> str:
    return re.sub(r"[^\w.=+-]+", "_", name).strip("_").encode()[:100].decode(errors="ignore")
