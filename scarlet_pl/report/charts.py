"""The report's interactive charts, as what plotly.js draws. Legible without colour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from math import isfinite
from textwrap import wrap
from typing import Any

import numpy as np
from plotly import graph_objects as go

from scarlet_pl.report.curves import (
    BYTES_OF_A_ROUND,
    OVER,
    Curve,
    Over,
    Who,
    accuracy,
    curve,
    kilobytes,
    logarithmic,
    parts_of,
    shown,
    size_in_words,
)
from scarlet_pl.report.groups import Group, timed

_COLOURS = (
    *("#2b7bba", "#d95f02", "#0a8f68", "#b85aa0", "#a07800", "#7b6fd0"),  # each seen well on white and on black
    *("#c2405a", "#118ea3", "#6b8e23", "#808080"),
)
_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star", "hexagon", "pentagon")
_DASHES = ("solid", "dash", "dashdot", "dot")
_HATCHES = ("", "/", ".", "x", "\\", "|")
_LABEL, _BAR, _AROUND = 24, 36, 130  # characters in a line; pixels of a bar, and of what is around the bars


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        title: what it shows.
        notes: what a reader must know of it.
        figure: data and layout for plotly.js, without what differs between light and dark, wide and narrow.
    """

    title: str
    notes: list[str]
    figure: dict[str, Any]


def charts(groups: list[Group]) -> list[Chart]:
    """Accuracy over rounds, megabytes and, where it is simulated, time; the clients' accuracy; the bytes of a round by
    part; the hit rate. Without those of which the runs know nothing."""
    found = [
        _accuracy("Server accuracy over rounds", groups, "server", "rounds"),
        _accuracy("Server accuracy over megabytes", groups, "server", "bytes"),
        _accuracy("Server accuracy over simulated time", groups, "server", "time") if timed(groups) else None,
        _accuracy("Client accuracy over rounds", groups, "client", "rounds"),
        _parts(groups),
        _hit_rate(groups),
    ]
    return [chart for chart in found if chart is not None]


def _accuracy(title: str, groups: list[Group], who: Who, over: Over) -> Chart | None:
    curves = [accuracy(each, who, over) for each in groups]
    log = over == "bytes" and logarithmic(curves)
    x_axis = {"title": {"text": f"{OVER[over]}{', logarithmic' * log}"}, "type": "log" if log else "linear"}
    return _lines(title, groups, curves, x_axis, f"{who} accuracy")


def _hit_rate(groups: list[Group]) -> Chart | None:
    curves = [curve(each, "cache/hit_rate") for each in groups]
    with_cache = [found if found.mean.any() else found.at(found.mean > 0, found.x[:0]) for found in curves]
    x_axis = {"title": {"text": OVER["rounds"]}}
    return _lines("Cache hit rate", groups, with_cache, x_axis, "hits / drawn samples", "there was no hit")


def _lines(
    title: str,
    groups: list[Group],
    curves: list[Curve],
    x_axis: Any,
    y_title: str,
    lacking: str = "nothing of it was measured",
) -> Chart | None:
    """A line for each group; None where there is nothing to draw.

    Args:
        lacking: why a group has no line.
    """
    lines = [(number, each, points) for number, (each, points) in enumerate(zip(groups, curves, strict=True))]
    known, drawn = [each for _, each, points in lines if len(points.x)], shown(groups)
    traces = [
        trace
        for number, each, points in lines
        if each in known
        for trace in _line(number, each, points, True if each in drawn else "legendonly")
    ]
    y_axis = {"title": {"text": y_title}, "minallowed": -0.02, "maxallowed": 1.02}
    layout = {"xaxis": {"rangemode": "tozero", **x_axis}, "yaxis": y_axis, "hovermode": "closest"}
    return Chart(title, _choice(groups, known, drawn, lacking), _plain(go.Figure(traces, layout))) if traces else None


def _choice(groups: list[Group], known: list[Group], drawn: list[Group], lacking: str) -> list[str]:
    """What to say of the groups that a chart does not show."""
    without = [each.label for each in groups if each not in known]
    notes = [f"Not in this chart, since {lacking}: {', '.join(without)}."] if without else []
    hidden = [each for each in known if each not in drawn]
    if hidden:
        rule = (
            "at first those with the highest server accuracy in the last round; a click on the legend shows the others"
        )
        notes.append(f"{len(known) - len(hidden)} of {len(known)} lines are drawn, {rule}.")
    return notes


def _line(number: int, group: Group, points: Curve, visible: bool | str) -> list[Any]:
    """The mean, and a band of ± one standard deviation where there are two seeds or more."""
    colour, again = _of(_COLOURS, number), number // len(_COLOURS)
    seeds, single = len(group.runs) > 1, len(points.x) == 1
    common = {"name": _letters(group.label), "legendgroup": str(number), "visible": visible}
    x, mean, spread = _values(points.x), _values(points.mean), _values(points.spread)
    mean_line = go.Scatter(
        x=x,
        y=mean,
        customdata=spread,
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": _of(_DASHES, number + again)},
        marker={"symbol": _of(_SYMBOLS, number + 3 * again), "size": 7, "maxdisplayed": 9},
        error_y={"type": "data", "array": spread} if seeds and single else None,
        hovertemplate="%{x:.4~g}: %{y:.4f}" + " ± %{customdata:.4f}" * seeds,
        **common,
    )
    if not seeds or single:
        return [mean_line]
    low, high = _values(points.mean - points.spread), _values(points.mean + points.spread)
    edge = {"x": x + x[::-1], "y": high + low[::-1], "line": {"width": 0}, "mode": "lines"}
    look = {"fill": "toself", "fillcolor": colour, "opacity": 0.15, "hoverinfo": "skip", "showlegend": False}
    return [go.Scatter(**edge, **look, **common), mean_line]


def _parts(groups: list[Group]) -> Chart:
    """Two bars a group, up and down, on one linear scale; what is too small to see is in words."""
    drawn = shown(groups)
    bars = [(each, way) for each in drawn for way in ("up", "down")]
    names = [_in_lines(f"{each.label} {way}") for each, way in bars]
    parts = parts_of(drawn)
    sizes = np.array([[kilobytes(each, way, part) for part in parts] for each, way in bars])
    traces = [_bars(number, part, names, sizes[:, number]) for number, part in enumerate(parts)]
    layout = {
        "barmode": "stack",
        "height": _AROUND + _BAR * len(bars),
        "xaxis": {"title": {"text": BYTES_OF_A_ROUND}, "range": [0, 1.35 * max(float(sizes.sum(1).max()), 1e-3)]},
        "yaxis": {"type": "category", "autorange": "reversed"},
        "annotations": [_words(name, row, parts) for name, row in zip(names, sizes, strict=True)],
    }
    rule = f"{len(drawn)} of {len(groups)} are shown, those with the highest server accuracy in the last round."
    notes = [rule] if len(drawn) < len(groups) else []
    return Chart("Bytes of a round by part", notes, _plain(go.Figure(traces, layout)))


def _bars(number: int, part: str, names: list[str], sizes: Any) -> Any:
    return go.Bar(
        name=_letters(part),
        x=_values(sizes),
        y=names,
        orientation="h",
        marker={"color": _of(_COLOURS, number), "pattern": {"shape": _of(_HATCHES, number), "solidity": 0.2}},
        hovertemplate="%{x:.4~g} kB",
        visible=bool(sizes.any()),
    )


def _words(name: str, row: Any, parts: list[str]) -> dict[str, Any]:
    text = _letters(size_in_words(row, parts))
    return {"x": _values(row.sum(keepdims=True))[0], "y": name, "text": text, "xanchor": "left", "showarrow": False}


def _plain(figure: Any) -> dict[str, Any]:
    """What plotly.js gets of a figure; without plotly's own look."""
    found: dict[str, Any] = figure.to_plotly_json()
    found["layout"].pop("template", None)
    return found


def _values(numbers: Iterable[float]) -> list[float | None]:
    """As JSON knows numbers."""
    return [float(each) if isfinite(each) else None for each in numbers]


def _letters(text: str) -> str:
    """A text that plotly.js shows letter by letter: it takes some of HTML for marks."""
    return escape(text, quote=False)


def _in_lines(text: str) -> str:
    return "<br>".join(map(_letters, wrap(text, _LABEL)))


def _of(cycle: tuple[str, ...], number: int) -> str:
    return cycle[number % len(cycle)]
