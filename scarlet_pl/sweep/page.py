"""A Markdown page whose tables are those of experiments. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from scarlet_pl.errors import require
from scarlet_pl.sweep.file import read_experiment
from scarlet_pl.sweep.results import Result, read_results
from scarlet_pl.sweep.tables import markdown, tables

_BEGIN = re.compile(r"<!--\s*table:(.*)-->")
_END = "<!-- end of table -->"


def filled(page: str, folder: Path) -> str:
    """A page with its tables as the results say: what stands between `<!-- table: EXPERIMENT/TABLE -->` and
    `<!-- end of table -->`.

    Args:
        folder: of the experiments' files and of the results.

    Raises:
        ConfigError: there is no such experiment or table.
    """
    results, lines, inside = read_results(folder), list[str](), ""
    for line in page.splitlines():
        begins = _BEGIN.fullmatch(line.strip())
        require(not (begins and inside), "page", line, f"{_END} after the table {inside}")
        if line.strip() == _END:
            require(bool(inside), "page", line, "a table that begins before it ends")
            inside = ""
        if not inside:
            lines.append(line)
        if begins:
            inside = begins[1].strip()
            lines += _table(inside, folder, results).splitlines()
    require(not inside, "page", inside, f"{_END} after the table")
    return "\n".join(lines) + "\n"


def draw_pictures(folder: Path, out: Path) -> list[str]:
    """Draw the pictures of all experiments of which there are results; their names."""
    from scarlet_pl.sweep.pictures import draw, pictures  # matplotlib takes a second to import

    results, drawn = read_results(folder), []
    for name in dict.fromkeys(each.experiment for each in results):
        experiment = read_experiment(folder / f"{name}.yaml")
        for called, picture in pictures(experiment).items():
            out.mkdir(parents=True, exist_ok=True)
            draw(picture, experiment, _of(name, results), out / called)
            drawn.append(called)
    return drawn


def _table(called: str, folder: Path, results: Sequence[Result]) -> str:
    name, _, table = called.partition("/")
    path = folder / f"{name}.yaml"
    require(path.is_file(), "page", called, f"EXPERIMENT/TABLE, of an experiment in {folder}")
    experiment = read_experiment(path)
    known = tables(experiment)
    require(table in known, "page", called, f"{name}/ and one of {', '.join(known)}")
    return markdown(known[table], experiment, _of(name, results))


def _of(name: str, results: Sequence[Result]) -> list[Result]:
    return [each for each in results if each.experiment == name]
