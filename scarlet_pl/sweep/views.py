"""All tables and pictures of an experiment. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scarlet_pl.run_files import replace
from scarlet_pl.sweep.experiment import Experiment
from scarlet_pl.sweep.results import Result
from scarlet_pl.sweep.tables import markdown, tables


def check_views(experiment: Experiment) -> None:
    """Raise `ConfigError` if a table or a picture is none that can be made."""
    from scarlet_pl.sweep.pictures import pictures  # matplotlib takes a second to import

    tables(experiment)
    pictures(experiment)


def write_views(experiment: Experiment, results: Sequence[Result], out: Path) -> str:
    """Write tables to `results.md` and pictures into a folder; the tables."""
    from scarlet_pl.sweep.pictures import draw, pictures

    found = [f"## {name}\n\n{markdown(table, experiment, results)}" for name, table in tables(experiment).items()]
    text = "\n\n".join(found) + "\n"
    replace(out / "results.md", lambda file: file.write(text.encode()))
    for name, picture in pictures(experiment).items():
        draw(picture, experiment, results, out / name)
    return text
