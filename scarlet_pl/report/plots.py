"""The pictures of a comparison. Legible without colour: each method has a marker and a line of its own."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from scarlet_pl.report.groups import Group

MOST_SHOWN = 10

_COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"),  # Okabe and Ito, without yellow
    *("#882255", "#44AA99", "#999999"),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
_LINES = ("-", "--", "-.", ":")
_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "||||")
_PARTS = ("labels", "indices", "signals", "catch_up", "weights")  # the first, in this order
_AXES = {
    "server": "server accuracy on the whole test set",
    "client": "mean accuracy of all clients on their own test shards",
}
_Over = Literal["rounds", "bytes", "time"]
_LACKING = {"rounds": "", "bytes": " or nothing sent", "time": " or no simulated time"}
_LABEL = 32  # characters in a line

_Array = NDArray[np.float64]


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
    if any(run.timed for each in groups for run in each.runs):
        figures["accuracy_over_time"] = accuracy_figure(groups, "server", "time")
    for name, figure in figures.items():
        FigureCanvasAgg(figure)
        for suffix in ("png", "svg"):
            figure.savefig(out / f"{name}.{suffix}", dpi=130)


def accuracy_figure(groups: list[Group], who: Literal["server", "client"], over: _Over = "rounds") -> Figure:
    """Mean accuracy over rounds, or over the mean of the megabytes sent or of the simulated seconds so far, a line a
    group.

    A band of ± one standard deviation where there are two seeds or more. Megabytes are on a logarithmic axis where
    the groups' totals differ by more than ten times.
    """
    shown, notes = _shown(groups)
    figure = Figure(figsize=(9, 4.8), layout="constrained")
    axes = figure.add_subplot()
    curves = [_accuracy(each, who, over) for each in shown]
    for number, (each, (x, mean, spread)) in enumerate(zip(shown, curves, strict=True)):
        if len(x):
            _line(axes, number, each.label, (x, mean))
        if len(x) and len(each.runs) > 1:
            _band(axes, number, (x, mean, spread))
    without = [each.label for each, (x, _, _) in zip(shown, curves, strict=True) if not len(x)]
    if without:
        notes.append(f"not shown: {', '.join(without)} (no {who} accuracy{_LACKING[over]})")
    if any(len(each.runs) > 1 for each in shown):
        notes.insert(0, "mean ± standard deviation over seeds")
    axes.set_ylabel(_AXES[who])
    {"rounds": _round_axis, "bytes": _byte_axis, "time": _time_axis}[over](
        axes, [x[-1] for x, _, _ in curves if len(x)]
    )
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.02), min(high, 1.02))  # a band may reach further
    axes.grid(alpha=0.25)
    _finish(figure, notes)
    return figure


def parts_figure(groups: list[Group]) -> Figure:
    """The mean bytes of a round by part, two bars a group on one linear scale; what is too small to see is in words."""
    shown, notes = _shown(groups)
    figure = Figure(figsize=(9, 1.4 + 0.5 * len(shown)), layout="constrained")
    axes = figure.add_subplot()
    bars = [(each, way) for each in shown for way in ("up", "down")]
    places = [1.25 * (number // 2) + 0.45 * (number % 2) for number in range(len(bars))]
    parts = parts_of(shown)
    sizes = np.array([[_kilobytes(each, way, part) for part in parts] for each, way in bars])
    starts = sizes.cumsum(1) - sizes
    for number, part in enumerate(parts):
        if sizes[:, number].any():
            style: Any = {"color": _of(_COLOURS, number), "hatch": _of(_HATCHES, number)}
            style |= {"edgecolor": "white", "linewidth": 0.3}
            axes.barh(places, sizes[:, number], 0.42, left=starts[:, number], label=part, **style)
    for place, row, (_, way) in zip(places, sizes, bars, strict=True):
        words, end = f"{way}: {_said(row, parts)}", (row.sum(), place)
        axes.annotate(words, end, (3, 0), textcoords="offset points", va="center", fontsize=7)
    middles = [place + 0.225 for place in places[::2]]
    axes.set_yticks(middles, [fill(plain(each.label), _LABEL) for each in shown], fontsize=8)
    axes.set_ylim(places[-1] + 0.7, -0.7)
    axes.set_xlim(0, 1.35 * max(sizes.sum(1).max(), 1e-3))
    axes.set_xlabel("mean of a round, all clients [kB = 10³ bytes]")
    axes.grid(axis="x", alpha=0.25)
    _finish(figure, notes)
    return figure


def parts_of(groups: list[Group]) -> list[str]:
    """What the messages of these runs consist of: a method's own parts after the usual ones, `frame` last."""
    columns = (name for each in groups for run in each.runs for row in run.rows for name in row)
    found = {name.split("/")[2] for name in columns if name.startswith(("bytes/up/", "bytes/down/"))}
    return [part for part in _PARTS if part in found] + sorted(found - {*_PARTS, "frame"}) + ["frame"]


def curve(group: Group, column: str) -> tuple[_Array, _Array, _Array]:
    """(rounds, means, standard deviations) of a column of rounds.csv, in the rounds that the runs have in common.

    A run without any value, as one that was cut short before clients were evaluated, does not count.
    """
    series = [known for run in group.runs if (known := run.series(column))] or [{}]
    rounds = sorted(set.intersection(*map(set, series)))
    values = np.array([[each[round] for round in rounds] for each in series], dtype=np.float64)
    spread = values.std(0, ddof=1) if len(series) > 1 else np.zeros(len(rounds))
    return np.array(rounds, dtype=np.float64), values.mean(0), spread


def _shown(groups: list[Group]) -> tuple[list[Group], list[str]]:
    """The groups that a picture shows, in their order, and what to say about the choice."""
    if len(groups) <= MOST_SHOWN:
        return groups, []

    def last(group: Group) -> tuple[float, float]:
        known = [[v for v in group.values(f"{who}_accuracy") if v is not None] for who in ("server", "client")]
        return float(np.mean(known[0] or [-1])), float(np.mean(known[1] or [-1]))

    best = sorted(groups, key=last, reverse=True)[:MOST_SHOWN]
    rule = "those with the highest server accuracy in the last round; the table has all"
    return [each for each in groups if each in best], [f"{MOST_SHOWN} of {len(groups)} shown, {rule}"]


def _accuracy(group: Group, who: str, over: _Over) -> tuple[_Array, _Array, _Array]:
    """(rounds, megabytes or seconds, mean accuracies, standard deviations)."""
    x, mean, spread = curve(group, f"{who}/accuracy")
    if over == "rounds":
        return x, mean, spread
    column, unit = ("bytes/cumulative", 1e6) if over == "bytes" else ("time/total", 1.0)
    rounds, so_far, _ = curve(group, column)
    known = np.isin(x, rounds)
    mean, spread, x = mean[known], spread[known], so_far[np.isin(rounds, x)] / unit
    return x[x > 0], mean[x > 0], spread[x > 0]


def style(number: int, points: int) -> Any:
    """How the so-manieth line of a picture looks: told apart in black and white, too.

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


def _line(axes: Axes, number: int, label: str, points: tuple[_Array, _Array]) -> None:
    axes.plot(*points, label=fill(plain(label), _LABEL), **style(number, len(points[0])))


def _band(axes: Axes, number: int, points: tuple[_Array, _Array, _Array]) -> None:
    x, mean, spread = points
    if len(x) == 1:
        axes.errorbar(x, mean, spread, color=_COLOURS[number], capsize=4, linewidth=1)
    else:
        axes.fill_between(x, mean - spread, mean + spread, color=_COLOURS[number], alpha=0.15, linewidth=0)


def _round_axis(axes: Axes, ends: list[float]) -> None:
    axes.set_xlabel("communication rounds")
    axes.set_xlim(0, 1.03 * max(ends, default=1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def _byte_axis(axes: Axes, ends: list[float]) -> None:
    axes.set_xlabel("sent by all, up and down [MB = 10⁶ bytes]")
    if max(ends, default=1) > 10 * min(ends, default=1):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("sent by all, up and down [MB = 10⁶ bytes], logarithmic")
    else:
        axes.set_xlim(0, 1.03 * max(ends, default=1))


def _time_axis(axes: Axes, ends: list[float]) -> None:
    axes.set_xlabel("simulated time [s]")
    axes.set_xlim(0, 1.03 * max(ends, default=1))


def _kilobytes(group: Group, way: str, part: str) -> float:
    series = [list(run.series(f"bytes/{way}/{part}").values()) for run in group.runs]
    return float(np.mean([np.mean(values or [0]) for values in series])) / 1e3


def _said(row: _Array, parts: list[str]) -> str:
    """What stands at the end of a bar: the total, and the largest part's share of it."""
    total = row.sum()
    if not total:
        return "nothing"
    size = f"{total:,.0f}" if total >= 100 else f"{total:#.3g}"
    return f"{size} kB, {row.max() / total:.0%} {parts[int(row.argmax())]}"


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
