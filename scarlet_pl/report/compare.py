"""Runs side by side: a Markdown table and, into a folder, pictures. Reads run folders, imports no torch."""

from __future__ import annotations

from pathlib import Path

from scarlet_pl.errors import ConfigError
from scarlet_pl.report.groups import Group, read_groups
from scarlet_pl.report.table import columns, rows


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
    found = read_groups(folders, over_seeds)
    text = f"{table(found.groups, targets)}\n\n{found.footnote}"
    if out is not None:
        _write(found.groups, "\n".join([text, "", *(f"- {note}" for note in found.notes)]).rstrip() + "\n", out)
    return text, found.notes


def table(groups: list[Group], targets: list[float]) -> str:
    """The Markdown table."""
    heads = columns(groups, targets)
    lines = [_row(heads), "|" + "---|" + "---:|" * (len(heads) - 1)]
    for label, *cells in rows(groups, targets):
        lines.append(_row([label.replace("|", "\\|"), *cells]))
    return "\n".join(lines)


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
