"""An experiment: a configuration and, under `sweep`, what varies in it. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from scarlet_pl.errors import require
from scarlet_pl.report.runs import SEED

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
        varied = {plain_name(name) for values in self.axes.values() for given in values.values() for name in given}
        for name, value in flags.items():
            ok = not any(_within(plain_name(name), each) or _within(each, plain_name(name)) for each in {*varied, SEED})
            require(ok, name, value, f"a setting that does not vary in {self.name}")
        return replace(self, flags=flags)

    def cell(self, place: dict[str, str], seed: int) -> Cell:
        """The cell at a place."""
        chosen = [self.axes[axis][value] for axis, value in place.items()]
        return Cell(
            place, seed, {name: value for given in (self.fixed, *chosen, self.flags) for name, value in given.items()}
        )


def flags(settings: Settings) -> list[str]:
    """Settings by dotted name as flags of a command."""
    return [word for name, value in settings.items() for word in (f"--{name}", argument(value))]


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


def plain_name(name: str) -> str:
    """A setting's name without the parts that jsonargparse leaves out."""
    return ".".join(part for part in name.split(".") if part not in ("init_args", "dict_kwargs"))


def _within(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith(f"{outer}.")


def argument(value: Any) -> str:
    """A setting's value as it stands on a command line."""
    return value if isinstance(value, str) else json.dumps(value)
