"""What the pictures and the report draw: means over seeds, by round, megabytes or simulated time. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scarlet_pl.report.groups import Group

MOST_SHOWN = 10
PARTS = ("labels", "indices", "signals", "catch_up", "weights")
"""Of the messages; the first of them, in this order."""

OVER = {
    "rounds": "communication rounds",
    "bytes": "sent by all, up and down [MB = 10⁶ bytes]",
    "time": "simulated time [s]",
}
BYTES_OF_A_ROUND = "mean of a round, all clients [kB = 10³ bytes]"
"""What the axes are called."""

Array = NDArray[np.float64]
Who = Literal["server", "client"]
Over = Literal["rounds", "bytes", "time"]

_SO_FAR = {"bytes": ("bytes/cumulative", 1e6), "time": ("time/total", 1.0)}


@dataclass(frozen=True)
class Curve:
    """Means over the seeds of a group, (n,) each.

    Attributes:
        x: rounds from 1, megabytes (10⁶ bytes) or simulated seconds.
        mean: of the seeds.
        spread: their standard deviation; 0 with one seed.
    """

    x: Array
    mean: Array
    spread: Array

    def at(self, places: NDArray[np.bool_], x: Array) -> Curve:
        """Some of its points, over another x."""
        return Curve(x, self.mean[places], self.spread[places])


def curve(group: Group, column: str) -> Curve:
    """A column of rounds.csv, in the rounds that the group's runs have in common.

    A run without any value, as one that was cut short before clients were evaluated, does not count.
    """
    series = [known for run in group.runs if (known := run.series(column))] or [{}]
    rounds = sorted(set.intersection(*map(set, series)))
    values = np.array([[each[round] for round in rounds] for each in series], dtype=np.float64)
    spread = values.std(0, ddof=1) if len(series) > 1 else np.zeros(len(rounds))
    return Curve(np.array(rounds, dtype=np.float64), values.mean(0), spread)


def accuracy(group: Group, who: Who, over: Over = "rounds") -> Curve:
    """Mean accuracy over rounds, or over the mean of the megabytes or simulated seconds so far, where these are > 0."""
    found = curve(group, f"{who}/accuracy")
    if over == "rounds":
        return found
    column, unit = _SO_FAR[over]
    so_far = curve(Group(group.label, [run for run in group.runs if run.series(f"{who}/accuracy")]), column)
    known, x = np.isin(found.x, so_far.x), so_far.mean[np.isin(so_far.x, found.x)] / unit
    found = found.at(known, x)
    return found.at(x > 0, x[x > 0])


def logarithmic(curves: list[Curve]) -> bool:
    """Whether these end so far apart, more than ten times, that a linear axis would hide the shorter."""
    ends = [each.x[-1] for each in curves if len(each.x)]
    return bool(max(ends, default=1) > 10 * min(ends, default=1))


def shown(groups: list[Group]) -> list[Group]:
    """The groups that a picture shows, in their order: at most ten, those with the highest server accuracy in the last
    round, then with the highest client accuracy."""

    def last(group: Group) -> tuple[float, float]:
        known = [[v for v in group.values(f"{who}_accuracy") if v is not None] for who in ("server", "client")]
        return float(np.mean(known[0] or [-1])), float(np.mean(known[1] or [-1]))

    best = sorted(groups, key=last, reverse=True)[:MOST_SHOWN]
    return [each for each in groups if each in best]


def parts_of(groups: list[Group]) -> list[str]:
    """What the messages of these runs consist of: a method's own parts after the usual ones, `frame` last."""
    columns = (name for each in groups for run in each.runs for row in run.rows for name in row)
    found = {name.split("/")[2] for name in columns if name.startswith(("bytes/up/", "bytes/down/"))}
    return [part for part in PARTS if part in found] + sorted(found - {*PARTS, "frame"}) + ["frame"]


def kilobytes(group: Group, way: str, part: str) -> float:
    """10³ bytes of a part in the mean round and seed, all clients, "up" or "down"."""
    series = [list(run.series(f"bytes/{way}/{part}").values()) for run in group.runs]
    return float(np.mean([np.mean(values or [0]) for values in series])) / 1e3


def size_in_words(kilobytes: Array, parts: list[str]) -> str:
    """The total of a message's parts, and the largest part's share of it."""
    total = kilobytes.sum()
    if not total:
        return "nothing"
    size = f"{total:,.0f}" if total >= 100 else f"{total:#.3g}"
    return f"{size} kB, {kilobytes.max() / total:.0%} {parts[int(kilobytes.argmax())]}"
