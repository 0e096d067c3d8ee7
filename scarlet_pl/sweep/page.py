"""A Markdown page whose tables are those of experiments. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from scarlet_pl.errors import ConfigError, require
from scarlet_pl.sweep.experiment import read_experiment
from scarlet_pl.sweep.results import Result, read_results
from scarlet_pl.sweep.tables import markdown, tables

_BLOCK = re.compile(r"(<!-- table: ([\w-]+)/([\w-]+) -->\n)(.*?)(\n<!-- end of table -->)", re.DOTALL)


def filled(page: str, folder: Path) -> str:
    """A page with its tables as the results say: what stands between `<!-- table: EXPERIMENT/TABLE -->` and
    `<!-- end of table -->`.

    Args:
        folder: of the experiments' files and of the results.

    Raises:
        ConfigError: there is no such experiment or table.
    """
    results = read_results(folder)

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}{_table(found[2], found[3], folder, results)}{found[5]}"

    return _BLOCK.sub(table, page)


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


def _table(name: str, table: str, folder: Path, results: Sequence[Result]) -> str:
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError("page", name, f"an experiment in {folder}")
    experiment = read_experiment(path)
    known = tables(experiment)
    require(table in known, "page", f"{name}/{table}", f"one of {', '.join(known)}")
    return markdown(known[table], experiment, _of(name, results))


def _of(name: str, results: Sequence[Result]) -> list[Result]:
    return [each for each in results if each.experiment == name]
