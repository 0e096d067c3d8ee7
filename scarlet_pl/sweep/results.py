"""What the cells of experiments came to: a row a run, and its rounds, in two tables. Imports no torch."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from scarlet_pl.errors import ConfigError, require
from scarlet_pl.locks import alone
from scarlet_pl.report.runs import Run, telling
from scarlet_pl.run_files import replace as replace_file
from scarlet_pl.sweep.experiment import Cell
from scarlet_pl.sweep.folder import Work, identity

RESULTS, BY_ROUND = "results.csv", "results_by_round.csv"

NUMBERS = (
    "rounds",
    *(f"{who}_accuracy{end}" for who in ("server", "client") for end in ("", "_best")),
    "cache_hit_rate",
    *(f"{kind}_{way}" for kind in ("bytes", "paper_bytes", "shannon_bytes") for way in ("up", "down")),
    "seconds",
)
"""Of a run, as in its summary.json."""

SERIES = {
    "server_accuracy": "server/accuracy",
    "client_accuracy": "client/accuracy",
    "bytes": "bytes/cumulative",
    "bytes_up": "bytes/up",
    "shannon_bytes_up": "shannon_bytes/up",
    "hit_rate": "cache/hit_rate",
    "time": "time/total",
}
"""Of its rounds, with their columns in rounds.csv."""

_FIELDS = ("run", "experiment", "cell", "seed", "configuration", "settings", "commit", "digest", *NUMBERS)
_FIELDS_BY_ROUND = ("run", "round", "paper_bytes", *SERIES)

_T = TypeVar("_T")

Key = tuple[str, str, int]


@dataclass(frozen=True)
class Result:
    """One run of an experiment.

    Attributes:
        experiment, place, seed: which it is.
        configuration: its whole configuration in short, as `sweep.folder.identity` says.
        settings: what it sets beside the experiment's configuration, by dotted name.
        commit: of scarlet_pl.
        digest: of its final state.
        numbers: those of `NUMBERS` that it has.
        series: those of `SERIES` that it has, and `paper_bytes` so far, by round from 1.
    """

    experiment: str
    place: dict[str, str]
    seed: int
    configuration: str
    settings: dict[str, Any]
    commit: str
    digest: str
    numbers: dict[str, float]
    series: dict[str, dict[int, float]] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Equal for two runs of one cell."""
        return key(self.experiment, self.place, self.seed)

    @property
    def run(self) -> str:
        """A short name, the same in both tables."""
        return hashlib.sha256(repr(self.key).encode()).hexdigest()[:12]


def key(experiment: str, place: Mapping[str, str], seed: int) -> Key:
    """Of a cell, whatever the order of its axes."""
    return experiment, _plain(place), seed


def result(experiment: str, cell: Cell, configuration: str, run: Run) -> Result:
    """Of a finished run."""
    numbers = {name: float(run.summary[name]) for name in NUMBERS if run.summary.get(name) is not None}
    series = {name: known for name, column in SERIES.items() if (known := run.series(column))}
    series["paper_bytes"] = _so_far(run, "paper_bytes")
    settings = telling(cell.settings)
    which = (experiment, cell.place, cell.seed, configuration, settings)
    return Result(*which, run.commit, str(run.digest), numbers, series)


def read_results(folder: Path) -> list[Result]:
    """The results in a folder, in the order in which they stand there; none if it has no such file.

    Raises:
        ConfigError: a table is damaged.
    """
    series: dict[str, dict[str, dict[int, float]]] = {}
    for run, round, values in _read(folder / BY_ROUND, _FIELDS_BY_ROUND, _round):
        for name, value in values.items():
            series.setdefault(run, {}).setdefault(name, {})[round] = value
    found = _read(folder / RESULTS, _FIELDS, _result)
    return [replace(each, series=series.get(run, {})) for run, each in found]


def add_results(folder: Path, experiment: str, new: Sequence[Result], plan: Sequence[Work]) -> None:
    """Write results of an experiment to a folder's tables, where those of other experiments are as well.

    Args:
        plan: all its cells, in their order. Its other results stay if they are of one of these and of its
            configuration, whatever their seed: seeds may have run elsewhere.
    """
    order = {key(experiment, each.cell.place, each.cell.seed): number for number, each in enumerate(plan)}
    whole, ran = {_plain(each.cell.place): each.settings for each in plan}, {each.key for each in new}

    def stays(each: Result) -> bool:
        if each.experiment != experiment:
            return True
        settings = whole.get(_plain(each.place))
        known = settings is not None and identity(settings, each.seed) == each.configuration
        return known and each.key not in ran

    with alone(folder):
        kept = [each for each in read_results(folder) if stays(each)]
        ordered = sorted([*kept, *new], key=lambda each: (each.experiment, order.get(each.key, len(order))))
        _write(folder / BY_ROUND, _FIELDS_BY_ROUND, _rounds(ordered))
        _write(folder / RESULTS, _FIELDS, map(_row, ordered))


def _so_far(run: Run, kind: str) -> dict[int, float]:
    """Up and down, all rounds until each."""
    up, down = (run.series(f"{kind}/{way}") for way in ("up", "down"))
    rounds = sorted({*up, *down})
    return dict(zip(rounds, accumulate(up.get(each, 0) + down.get(each, 0) for each in rounds), strict=True))


def _result(row: Mapping[str, str]) -> tuple[str, Result]:
    """With the name that it has in the other table."""
    numbers = {name: float(row[name]) for name in NUMBERS if row[name]}
    place, settings = dict(json.loads(row["cell"])), dict(json.loads(row["settings"]))
    which = (row["experiment"], place, int(row["seed"]), row["configuration"], settings)
    return row["run"], Result(*which, row["commit"], row["digest"], numbers)


def _round(row: Mapping[str, str]) -> tuple[str, int, dict[str, float]]:
    return row["run"], int(row["round"]), {name: float(row[name]) for name in _FIELDS_BY_ROUND[2:] if row[name]}


def _row(each: Result) -> dict[str, str]:
    numbers = {name: f"{value:.15g}" for name, value in each.numbers.items()}
    which = {"run": each.run, "experiment": each.experiment, "cell": json.dumps(each.place, ensure_ascii=False)}
    which |= {"seed": str(each.seed), "configuration": each.configuration, "settings": _plain(each.settings)}
    return {**which, "commit": each.commit, "digest": each.digest, **numbers}


def _rounds(results: Iterable[Result]) -> Iterable[dict[str, str]]:
    for each in results:
        for round in sorted({round for values in each.series.values() for round in values}):
            known = {name: f"{values[round]:.15g}" for name, values in each.series.items() if round in values}
            yield {"run": each.run, "round": str(round), **known}


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _read(path: Path, fields: Sequence[str], read: Callable[[Mapping[str, str]], _T]) -> list[_T]:
    if not path.exists():
        return []
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError("results", str(path), f"a whole table ({error})") from error
    found = []
    for number, row in enumerate(rows):
        ok = [*row] == [*fields] and None not in row.values()
        require(ok, "results", str(path), f"a table with the columns {', '.join(fields)} (row {number + 1} has others)")
        try:
            found.append(read(row))
        except (ValueError, TypeError) as error:
            raise ConfigError("results", str(path), f"a whole table (row {number + 1}: {error})") from error
    return found


def _write(path: Path, fields: Iterable[str], rows: Iterable[dict[str, str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(fields), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace_file(path, lambda file: file.write(text.getvalue().encode()))
