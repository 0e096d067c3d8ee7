"""Tables of an experiment's results, as its file describes them. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from scarlet_pl.errors import require
from scarlet_pl.report.table import spread
from scarlet_pl.sweep.experiment import Experiment, Settings, argument, speaks
from scarlet_pl.sweep.results import Result
from scarlet_pl.sweep.values import check_value, over, value, words

Place = dict[str, str]


@dataclass(frozen=True)
class Table:
    """One row for each combination of `rows`' values, one column for each of `columns`' and each of `values`.

    Attributes:
        rows, columns: axes of the experiment; one that is in neither makes a table for each of its values.
        values: as `sweep.values.value` knows them.
        reference: where on some axes the run is that ratios refer to; on the others it is where the row's is.
        margin: how far below the reference's best accuracy.
        over: an axis whose values make a column for each setting that they name before "=": T of T=0.1 and T=0.2. What
            stands there is the range or the largest step of a value over them.
    """

    rows: list[str]
    columns: list[str]
    values: list[str]
    reference: Place = field(default_factory=dict)
    margin: float = 0.0
    over: str = ""


def tables(experiment: Experiment) -> dict[str, Table]:
    """An experiment's tables; one of everything where it names none.

    Raises:
        ConfigError: one names an axis or a value that there is not.
    """
    if not experiment.tables:
        values = ["server_accuracy", "client_accuracy", "megabytes_up", "megabytes_down"]
        values += [f"megabytes to {target:g}" for target in experiment.targets]
        return {experiment.name: Table(list(experiment.axes), [], values)}
    return {name: _table(f"sweep.tables.{name}", given, experiment) for name, given in experiment.tables.items()}


def markdown(table: Table, experiment: Experiment, results: Sequence[Result]) -> str:
    """A table as Markdown: mean ± standard deviation over seeds, "n.a." where nothing is known."""
    found = []
    shown = (*table.rows, *table.columns, table.over)
    for place in places([axis for axis in experiment.axes if axis not in shown], experiment):
        columns = [{**each, **one} for each in places(table.columns, experiment) for one in _knobs(table, experiment)]
        heads = [_head(each, name, table) for each in columns for name in table.values]
        rows = [_line([*table.rows, *heads]), "|" + "---|" * len(table.rows) + "---:|" * len(heads)]
        for row in places(table.rows, experiment):
            cells = [
                spread(_over_seeds({**place, **row, **each}, name, table, experiment, results))
                for each in columns
                for name in table.values
            ]
            rows.append(_line([*row.values(), *cells]))
        found.append("\n".join([f"{said(place)}\n", *rows] if place else rows))
    return "\n\n".join(found)


def said(place: Place) -> str:
    """A place in words: "SCARLET, α = 0.3"."""
    return ", ".join(each if speaks(each) else f"{axis} = {each}" for axis, each in place.items())


def at(place: Place, results: Sequence[Result]) -> list[Result]:
    """The results at a place, one for each seed."""
    return [each for each in results if each.place == place]


def check_axes(field: str, axes: Sequence[str], experiment: Experiment) -> None:
    """Raise `ConfigError` if an experiment has not these axes."""
    for axis in axes:
        require(axis in experiment.axes, field, axis, f"one of {', '.join(experiment.axes)}")


def _table(name: str, given: Settings, experiment: Experiment) -> Table:
    known = {"rows": [], "columns": [], "values": [], "reference": {}, "margin": 0.0, "over": ""}
    require(isinstance(given, dict), name, given, f"a mapping with some of {', '.join(known)}")
    for key in given:
        require(key in known, f"{name}.{key}", given[key], f"one of {', '.join(known)}")
    table = Table(**{**known, **given})
    for key in ("rows", "columns", "values"):
        ok = isinstance(getattr(table, key), list) and all(isinstance(each, str) for each in getattr(table, key))
        require(ok, f"{name}.{key}", getattr(table, key), "a list of names")
    require(isinstance(table.margin, (int, float)), f"{name}.margin", table.margin, "a number")
    require(isinstance(table.over, str), f"{name}.over", table.over, "an axis")
    require(isinstance(table.reference, dict), f"{name}.reference", table.reference, "a mapping of axes to values")
    table = replace(table, reference={axis: argument(each) for axis, each in table.reference.items()})
    check_axes(f"{name}.rows", table.rows, experiment)
    check_axes(f"{name}.columns", table.columns, experiment)
    require(bool(table.values), f"{name}.values", table.values, "at least one value")
    check_axes(f"{name}.over", [table.over] if table.over else [], experiment)
    ok = not (table.over and table.reference)
    require(ok, f"{name}.over", table.over, "no axis in a table with a reference")
    for each in table.values:
        check_value(f"{name}.values", each, bool(table.reference), bool(table.over))
    check_axes(f"{name}.reference", list(table.reference), experiment)
    for axis, each in table.reference.items():
        require(each in experiment.axes[axis], f"{name}.reference.{axis}", each, ", ".join(experiment.axes[axis]))
    return table


def _over_seeds(
    place: Place, name: str, table: Table, experiment: Experiment, results: Sequence[Result]
) -> list[float | None]:
    """A value for each seed that has run; None where there is none, as of bytes to an accuracy that was not reached."""
    if table.over:
        those = _of(place[table.over], table, experiment)
        along = [_by_seed({**place, table.over: each}, results) for each in those]
        return [over(name, [runs[seed] for runs in along]) for seed in _ran(experiment, along)]
    runs, refer = (_by_seed(where, results) for where in (place, {**place, **table.reference}))
    return [value(name, runs[seed], refer[seed], table.margin) for seed in _ran(experiment, [runs, refer])]


def _ran(experiment: Experiment, runs: Sequence[dict[int, Result]]) -> list[int]:
    """The seeds with which all of these have run."""
    return [seed for seed in experiment.seeds if all(seed in each for each in runs)]


def _by_seed(place: Place, results: Sequence[Result]) -> dict[int, Result]:
    return {each.seed: each for each in at(place, results)}


def _knobs(table: Table, experiment: Experiment) -> list[Place]:
    """A place for each setting that the values of the axis `over` name; one, empty, where there is no such axis."""
    if not table.over:
        return [{}]
    return [{table.over: each} for each in dict.fromkeys(map(knob, experiment.axes[table.over]))]


def _of(name: str, table: Table, experiment: Experiment) -> list[str]:
    return [each for each in experiment.axes[table.over] if knob(each) == name]


def knob(value: str) -> str:
    """The setting that an axis's value names before "=": T of "T=0.1"; all of it where there is none."""
    return value.partition("=")[0]


def places(axes: Sequence[str], experiment: Experiment) -> list[Place]:
    """All combinations of the values of these axes; one, empty, of no axes."""
    return [dict(zip(axes, each, strict=True)) for each in product(*(experiment.axes[axis] for axis in axes))]


def _head(place: Place, name: str, table: Table) -> str:
    if not place:
        return words(name)
    return said(place) if len(table.values) == 1 else f"{said(place)}: {words(name)}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"
