"""Pictures of an experiment's results, as its file describes them. Legible without colour. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from scarlet_pl.errors import require
from scarlet_pl.report.plots import plain, save, style
from scarlet_pl.sweep.experiment import Experiment, Settings, is_number
from scarlet_pl.sweep.results import Result
from scarlet_pl.sweep.tables import Place, at, check_axes, knob, places, said
from scarlet_pl.sweep.values import OVER_ROUNDS, WORDS, over_rounds, value

_LABEL, _TICKS = 28, 30  # characters in a line of the legend, and of all ticks of an axis
_MB = "[MB = 10⁶ bytes]"
_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Picture:
    """A line for each combination of the axes that are neither `x` nor `panels`.

    Attributes:
        x: an axis of the experiment, or of `OVER_ROUNDS`.
        y: of `OVER_ROUNDS` where `x` is; else of `WORDS`.
        panels: an axis; a panel for each of its values, side by side. None: one panel.
        log: whether the horizontal axis is logarithmic.
    """

    x: str
    y: str
    panels: str | None = None
    log: bool = False


def pictures(experiment: Experiment) -> dict[str, Picture]:
    """An experiment's pictures; accuracy over bytes where it names none.

    Raises:
        ConfigError: one names an axis or a value that there is not.
    """
    given = experiment.pictures or {f"{experiment.name}_bytes": {"x": "megabytes", "y": "server_accuracy"}}
    for name in given:
        require("/" not in name, "sweep.pictures", name, "the name of a file, without a slash")
    return {name: _picture(f"sweep.pictures.{name}", each, experiment) for name, each in given.items()}


def draw(picture: Picture, experiment: Experiment, results: Sequence[Result], path: Path) -> None:
    """Write a picture as PNG and SVG.

    Args:
        path: without an ending.
    """
    every_panel = places([picture.panels] if picture.panels else [], experiment)
    panels = [each for each in every_panel if any(each.items() <= run.place.items() for run in results)] or every_panel
    lines = places([axis for axis in experiment.axes if axis not in (picture.x, picture.panels)], experiment)
    figure = Figure(figsize=(2.8 + 3.6 * len(panels), 4.2), layout="constrained")
    every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(every, panels, strict=True):
        for number, line in enumerate(lines):
            points = _points(picture, experiment, {**panel, **line}, results)
            if len(points[0]):
                _draw_line(axes, number, fill(plain(said(line) or picture.y), _LABEL), points, picture.log)
        axes.set_title(plain(said(panel)), fontsize=10)
        _finish(axes, picture, experiment)
    words = _words(picture.y, picture)
    if _MB in words and every[0].get_ylim()[1] < 0.1:
        words = words.replace(_MB, "[kB\xa0=\xa010³\xa0bytes]")
        every[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{1000 * value:g}"))
    every[0].set_ylabel(fill(words, _LABEL + 8))
    figure.supxlabel(f"{_words(picture.x, picture)}{', logarithmic' * picture.log}", fontsize=10)
    labels = {label: handle for axes in every for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if len(lines) > 1:
        figure.legend(labels.values(), labels.keys(), fontsize=8, handlelength=3, loc="outside right upper")
    save(figure, path)


def _picture(name: str, given: Settings, experiment: Experiment) -> Picture:
    known = ("x", "y", "panels", "log")
    require(isinstance(given, dict), name, given, f"a mapping with some of {', '.join(known)}")
    for key in given:
        require(key in known, f"{name}.{key}", given[key], f"one of {', '.join(known)}")
    for key in ("x", "y"):
        require(isinstance(given.get(key), str), f"{name}.{key}", given.get(key), "a name")
    picture = Picture(**given)
    require(isinstance(picture.panels, str | None), f"{name}.panels", picture.panels, "an axis")
    over = picture.x in OVER_ROUNDS
    if not over:
        allowed = (*experiment.axes, *OVER_ROUNDS)
        require(picture.x in experiment.axes, f"{name}.x", picture.x, f"one of {', '.join(allowed)}")
    values = OVER_ROUNDS if over else WORDS
    require(picture.y in values, f"{name}.y", picture.y, f"one of {', '.join(values)}")
    check_axes(f"{name}.panels", [picture.panels] if picture.panels is not None else [], experiment)
    return picture


def _points(picture: Picture, experiment: Experiment, place: Place, results: Sequence[Result]) -> tuple[_Array, ...]:
    """(x, mean over seeds, standard deviation) of a line."""
    if picture.x in OVER_ROUNDS:
        return _over_rounds(picture, at(place, results))
    found: list[tuple[float, float, float]] = []
    names = list(experiment.axes[picture.x])
    for number, each in enumerate(names):
        if number and "=" in each and knob(each) != knob(names[number - 1]) and found:
            found.append((number - 0.5, float("nan"), 0.0))  # a line ends with its setting
        known = [value(picture.y, run) for run in at({**place, picture.x: each}, results)]
        values = [each for each in known if each is not None]
        if values:
            x = float(each) if _numeric(experiment, picture.x) else float(number)
            found.append((x, float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0))
    return tuple(np.array(sorted(found), dtype=np.float64).reshape(-1, 3).T)


def _over_rounds(picture: Picture, runs: Sequence[Result]) -> tuple[_Array, ...]:
    """In the rounds that all runs have; x is their mean, too."""
    pairs = [(over_rounds(picture.x, run), over_rounds(picture.y, run)) for run in runs]
    rounds = sorted(set.intersection(*({*x} & {*y} for x, y in pairs))) if pairs else []
    x, y = (np.array([[pair[which][round] for round in rounds] for pair in pairs]) for which in (0, 1))
    if not rounds:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    return x.mean(0), y.mean(0), y.std(0, ddof=1) if len(pairs) > 1 else np.zeros(len(rounds))


def _draw_line(axes: Axes, number: int, label: str, points: tuple[_Array, ...], log: bool) -> None:
    x, mean, deviation = points
    look = style(number, len(x))
    if log and not x.any():  # it sends nothing: a level to compare with
        axes.axhline(mean[-1], label=label, color=look["color"], linestyle=look["linestyle"], linewidth=1)
        return
    axes.plot(x, mean, label=label, **look)
    if deviation.any() and len(x) > 12:
        axes.fill_between(x, mean - deviation, mean + deviation, color=look["color"], alpha=0.15, linewidth=0)
    elif deviation.any():
        axes.errorbar(x, mean, deviation, color=look["color"], capsize=3, linewidth=0.8, linestyle="none")


def _finish(axes: Axes, picture: Picture, experiment: Experiment) -> None:
    if picture.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if picture.x in experiment.axes:
        values = list(experiment.axes[picture.x])
        ticks = [float(each) for each in values] if _numeric(experiment, picture.x) else range(len(values))
        crowded = sum(map(len, values)) > _TICKS
        axes.minorticks_off()
        axes.set_xticks(ticks, values, rotation=45 if crowded else 0, ha="right" if crowded else "center")
    if picture.x == "round":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)


def _numeric(experiment: Experiment, axis: str) -> bool:
    return all(map(is_number, experiment.axes[axis]))


def _words(name: str, picture: Picture) -> str:
    return OVER_ROUNDS.get(name, name) if picture.x in OVER_ROUNDS else WORDS.get(name, name)
