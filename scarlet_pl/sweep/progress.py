"""How far a sweep is: a line for each cell that ended, and in a terminal the rounds of those that run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from scarlet_pl.report.runs import Run
from scarlet_pl.sweep.folder import Work


class Progress:
    """Lines on standard output.

    Args:
        finished: cells that were finished before.
        waiting: the others.
    """

    def __init__(self, finished: int, waiting: Sequence[Work]) -> None:
        self._console, self._done, self._all = Console(), finished, finished + len(waiting)
        self._left = {each.cell.label: each.rounds - each.rounds_done for each in waiting}
        self._todo = sum(self._left.values())
        self._live = Live(console=self._console, refresh_per_second=2, transient=True)
        self._started, self._begun = time.monotonic(), dict[str, float]()
        if finished:
            self._say(f"{finished} of {self._all} cells are finished already")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, running: Sequence[Work]) -> None:
        """The cells that run and their rounds."""
        rows = Table.grid(padding=(0, 2))
        for each in running:
            done = each.rounds_done
            self._begun.setdefault(each.cell.label, time.monotonic())
            self._left[each.cell.label] = each.rounds - done
            rows.add_row(each.cell.label, f"round {min(done + 1, each.rounds)}/{each.rounds}")
        rows.add_row(f"{self._done}/{self._all} cells", self._time_left())
        if self._console.is_terminal:
            self._live.update(rows)

    def ended(self, work: Work, run: Run | None, why: str = "") -> None:
        """A cell has ended.

        Args:
            run: what became of it; None where it failed.
            why: it failed.
        """
        self._done += 1
        took = _words(time.monotonic() - self._begun.get(work.cell.label, time.monotonic()))
        self._left[work.cell.label] = 0
        said = f"failed: {why} (log: {work.log})" if run is None else _came_to(run)
        self._say(f"[{self._done}/{self._all}] {work.cell.label}: {said}; took {took}{self._time_left('; ')}")

    def _say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, highlight=False, markup=False)

    def _time_left(self, before: str = "") -> str:
        """From the seconds that a round took so far, of whichever cells."""
        left = sum(self._left.values())
        seconds = (time.monotonic() - self._started) * left / max(self._todo - left, 1)
        return f"{before}about {_words(seconds)} left" if 0 < left < self._todo else ""


def print_plan(work: Sequence[Work], megabytes: Sequence[tuple[float, float, bool]]) -> None:
    """The cells, how far each is, and what it will send."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("cell", "rounds done", "MB up", "MB down"):
        table.add_column(column, justify="left" if column == "cell" else "right", no_wrap=True)
    for each, (up, down, exact) in zip(work, megabytes, strict=True):
        bound = "" if exact else "≤ "
        done = f"{each.rounds_done}/{each.rounds}"
        table.add_row(Text(each.cell.label), done, f"{bound}{up:,.3f}", f"{bound}{down:,.3f}")
    total = sum(up + down for up, down, _ in megabytes)
    console = Console()
    console.print(table)
    some = "at most " if not all(exact for *_, exact in megabytes) else ""
    console.print(f"{len(work)} cells, {some}{total:,.3f} MB (10⁶ bytes) up and down", highlight=False)


def _came_to(run: Run) -> str:
    known = {who: run.summary[f"{who}_accuracy"] for who in ("server", "client")}
    said = [f"{who} {value:.4f}" for who, value in known.items() if value is not None]
    sent = (run.summary["bytes_up"] or 0) + (run.summary["bytes_down"] or 0)
    return ", ".join([*said, f"{sent / 1e6:.3f} MB"])


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
