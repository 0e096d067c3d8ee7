"""The pictures of a comparison. Legible without colour: each method has a marker and a line of its own."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from scarlet_pl.report.curves import (
    BYTES_OF_A_ROUND,
    MOST_SHOWN,
    OVER,
    Curve,
    Over,
    Who,
    accuracy,
    kilobytes,
    logarithmic,
    parts_of,
    shown,
    size_in_words,
)
from scarlet_pl.report.groups import Group, timed

_COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"),  # Okabe and Ito, without yellow
    *("#882255", "#44AA99", "#999999"),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
_LINES = ("-", "--", "-.", ":")
_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "||||")
_AXES = {
    "server": "server accuracy on the whole test set",
    "client": "mean accuracy of all clients on their own test shards",
}
_LACKING = {"rounds": "", "bytes": " or nothing sent", "time": " or no simulated time"}
_LABEL = 32  # characters in a line


class Picture(Figure):
    """A figure that a notebook shows, whether pyplot was imported or not."""

    def _repr_png_(self) -> bytes:
        image = BytesIO()
        FigureCanvasAgg(self)
        self.savefig(image, format="png")
        return image.getvalue()


def draw_all(groups: list[Group], out: Path) -> None:
    """`accuracy_over_rounds`, `accuracy_over_bytes`, `client_accuracy` and `bytes_by_part`, as PNG and SVG, into `out`;
    `accuracy_over_time` where a run has simulated time.

    Each shows the same ten groups at most, in the same colours.
    """
    figures = {
        "accuracy_over_rounds": accuracy_figure(groups, "server"),
        "accuracy_over_bytes": accuracy_figure(groups, "server", "bytes"),
        "client_accuracy": accuracy_figure(groups, "client"),
        "bytes_by_part": parts_figure(groups),
    }
    if timed(groups):
        figures["accuracy_over_time"] = accuracy_figure(groups, "server", "time")
    for name, figure in figures.items():
        save(figure, out / name)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and SVG: the same files for the same figure.

    Args:
        path: without an ending.
    """
    FigureCanvasAgg(figure)
    figure.savefig(path.with_name(f"{path.name}.png"), dpi=130)
    with rc_context({"svg.hashsalt": path.name}):  # else the names of its parts are drawn at random
        figure.savefig(path.with_name(f"{path.name}.svg"), metadata={"Date": None})


def accuracy_figure(groups: list[Group], who: Who, over: Over = "rounds") -> Figure:
    """Mean accuracy over rounds, or over the mean of the megabytes sent or of the simulated seconds so far, a line a
    group.

    A band of ± one standard deviation where there are two seeds or more. Megabytes are on a logarithmic axis where
    the groups' totals differ by more than ten times.
    """
    drawn, notes = shown(groups), _choice(groups)
    figure = Picture(figsize=(9, 4.8), layout="constrained")
    axes = figure.add_subplot()
    curves = [accuracy(each, who, over) for each in drawn]
    for number, (each, curve) in enumerate(zip(drawn, curves, strict=True)):
        if len(curve.x):
            _line(axes, number, each.label, curve)
        if len(curve.x) and len(each.runs) > 1:
            _band(axes, number, curve)
    without = [each.label for each, curve in zip(drawn, curves, strict=True) if not len(curve.x)]
    if without:
        notes.append(f"not shown: {', '.join(without)} (no {who} accuracy{_LACKING[over]})")
    if any(len(each.runs) > 1 for each in drawn):
        notes.insert(0, "mean ± standard deviation over seeds")
    axes.set_ylabel(_AXES[who])
    _x_axis(axes, over, curves)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.02), min(high, 1.02))  # a band may reach further
    axes.grid(alpha=0.25)
    _finish(figure, notes)
    return figure


def parts_figure(groups: list[Group]) -> Figure:
    """The mean bytes of a round by part, two bars a group on one linear scale; what is too small to see is in words."""
    drawn, notes = shown(groups), _choice(groups)
    figure = Figure(figsize=(9, 1.4 + 0.5 * len(drawn)), layout="constrained")
    axes = figure.add_subplot()
    bars = [(each, way) for each in drawn for way in ("up", "down")]
    places = [1.25 * (number // 2) + 0.45 * (number % 2) for number in range(len(bars))]
    parts = parts_of(drawn)
    sizes = np.array([[kilobytes(each, way, part) for part in parts] for each, way in bars])
    starts = sizes.cumsum(1) - sizes
    for number, part in enumerate(parts):
        if sizes[:, number].any():
            style: Any = {"color": _of(_COLOURS, number), "hatch": _of(_HATCHES, number)}
            style |= {"edgecolor": "white", "linewidth": 0.3}
            axes.barh(places, sizes[:, number], 0.42, left=starts[:, number], label=part, **style)
    for place, row, (_, way) in zip(places, sizes, bars, strict=True):
        words, end = f"{way}: {size_in_words(row, parts)}", (row.sum(), place)
        axes.annotate(words, end, (3, 0), textcoords="offset points", va="center", fontsize=7)
    middles = [place + 0.225 for place in places[::2]]
    axes.set_yticks(middles, [fill(plain(each.label), _LABEL) for each in drawn], fontsize=8)
    axes.set_ylim(places[-1] + 0.7, -0.7)
    axes.set_xlim(0, 1.35 * max(sizes.sum(1).max(), 1e-3))
    axes.set_xlabel(BYTES_OF_A_ROUND)
    axes.grid(axis="x", alpha=0.25)
    _finish(figure, notes)
    return figure


def _choice(groups: list[Group]) -> list[str]:
    """What to say about the groups that are shown."""
    rule = "those with the highest server accuracy in the last round; the table has all"
    return [f"{MOST_SHOWN} of {len(groups)} shown, {rule}"] if len(groups) > MOST_SHOWN else []


def style(number: int, points: int) -> Any:
    """How the line of this number in a picture looks: told apart in black and white, too.

    Args:
        points: that it has; markers of lines that lie together stay apart.
    """
    again = number // len(_COLOURS)
    step = max(1, points // 8)
    return {
        "color": _of(_COLOURS, number),
        "linestyle": _of(_LINES, number + again),
        "marker": _of(_MARKERS, number + 3 * again),
        "markevery": (number % step, step),
        "markersize": 5,
        "linewidth": 1.3,
    }


def _line(axes: Axes, number: int, label: str, curve: Curve) -> None:
    axes.plot(curve.x, curve.mean, label=fill(plain(label), _LABEL), **style(number, len(curve.x)))


def _band(axes: Axes, number: int, curve: Curve) -> None:
    low, high = curve.mean - curve.spread, curve.mean + curve.spread
    if len(curve.x) == 1:
        axes.errorbar(curve.x, curve.mean, curve.spread, color=_COLOURS[number], capsize=4, linewidth=1)
    else:
        axes.fill_between(curve.x, low, high, color=_COLOURS[number], alpha=0.15, linewidth=0)


def _x_axis(axes: Axes, over: Over, curves: list[Curve]) -> None:
    log = over == "bytes" and logarithmic(curves)
    axes.set_xlabel(f"{OVER[over]}{', logarithmic' * log}")
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_xlim(0, 1.03 * max((curve.x[-1] for curve in curves if len(curve.x)), default=1))
    if over == "rounds":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def _of(cycle: tuple[str, ...], number: int) -> str:
    return cycle[number % len(cycle)]


def plain(label: str) -> str:
    """A label as matplotlib shows it letter by letter."""
    label = label.replace("$", "\\$")  # else matplotlib reads mathematics
    return f" {label}" if label.startswith("_") else label  # else it leaves the label out


def _finish(figure: Figure, notes: list[str]) -> None:
    axes = figure.axes[0]
    axes.set_axisbelow(True)
    axes.set_title("\n".join(fill(plain(note), 100) for note in notes), fontsize=8, loc="left")
    handles, names = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, fontsize=8, handlelength=3, loc="outside right upper")
