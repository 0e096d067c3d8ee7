"""An experiment's file: read, checked and made an experiment. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

from scarlet_pl.errors import ConfigError, require
from scarlet_pl.report.labels import symbol
from scarlet_pl.report.runs import SEED, changes_results
from scarlet_pl.sweep.experiment import Experiment, Settings, argument, plain_name
from scarlet_pl.yaml_files import read_yaml

SWEEP = "sweep"
_KEYS: dict[str, type] = {
    **dict.fromkeys(("grid", "tables", "pictures", "quick", "search"), dict),
    **dict.fromkeys(("seeds", "targets"), list),
}
_QUICK: dict[str, type] = {"grid": dict, "seeds": list, "set": dict, "search": dict}
_KINDS: dict[type, str] = {dict: "a mapping", list: "a list"}
_MOST = 100_000  # cells: more are a mistake


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
    _check_each("sweep.seeds", seeds, int, lambda seed: 0 <= seed < 2**32, "integers from 0 to 2^32 - 1")
    _check_each("sweep.targets", says.get("targets", []), float, lambda each: 0 < each <= 1, "accuracies in (0, 1]")
    cells = len(seeds) * prod(len(values) for values in axes.values())
    require(0 < cells <= _MOST, "sweep.grid", f"{cells} cells", f"1 to {_MOST} cells")
    unused = bool(says.get("targets")) and bool(says.get("tables"))
    require(not unused, "sweep.targets", says.get("targets"), "nothing beside sweep.tables: 'megabytes to 0.9' there")
    return Experiment(path.stem, whole, fixed, axes, seeds, **says)


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
        for each in value if isinstance(value, dict) else ():
            require(isinstance(each, str), f"{name}.{key}", each, "names, each with what it stands for")
    return dict(given)


def _check_each(name: str, values: list[Any], kind: type, ok: Callable[[Any], bool], allowed: str) -> None:
    plain = all(isinstance(value, kind | int) and not isinstance(value, bool) for value in values)
    require(plain and len(set(values)) == len(values) and all(map(ok, values)), name, values, f"{allowed}, each once")


def _axes(grid: Settings) -> dict[str, dict[str, Settings]]:
    """By symbol, or by the whole name of the setting where two have the same symbol."""
    symbols = [symbol(name) if isinstance(values, list) else name for name, values in grid.items()]
    names = [name if symbols.count(short) > 1 else short for name, short in zip(grid, symbols, strict=True)]
    axes = {called: _axis(name, values) for called, (name, values) in zip(names, grid.items(), strict=True)}
    set_by = dict[str, str]()
    for axis, values in zip(grid, axes.values(), strict=True):
        for setting in sorted({plain_name(name) for settings in values.values() for name in settings}):
            other = set_by.setdefault(setting, axis)
            require(other == axis, f"sweep.grid.{axis}", setting, f"settings that sweep.grid.{other} does not set")
    return axes


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
            require(isinstance(setting, str), f"sweep.grid.{name}.{each}", setting, "a mapping of dotted settings")
            _check_telling(f"{name}.{each}", setting)
    return {argument(each): settings for each, settings in values.items()}


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
        require(each in list(whole), f"sweep.quick.grid.{name}", each, f"some of {', '.join(map(str, whole))}")
    return {each: whole[each] for each in values}


def _called(value: Any) -> str:
    named = isinstance(value, dict) and "class_path" in value
    return str(value["class_path"]).rpartition(".")[2] if named else argument(value)
