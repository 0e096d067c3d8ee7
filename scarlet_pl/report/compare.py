"""Runs side by side: a Markdown table and, into a folder, pictures. Reads run folders, imports no torch."""

from __future__ import annotations

from math import floor, log10
from os.path import realpath
from pathlib import Path
from statistics import fmean, stdev

from scarlet_pl.errors import ConfigError
from scarlet_pl.report.groups import Group, by_run, by_seed
from scarlet_pl.report.runs import read_run


def compare(folders: list[Path], targets: list[float], over_seeds: bool, out: Path | None) -> tuple[str, list[str]]:
    """The table of these runs, and what a reader must know of them, a line each.

    Args:
        folders: of the runs; one that is given twice counts once.
        targets: server accuracies, for the megabytes to reach them.
        over_seeds: whether the runs of one configuration make one row.
        out: folder for both as compare.md, with pictures; None for neither.

    Raises:
        ConfigError: a folder holds no run, a file in it is damaged, or `out` cannot be written.
    """
    runs = [read_run(folder) for folder in {realpath(folder): folder for folder in folders}.values()]
    groups, notes = by_seed(runs) if over_seeds else by_run(runs)
    left_out = len(runs) - sum(len(each.runs) for each in groups)
    text = f"{table(groups, targets)}\n\nMB = 10⁶ bytes, all clients and rounds."
    text += " Mean ± standard deviation over seeds." if over_seeds else ""
    text += f" {left_out} of {len(runs)} runs left out: a seed counts once." if left_out else ""
    if out is not None:
        _write(groups, "\n".join([text, "", *(f"- {note}" for note in notes)]).rstrip() + "\n", out)
    return text, notes


def table(groups: list[Group], targets: list[float]) -> str:
    """The Markdown table: accuracies, megabytes, megabytes and, where it is simulated, time to each
    target; mean ± standard deviation over seeds."""
    columns = ["method", "seeds", "rounds", "server, last", "server, best", "clients, last", "clients, best"]
    columns += ["MB up", "MB down", *(f"MB to {target:g}" for target in targets)]
    timed = any(run.timed for each in groups for run in each.runs)
    columns += [f"s to {target:g}" for target in targets if timed]
    lines = [_row(columns), "|" + "---|" + "---:|" * (len(columns) - 1)]
    for each in groups:
        rounds = dict.fromkeys((min(each.values("rounds")), max(each.values("rounds"))))
        cells = [each.label.replace("|", "\\|"), str(len(each.runs)), "–".join(map(str, rounds))]
        for key in ("server_accuracy", "server_accuracy_best", "client_accuracy", "client_accuracy_best"):
            cells.append(spread(each.values(key)))
        for key in ("bytes_up", "bytes_down"):
            cells.append(spread([value / 1e6 for value in each.values(key)]))
        cells += [spread([run.megabytes_to(target) for run in each.runs]) for target in targets]
        cells += [spread([run.seconds_to(target) for run in each.runs]) for target in targets if timed]
        lines.append(_row(cells))
    return "\n".join(lines)


def spread(values: list[float | None]) -> str:
    """Mean ± standard deviation, to the second digit of the deviation; "n.a." where nothing is known."""
    known = [value for value in values if value is not None]
    if not known:
        return "n.a."
    deviation = stdev(known) if len(known) > 1 else 0.0
    decimals = min(_decimals(deviation, 2), _decimals(fmean(known), 6)) if deviation else _decimals(fmean(known), 4)
    text = f"{fmean(known):.{decimals}f}"
    if len(known) > 1:
        text += f" ± {deviation:.{decimals}f}" if deviation else " ± 0"
    return text if len(known) == len(values) else f"{text} ({len(known)} of {len(values)})"


def _decimals(value: float, digits: int) -> int:
    return max(0, digits - 1 - floor(log10(abs(value)))) if value else 0


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _write(groups: list[Group], text: str, out: Path) -> None:
    from scarlet_pl.report.plots import draw_all  # matplotlib takes a second to import

    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "compare.md").write_text(text, encoding="utf-8")
        draw_all(groups, out)
    except OSError as error:
        raise ConfigError("out", str(out), f"a folder that can be written ({error.strerror})") from error
