"""Runs side by side: a Markdown table and, into a folder, pictures. Reads run folders, imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scarlet_pl.errors import ConfigError
from scarlet_pl.report.groups import Group, read_groups
from scarlet_pl.report.table import check_targets, columns, rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Comparison:
    """A table of runs. Prints as Markdown, and shows as a table in a notebook.

    Attributes:
        groups: the runs of each row, and its label.
        text: the table.
        notes: what a reader must know of how the runs were put together, a line each.
    """

    groups: list[Group]
    text: str
    notes: list[str]

    def plot(
        self, who: Literal["server", "client"] = "server", over: Literal["rounds", "bytes", "time"] = "rounds"
    ) -> Figure:
        """Accuracy of the server's model, or the mean of the clients', over rounds, megabytes or simulated time; a line
        a row."""
        from scarlet_pl.report.plots import accuracy_figure  # matplotlib takes a second to import

        return accuracy_figure(self.groups, who, over)

    def __str__(self) -> str:
        return "\n".join([self.text, *self.notes])

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return "\n".join([self.text, "", *(f"- {note}" for note in self.notes)]).rstrip() + "\n"


def compare(folders: list[Path], targets: list[float], over_seeds: bool, out: Path | None) -> Comparison:
    """Read runs and put them side by side.

    Args:
        folders: of the runs; one that is given twice counts once.
        targets: server accuracies, for the megabytes to reach them.
        over_seeds: whether the runs of one configuration make one row.
        out: folder for the table as compare.md, with pictures; None for neither.

    Raises:
        ConfigError: a target is no accuracy, a folder holds no run, a file in it is damaged, or `out` cannot be
            written.
    """
    check_targets(targets)
    found = read_groups(folders, over_seeds)
    comparison = Comparison(found.groups, f"{table(found.groups, targets)}\n\n{found.footnote}", found.notes)
    if out is not None:
        _write(comparison, out)
    return comparison


def table(groups: list[Group], targets: list[float]) -> str:
    """The Markdown table."""
    heads = columns(groups, targets)
    lines = [_row(heads), "|" + "---|" + "---:|" * (len(heads) - 1)]
    for label, *cells in rows(groups, targets):
        lines.append(_row([label.replace("|", "\\|"), *cells]))
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _write(comparison: Comparison, out: Path) -> None:
    from scarlet_pl.report.plots import draw_all

    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "compare.md").write_text(comparison._repr_markdown_(), encoding="utf-8")
        draw_all(comparison.groups, out)
    except OSError as error:
        raise ConfigError("out", str(out), f"a folder that can be written ({error.strerror})") from error
