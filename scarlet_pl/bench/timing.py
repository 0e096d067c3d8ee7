"""Timing of the sides of a benchmark, in turn, so that a slow moment of the machine hits all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

from rich.console import Console
from rich.table import Table


def race(sides: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each side, `repeats` times, the sides in turn; each is run once before."""
    for side in sides.values():
        side()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def report(title: str, seconds: dict[str, list[float]], base: str) -> None:
    """Print minimum, median and maximum of each side, and the ratio of its median to that of `base`."""
    table = Table(title=title)
    for column in ("", "min [s]", "median [s]", "max [s]", f"median / {base}"):
        table.add_column(column, justify="right" if column else "left")
    for name, values in seconds.items():
        ratio = median(values) / median(seconds[base])
        table.add_row(name, *(f"{v:.4f}" for v in (min(values), median(values), max(values))), f"{ratio:.4f}")
    Console(width=110).print(table)
