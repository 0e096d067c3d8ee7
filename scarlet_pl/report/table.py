"""The cells of a comparison's table. Imports no torch."""

from __future__ import annotations

from math import floor, log10
from statistics import fmean, stdev

from scarlet_pl.errors import require
from scarlet_pl.report.groups import Group, timed


def check_targets(targets: list[float]) -> None:
    """Raise `ConfigError` if a target is no accuracy."""
    for target in targets:
        require(0 < target <= 1, "target", target, "an accuracy in (0, 1]")


def columns(groups: list[Group], targets: list[float]) -> list[str]:
    """The heads of the columns; those of simulated time only where a run has it."""
    heads = ["method", "seeds", "rounds", "server, last", "server, best", "clients, last", "clients, best"]
    heads += ["MB up", "MB down", *(f"MB to {target:g}" for target in targets)]
    return heads + [f"s to {target:g}" for target in targets if timed(groups)]


def rows(groups: list[Group], targets: list[float]) -> list[list[str]]:
    """The cells of each group: accuracies, megabytes, and megabytes and simulated seconds to each target; mean ±
    standard deviation over seeds."""
    return [_row(each, targets, timed(groups)) for each in groups]


def _row(group: Group, targets: list[float], with_time: bool) -> list[str]:
    cells = [group.label, str(len(group.runs)), _rounds(group)]
    for key in ("server_accuracy", "server_accuracy_best", "client_accuracy", "client_accuracy_best"):
        cells.append(spread(group.values(key)))
    for key in ("bytes_up", "bytes_down"):
        cells.append(spread([value / 1e6 for value in group.values(key)]))
    cells += [spread([run.megabytes_to(target) for run in group.runs]) for target in targets]
    return cells + [spread([run.seconds_to(target) for run in group.runs]) for target in targets if with_time]


def _rounds(group: Group) -> str:
    """How many rounds the runs have; of how many where one was cut short."""
    done = dict.fromkeys((min(group.values("rounds")), max(group.values("rounds"))))
    cut_short = any(run.digest is None for run in group.runs)
    planned = group.runs[0].settings.get("trainer.max_rounds")
    return "–".join(map(str, done)) + f" of {planned}" * (cut_short and isinstance(planned, int))


def spread(values: list[float | None]) -> str:
    """Mean ± standard deviation, to the second digit of the deviation and no further than the fourth of the mean;
    "n.a." where nothing is known."""
    known = [value for value in values if value is not None]
    if not known:
        return "n.a."
    deviation = stdev(known) if len(known) > 1 else 0.0
    decimals = _decimals(fmean(known), 4)
    decimals = min(_decimals(deviation, 2), decimals) if deviation else decimals
    text = f"{fmean(known):.{decimals}f}"
    if len(known) > 1:
        text += f" ± {deviation:.{decimals}f}" if deviation else " ± 0"
    return text if len(known) == len(values) else f"{text} ({len(known)} of {len(values)})"


def _decimals(value: float, digits: int) -> int:
    return max(0, digits - 1 - floor(log10(abs(value)))) if value else 0
