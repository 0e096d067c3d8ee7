"""An experiment: a configuration and, under `sweep`, what varies in it. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from scarlet_pl.errors import ConfigError, require
from scarlet_pl.report.labels import symbol
from scarlet_pl.report.runs import SEED, changes_results
from scarlet_pl.yaml_files import read_yaml

SWEEP = "sweep"
_KEYS: dict[str, type] = {
    **dict.fromkeys(("grid", "tables", "pictures", "quick", "search"), dict),
    **dict.fromkeys(("seeds", "targets"), list),
}
_QUICK: dict[str, type] = {"grid": dict, "seeds": list, "set": dict, "search": dict}
_KINDS: dict[type, str] = {dict: "a mapping", list: "a list"}
_MOST = 100_000  # cells: more are a mistake

Settings = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One run of an experiment.

    Attributes:
        place: where it stands on each axis, by the axis' name: {"method": "SCARLET", "α": "0.3"}.
        seed: `seed_everything`.
        settings: what it sets beside the experiment's configuration, by dotted name.
    """

    place: dict[str, str]
    seed: int
    settings: Settings

    @property
    def name(self) -> str:
        """What it is called, whatever its seed: "SCARLET α=0.3"."""
        return " ".join(each if speaks(each) else f"{axis}={each}" for axis, each in self.place.items())

    @property
    def label(self) -> str:
        """With its seed: "SCARLET α=0.3 seed=0"."""
        return f"{self.name} seed={self.seed}".strip()

    @property
    def arguments(self) -> list[str]:
        """Its settings as flags of `scarlet-pl fit`."""
        return flags({**self.settings, SEED: self.seed})


@dataclass(frozen=True)
class Experiment:
    """What an experiment's file says.

    Attributes:
        name: the file's, without its ending.
        base: the configuration that all cells begin with.
        fixed: settings of all cells beside it, by dotted name.
        axes: by name, the values of each axis: what a value is called, and what it sets.
        seeds: of every combination.
        targets: server accuracies, for the bytes to reach them.
        tables, pictures: by name, as `sweep.views` reads them.
        search: as `sweep.search` reads it; empty where there is a grid alone.
        flags: settings of all cells that go before what they set themselves, by dotted name.
    """

    name: str
    base: Settings
    fixed: Settings
    axes: dict[str, dict[str, Settings]]
    seeds: list[int]
    targets: list[float] = field(default_factory=list)
    tables: dict[str, Settings] = field(default_factory=dict)
    pictures: dict[str, Settings] = field(default_factory=dict)
    search: Settings = field(default_factory=dict)
    flags: Settings = field(default_factory=dict)

    def cells(self) -> list[Cell]:
        """Every combination with the first seed, then with the second, and so on: the first part is of use alone."""
        return [
            self.cell(dict(zip(self.axes, place, strict=True)), seed)
            for seed in self.seeds
            for place in product(*self.axes.values())
        ]

    def with_axis(self, name: str, values: dict[str, Settings]) -> Experiment:
        """With one axis more, before the others."""
        return replace(self, axes={name: values, **self.axes})

    def with_flags(self, flags: Settings) -> Experiment:
        """With settings of all cells that go before what they set themselves.

        Raises:
            ConfigError: one of them varies in this experiment.
        """
        varied = {_plain(name) for values in self.axes.values() for given in values.values() for name in given}
        for name, value in flags.items():
            ok = not any(_within(_plain(name), each) or _within(each, _plain(name)) for each in {*varied, SEED})
            require(ok, name, value, f"a setting that does not vary in {self.name}")
        return replace(self, flags=flags)

    def cell(self, place: dict[str, str], seed: int) -> Cell:
        """The cell at a place."""
        chosen = [self.axes[axis][value] for axis, value in place.items()]
        return Cell(
            place, seed, {name: value for given in (self.fixed, *chosen, self.flags) for name, value in given.items()}
        )


def read_experiment(path: Path, quick: bool = False) -> Experiment:
    """Read an experiment's file.

    Args:
        quick: with what stands under `sweep.quick`: small data, few rounds.

    Raises:
        ConfigError: it is no such file, or a key of `sweep` is unknown or has a value that it may not have.
    """
    whole = _read(path)
    says = _checked(SWEEP, whole.pop(SWEEP), _KEYS)
    short = _checked("sweep.quick", says.pop("quick", {}), _QUICK)
    require(bool(short) or not quick, "quick", True, f"an experiment with sweep.quick, which {path} has not")
    if not quick:
        short = {}
    fixed = short.pop("set", {})
    short["grid"] = {name: _shorter(name, values, says) for name, values in short.get("grid", {}).items()}
    for key, value in short.items():
        says[key] = {**says.get(key, {}), **value} if isinstance(value, dict) else value
    axes = _axes(says.pop("grid", {}))
    seeds = says.pop("seeds", [whole.get(SEED, 0)])
    _check_each("sweep.seeds", seeds, (int,), "integers >= 0, each once")
    _check_each("sweep.targets", says.get("targets", []), (int, float), "accuracies in (0, 1], each once", 1)
    cells = len(seeds) * prod(len(values) for values in axes.values())
    require(0 < cells <= _MOST, "sweep.grid", f"{cells} cells", f"1 to {_MOST} cells")
    unused = bool(says.get("targets")) and bool(says.get("tables"))
    require(not unused, "sweep.targets", says.get("targets"), "nothing beside sweep.tables: 'megabytes to 0.9' there")
    return Experiment(path.stem, whole, fixed, axes, seeds, **says)


def flags(settings: Settings) -> list[str]:
    """Settings by dotted name as flags of a command."""
    return [word for name, value in settings.items() for word in (f"--{name}", _argument(value))]


def is_number(text: str) -> bool:
    """Whether a value on an axis is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def speaks(value: str) -> bool:
    """Whether a value on an axis says what it is without the axis' name."""
    return not is_number(value) and value not in ("on", "off")


def _read(path: Path) -> Settings:
    try:
        whole = read_yaml(path)
    except (ValueError, OSError) as error:
        raise ConfigError("config", str(path), f"a YAML file of an experiment ({error})") from error
    ok = isinstance(whole, dict) and isinstance(whole.get(SWEEP), dict)
    require(ok, "config", str(path), "a configuration with a key 'sweep' that says what varies in it")
    return dict(whole)


def _checked(name: str, given: Settings, known: dict[str, type]) -> Settings:
    for key, value in given.items():
        require(key in known, f"{name}.{key}", value, f"one of {', '.join(known)} under {name}")
        require(isinstance(value, known[key]), f"{name}.{key}", value, _KINDS[known[key]])
    return dict(given)


def _check_each(name: str, values: list[Any], kinds: tuple[type, ...], allowed: str, most: float = 2**32 - 1) -> None:
    plain = all(isinstance(value, kinds) and not isinstance(value, bool) for value in values)
    ok = plain and len(set(values)) == len(values) and all(0 <= value <= most for value in values)
    require(ok, name, values, allowed)


def _axes(grid: Settings) -> dict[str, dict[str, Settings]]:
    """By symbol, or by the whole name of the setting where two have the same symbol."""
    symbols = [symbol(name) if isinstance(values, list) else name for name, values in grid.items()]
    names = [name if symbols.count(short) > 1 else short for name, short in zip(grid, symbols, strict=True)]
    return {called: _axis(name, values) for called, (name, values) in zip(names, grid.items(), strict=True)}


def _axis(name: str, values: Any) -> dict[str, Settings]:
    """An axis' values: of a list, those of the setting that it is called by; of a mapping, each with the settings that
    it stands for."""
    allowed = "a list of values of the setting, or a mapping of names to settings"
    if isinstance(values, list):
        found = {_called(value): {name: value} for value in values}
        require(len(found) == len(values) > 0, f"sweep.grid.{name}", values, f"{allowed}, each once by name")
        _check_telling(name, name)
        return found
    require(isinstance(values, dict) and bool(values), f"sweep.grid.{name}", values, allowed)
    for each, settings in values.items():
        require(isinstance(settings, dict), f"sweep.grid.{name}.{each}", settings, "a mapping of dotted settings")
        for setting in settings:
            _check_telling(f"{name}.{each}", setting)
    return {str(each): settings for each, settings in values.items()}


def _check_telling(axis: str, setting: str) -> None:
    require(
        changes_results(setting), f"sweep.grid.{axis}", setting, "a setting that changes results; seeds go by seeds"
    )


def _shorter(name: str, values: Any, says: Settings) -> Any:
    """The values of an axis in the quick form; a list may name some of those that the whole one has."""
    whole = says.get("grid", {}).get(name)
    if not isinstance(values, list) or not isinstance(whole, dict):
        return values
    for each in values:
        require(each in whole, f"sweep.quick.grid.{name}", each, f"some of {', '.join(map(str, whole))}")
    return {each: whole[each] for each in values}


def _plain(name: str) -> str:
    """A setting's name without the parts that jsonargparse leaves out."""
    return ".".join(part for part in name.split(".") if part not in ("init_args", "dict_kwargs"))


def _within(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith(f"{outer}.")


def _called(value: Any) -> str:
    named = isinstance(value, dict) and "class_path" in value
    return str(value["class_path"]).rpartition(".")[2] if named else _argument(value)


def _argument(value: Any) -> str:
    """A setting's value as it stands on a command line."""
    return value if isinstance(value, str) else json.dumps(value)
