"""Runs of one configuration, and what is to be said about how they were put together. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from os.path import realpath
from pathlib import Path
from typing import Any

from scarlet_pl.report.labels import FOLDER, labels, reading_order, that_differ
from scarlet_pl.report.runs import SEED, Run, read_run

_OF_METHODS = ("method.", "client.learner.", "server.learner.")
_SHOWN = 6
"""Settings that a note names."""


@dataclass(frozen=True)
class Group:
    """Runs of one configuration, one for each seed, and the label they go by."""

    label: str
    runs: list[Run]

    def values(self, key: str) -> list[Any]:
        """A value of each run's summary; None where a run has none."""
        return [run.summary[key] for run in self.runs]


@dataclass(frozen=True)
class Groups:
    """Runs put together.

    Attributes:
        groups: in the order to read them.
        notes: what a reader must know of them, a line each.
        footnote: what the numbers of their table are.
    """

    groups: list[Group]
    notes: list[str]
    footnote: str


def read_groups(folders: list[Path], over_seeds: bool) -> Groups:
    """Read runs and put them together.

    Args:
        folders: of the runs; one that is given twice counts once.
        over_seeds: whether the runs of one configuration make one group, or each run one of its own.

    Raises:
        ConfigError: a folder holds no run, or a file in it is damaged.
    """
    runs = [read_run(folder) for folder in {realpath(folder): folder for folder in folders}.values()]
    groups, notes = by_seed(runs) if over_seeds else by_run(runs)
    notes += _set_ups([each.runs[0] for each in groups])
    left_out = len(runs) - sum(len(each.runs) for each in groups)
    text = "MB = 10⁶ bytes, all clients and rounds."
    text += " Mean ± standard deviation over seeds." if any(len(each.runs) > 1 for each in groups) else ""
    text += f" {left_out} of {len(runs)} runs left out: a seed counts once." if left_out else ""
    return Groups(groups, notes, text)


def timed(groups: list[Group]) -> bool:
    """Whether any of the runs has simulated time."""
    return any(run.timed for each in groups for run in each.runs)


def by_seed(runs: list[Run]) -> tuple[list[Group], list[str]]:
    """A group for each configuration, and what a reader must know of them, a line each.

    Of the runs with one configuration and one seed only one counts: a finished one before one that was cut short,
    then the one with most rounds, then the first.
    """
    groups, notes = [], []
    configurations = _together(runs, lambda run: run.configuration)
    firsts = [alike[0] for alike in configurations]
    for label, place in _labelled(firsts, [run.settings for run in firsts]):
        kept: list[Run] = []
        for repeats in _together(configurations[place], lambda run: repr(run.seed)):
            best = max(repeats, key=lambda run: (run.digest is not None, len(run.rows)))
            kept.append(best)
            notes += [_left_out(run, best) for run in repeats if run is not best]
            notes += _other_digests(repeats, best)
        groups.append(Group(label, kept))
        notes += _unequal(groups[-1])
    return groups, notes


def by_run(runs: list[Run]) -> tuple[list[Group], list[str]]:
    """A group for each run, and what a reader must know of them, a line each."""
    settings = [{**run.settings, SEED: run.seed, FOLDER: run.folder.resolve().name} for run in runs]
    groups = [Group(label, [runs[place]]) for label, place in _labelled(runs, settings)]
    repeats = _together(runs, lambda run: (run.configuration, repr(run.seed)))
    return groups, [note for alike in repeats for note in _other_digests(alike, alike[0])]


def _labelled(runs: list[Run], settings: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """(label, place among `runs`), in the order to read them."""
    names = [run.name for run in runs]
    found = labels(names, settings)
    return [(found[place], place) for place in reading_order(names, found)]


def _together(runs: Iterable[Run], key: Callable[[Run], Hashable]) -> list[list[Run]]:
    found: dict[Hashable, list[Run]] = {}
    for run in runs:
        found.setdefault(key(run), []).append(run)
    return list(found.values())


def _left_out(run: Run, kept: Run) -> str:
    return f"{run.folder} is left out: the same configuration and seed as {kept.folder}"


def _other_digests(runs: list[Run], kept: Run) -> list[str]:
    return [
        f"{run.folder} ended with another digest than {kept.folder}, of the same configuration and seed: not the same "
        "software, processor or number of ranks?"
        for run in runs
        if None not in (run.digest, kept.digest) and len(run.rows) == len(kept.rows) and run.digest != kept.digest
    ]


def _set_ups(runs: list[Run]) -> list[str]:
    """In what runs of several names differ beside their method; among those of one name, the labels say it."""
    differ = that_differ([run.settings for run in runs])
    names = [name for name in differ if name.isprintable() and not f"{name}.".startswith(_OF_METHODS)]
    if len({run.name for run in runs}) == 1 or not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"the rows do not differ in their method alone: also in {', '.join(names[:_SHOWN])}{more}"]


def _unequal(group: Group) -> list[str]:
    least, most = min(group.values("rounds")), max(group.values("rounds"))
    said = (
        f"{group.label}: its runs have {least} to {most} rounds; the table takes each run's last, lines end at {least}"
    )
    return [said] if least < most else []
