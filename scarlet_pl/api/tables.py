"""Runs side by side, and what a run would send, from Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from scarlet_pl.api.run import Run
from scarlet_pl.api.session import Config, config_arguments, in_session
from scarlet_pl.cli.checked import checked
from scarlet_pl.cli.estimate import estimates
from scarlet_pl.errors import require
from scarlet_pl.report.compare import Comparison
from scarlet_pl.report.compare import compare as compare_folders
from scarlet_pl.report.estimate import RoundEstimate, print_estimate
from scarlet_pl.report.summary import as_text


def compare(
    runs: Run | str | PathLike[str] | Iterable[Run | str | PathLike[str]],
    targets: float | Sequence[float] = (),
    by: Literal["seed", "run"] = "seed",
    out: str | PathLike[str] | None = None,
) -> Comparison:
    """Accuracies and megabytes of runs, as `scarlet-pl compare` has them.

    Args:
        runs: runs, or their folders; or one.
        targets: server accuracies in (0, 1], for the megabytes to reach them.
        by: "seed": a row is a configuration, mean ± standard deviation over its seeds; "run": a row is a run.
        out: folder for the table and pictures; None for neither.

    Raises:
        ValueError: a folder holds no run, or a file in it is damaged; a target is no accuracy.
    """
    given = [runs] if isinstance(runs, Run | str | PathLike) else list(runs)
    require(bool(given), "runs", given, "at least one run")
    require(by in ("seed", "run"), "by", by, "seed, run")
    goals = [targets] if isinstance(targets, int | float) else list(targets)
    folders = [each.folder if isinstance(each, Run) else Path(each) for each in given]
    return compare_folders(folders, goals, by == "seed", None if out is None else Path(out))


@dataclass(frozen=True, repr=False)
class Estimate:
    """What a configuration will send. Prints as a table.

    Attributes:
        rounds: samples, clients and bytes of each round.
        exact: whether it will be just that; else it will be less, since lengths depend on the labels.
    """

    rounds: list[RoundEstimate]
    exact: bool

    @property
    def bytes_up(self) -> int:
        """Of all clients and rounds."""
        return self._total("up")

    @property
    def bytes_down(self) -> int:
        """Of all clients and rounds."""
        return self._total("down")

    def __str__(self) -> str:
        return as_text(lambda console: print_estimate(self.rounds, not self.exact, console), width=100)

    __repr__ = __str__

    def _total(self, direction: str) -> int:
        return sum(each.bytes[f"bytes/{direction}"] for each in self.rounds)


def estimate(
    config: Config | Sequence[Config], overrides: Mapping[str, Any] | None = None, rounds: int | None = None
) -> Estimate:
    """What a configuration will send, without training and without its data, as `scarlet-pl estimate` has it.

    Args:
        config, overrides: as for `fit`.
        rounds: how many; `trainer.max_rounds` when None.

    Raises:
        ValueError: a setting may not be so.
    """
    with in_session():
        return Estimate(*estimates(checked(config_arguments(config, overrides), "").made, rounds))
