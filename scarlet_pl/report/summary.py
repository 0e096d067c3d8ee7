"""The short table at the end of a run."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from scarlet_pl.run_files import SUMMARY


def print_summary(run_dir: Path, console: Console | None = None) -> None:
    """Accuracy, hit rate and megabytes of the run in `run_dir`, the same bytes without a cache, where it lies and
    what can be done with it."""
    console = console or Console()
    path = Path(run_dir) / SUMMARY
    if path.exists():
        console.print(summary_table(json.loads(path.read_text())))
    link = Style(link=Path(run_dir).absolute().as_uri())
    console.print("run in", Text(str(run_dir), link), soft_wrap=True, highlight=False)
    folder = shlex.quote(str(run_dir))
    commands = {"its charts": f"tensorboard --logdir {folder}", "with others": f"scarlet-pl compare {folder} OTHER_RUN"}
    if find_spec("plotly"):
        commands["to send on"] = f"scarlet-pl report {folder}"
    for why, command in commands.items():
        console.print(f"  {why:12} {command}", soft_wrap=True, highlight=False, markup=False)


def print_metrics(metrics: dict[str, float], console: Console | None = None) -> None:
    """Names and values, a line each."""
    table = Table(show_header=False)
    for name, value in metrics.items():
        table.add_row(name, f"{value:.4f}")
    (console or Console()).print(table)


def summary_table(summary: dict[str, Any]) -> Table:
    """Accuracy, hit rate and megabytes, from what `summary.json` holds."""
    table = Table(show_header=True, header_style="bold")
    table.add_column(f"after {summary['rounds']} round{'s' * (summary['rounds'] != 1)}, {summary['seconds']:.1f} s")
    for name in ("last", "best"):
        table.add_column(name, justify="right")
    for who in ("server", "client"):
        values = (summary[f"{who}_accuracy"], summary[f"{who}_accuracy_best"])
        table.add_row(f"{who} accuracy", *("–" if value is None else f"{value:.4f}" for value in values))
    table.add_section()
    if summary.get("without_cache") is not None:
        table.add_row("cache hit rate, all rounds", f"{summary['cache_hit_rate']:.1%}", "")
        table.add_section()
    table.add_row("[bold]megabytes (10⁶ bytes)[/bold]", "[bold]up[/bold]", "[bold]down[/bold]")
    estimated = " (estimated)" if summary.get("without_cache") == "estimated" else ""
    for label, key in (
        ("as sent", "bytes"),
        (f"without a cache{estimated}", "no_cache_bytes"),
        ("official count", "paper_bytes"),
        ("official count, without a cache", "no_cache_paper_bytes"),
    ):
        sent = [summary[f"{key}_{direction}"] for direction in ("up", "down")]
        if None not in sent:
            table.add_row(label, *(f"{value / 1e6:.3f}" for value in sent))
    return table


def as_text(show: Callable[[Console], object], width: int = 80) -> str:
    """What `show` prints to a console, as plain text."""
    text = io.StringIO()
    show(Console(file=text, width=width, force_jupyter=False, force_terminal=False))
    return text.getvalue()
