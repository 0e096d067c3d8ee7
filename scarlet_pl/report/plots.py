"""The pictures of a comparison. Legible without colour: each method has a marker and a line of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from scarlet_pl.report.compare import Group

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
_LINES = ("-", "--", "-.", ":")
_HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++")
_PARTS = ("labels", "indices", "signals", "catch_up", "weights", "frame")


def draw_all(groups: list[Group], out: Path) -> None:
    """`accuracy_over_rounds`, `accuracy_over_bytes` and `bytes_by_part`, each as PNG and SVG, into `out`."""
    for name, figure in (
        ("accuracy_over_rounds", accuracy_figure(groups, over_bytes=False)),
        ("accuracy_over_bytes", accuracy_figure(groups, over_bytes=True)),
        ("bytes_by_part", parts_figure(groups)),
    ):
        FigureCanvasAgg(figure)
        for suffix in ("png", "svg"):
            figure.savefig(out / f"{name}.{suffix}", dpi=130)


def accuracy_figure(groups: list[Group], over_bytes: bool) -> Figure:
    """Server accuracy over rounds, or over the megabytes sent so far on a logarithmic axis: a line a run."""
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.add_subplot()
    for number, each in enumerate(groups):
        for which, run in enumerate(each.runs):
            x, y = run.series("server/accuracy")
            if over_bytes:
                sent = dict(zip(*run.series("bytes/cumulative"), strict=True))
                points = [(sent[r] / 1e6, value) for r, value in zip(x, y, strict=True) if sent.get(r)]
                x, y = [p[0] for p in points], [p[1] for p in points]
            if not x:
                continue
            axes.plot(
                x,
                y,
                label=each.label if which == 0 else None,
                color=_COLOURS[number % len(_COLOURS)],
                linestyle=_LINES[number % len(_LINES)],
                marker=_MARKERS[number % len(_MARKERS)],
                markevery=max(1, len(x) // 8),
                markersize=5,
                linewidth=1.2,
                alpha=0.9,
            )
    if over_bytes:
        axes.set_xscale("log")
    axes.set_xlabel("sent by all, up and down [MB = 10⁶ bytes]" if over_bytes else "communication rounds")
    axes.set_ylabel("server accuracy on the whole test set")
    _finish(figure)
    return figure


def parts_figure(groups: list[Group]) -> Figure:
    """What a round's bytes are spent on: shares by part, up and down, and above each bar the mean of a round. Shares,
    because methods differ by factors of thousands; those that send nothing are left out."""
    figure = Figure(figsize=(max(6.0, 1.1 * len(groups) + 2.5), 4.8), layout="constrained")
    axes = figure.add_subplot()
    bars = [(each, way) for each in groups for way in ("up", "down")]
    totals = [sum(_kilobytes(each, way, part) for part in _PARTS) for each, way in bars]
    places = [number + (0.1 if number % 2 else 0.25) for number in range(len(bars))]
    shown = [number for number, total in enumerate(totals) if total]
    bottom = [0.0] * len(bars)
    for number, part in enumerate(_PARTS):
        shares = [100 * _kilobytes(*bars[bar], part) / totals[bar] for bar in shown]
        if not any(shares):
            continue
        axes.bar(
            [places[bar] for bar in shown],
            shares,
            0.8,
            bottom=[bottom[bar] for bar in shown],
            label=part,
            color=_COLOURS[number % len(_COLOURS)],
            hatch=_HATCHES[number % len(_HATCHES)],
            edgecolor="white",
            linewidth=0.4,
        )
        for bar, share in zip(shown, shares, strict=True):
            bottom[bar] += share
    for bar in shown:
        axes.annotate(f"{totals[bar]:.3g} kB", (places[bar], 101), ha="center", fontsize=7)
    axes.set_xticks(
        [places[bar] for bar in shown],
        [f"{bars[bar][0].label}\n{bars[bar][1]}" for bar in shown],
        fontsize=7,
        rotation=45,
        ha="right",
    )
    axes.set_ylim(0, 108)
    axes.set_ylabel("share of a round's bytes [%]")
    axes.set_title("above each bar: mean of a round, all clients [kB = 10³ bytes]", fontsize=9)
    _finish(figure)
    if axes.get_legend() is not None:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _kilobytes(each: Group, way: str, part: str) -> float:
    values = [value for run in each.runs for value in run.series(f"bytes/{way}/{part}")[1]]
    return sum(values) / len(values) / 1e3 if values else 0.0


def _finish(figure: Figure) -> None:
    axes = figure.axes[0]
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
