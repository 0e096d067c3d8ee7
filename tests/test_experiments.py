"""Experiments: what their files say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from scarlet_pl.errors import ConfigError
from scarlet_pl.sweep.experiment import Cell
from scarlet_pl.sweep.file import read_experiment
from scarlet_pl.sweep.tables import tables
from scarlet_pl.sweep.views import check_views


def written(tmp_path: Path, sweep: Any, **base: Any) -> Path:
    """An experiment's file."""
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump({**base, "sweep": sweep}))
    return path


def test_cells_are_every_combination_one_seed_after_the_other(tmp_path: Path) -> None:
    grid = {"data.partition.alpha": [0.1, 1], "method": {"A": {"m": {"class_path": "M"}}, "B": {"m": None}}}
    read = read_experiment(written(tmp_path, {"grid": grid, "seeds": [3, 5]}, trainer={"max_rounds": 2}))
    assert read.base == {"trainer": {"max_rounds": 2}}
    cells = read.cells()
    assert [cell.label for cell in cells[:4]] == [
        *("α=0.1 A seed=3", "α=0.1 B seed=3"),
        *("α=1 A seed=3", "α=1 B seed=3"),
    ]
    assert [cell.seed for cell in cells] == [3] * 4 + [5] * 4
    expected = ["--data.partition.alpha", "0.1", "--m", '{"class_path": "M"}', "--seed_everything", "3"]
    assert cells[0].arguments == expected
    assert cells[1].arguments[2:4] == ["--m", "null"]


def test_quick_replaces_values_of_axes_and_sets_what_it_says(tmp_path: Path) -> None:
    quick = {"grid": {"data.partition.alpha": [7]}, "seeds": [9], "set": {"trainer.max_rounds": 1, "m": 4}}
    sweep = {"grid": {"data.partition.alpha": [0.1, 1], "m": [1, 2]}, "quick": quick}
    path = written(tmp_path, sweep)
    assert [cell.label for cell in read_experiment(path, quick=True).cells()] == ["α=7 m=1 seed=9", "α=7 m=2 seed=9"]
    assert read_experiment(path, quick=True).cells()[1].settings["m"] == 2  # what varies goes before what is set
    assert len(read_experiment(path).cells()) == 4


def test_quick_names_some_of_the_values(tmp_path: Path) -> None:
    grid = {"method": {"A": {"x": 1}, "B": {"x": 2}}}
    path = written(tmp_path, {"grid": grid, "quick": {"grid": {"method": ["B"]}}})
    assert [cell.settings for cell in read_experiment(path, quick=True).cells()] == [{"x": 2}]
    path = written(tmp_path, {"grid": grid, "quick": {"grid": {"method": ["C"]}}})
    with pytest.raises(ConfigError, match=r"sweep.quick.grid.method: got 'C', allowed: some of A, B"):
        read_experiment(path, quick=True)


@pytest.mark.parametrize(
    ("sweep", "field"),
    [
        (None, "config"),
        ({"grids": {}}, "sweep.grids"),
        ({"grid": []}, "sweep.grid"),
        ({"grid": {"a.b": 3}}, "sweep.grid.a.b"),
        ({"grid": {"a.b": []}}, "sweep.grid.a.b"),
        ({"grid": {"a.b": [1, 1]}}, "sweep.grid.a.b"),
        ({"grid": {"m": {"A": 3}}}, "sweep.grid.m.A"),
        ({"grid": {"m.x": [1, 2], "m": {"A": {"m.init_args.x": 3}}}}, "sweep.grid.m.x"),
        ({"seeds": [0, 0]}, "sweep.seeds"),
        ({"seeds": [-1]}, "sweep.seeds"),
        ({"seeds": []}, "sweep.grid"),
        ({"targets": [1.5]}, "sweep.targets"),
        ({"targets": [0.5], "tables": {"t": {"values": ["server_accuracy"]}}}, "sweep.targets"),
        ({"grid": {"executor": ["Serial", "Threads"]}}, "sweep.grid.executor"),
        ({"grid": {"m": {"A": {"trainer.devices": 2}}}}, "sweep.grid.m.A"),
        ({"grid": {"seed_everything": [1, 2]}}, "sweep.grid.seed_everything"),
        ({"quick": {"sets": {}}}, "sweep.quick.sets"),
        ({"tables": {"t": {"rows": ["β"], "values": ["server_accuracy"]}}}, "sweep.tables.t.rows"),
        ({"tables": {"t": {"values": ["accuracy"]}}}, "sweep.tables.t.values"),
        ({"tables": {"t": {"values": ["megabytes to 2"]}}}, "sweep.tables.t.values"),
        ({"tables": {"t": {"values": ["ratio of megabytes"]}}}, "sweep.tables.t.values"),
        ({"tables": {"t": {"row": []}}}, "sweep.tables.t.row"),
        ({"grid": {3: [1, 2]}}, "sweep.grid"),
        ({"grid": {"m": {"A": {3: 1}}}}, "sweep.grid.m.A"),
        ({"grid": {"m": {"A": {"x": 1}}}, "quick": {"grid": {"m": [["A"]]}}}, "sweep.quick.grid.m"),
        ({"targets": [0]}, "sweep.targets"),
        ({"tables": {"t": ["rows"]}}, "sweep.tables.t"),
        ({"tables": {"t": None}}, "sweep.tables.t"),
        ({"tables": {"t": {"values": [1]}}}, "sweep.tables.t.values"),
        ({"tables": {"t": {"values": ["seconds"], "margin": "x"}}}, "sweep.tables.t.margin"),
        ({"tables": {"t": {"values": ["seconds"], "over": ["m"]}}}, "sweep.tables.t.over"),
        ({"tables": {"t": {"values": ["seconds"], "reference": ["m"]}}}, "sweep.tables.t.reference"),
        ({"pictures": {"p": None}}, "sweep.pictures.p"),
        ({"pictures": {"a/p": {"x": "round", "y": "server_accuracy"}}}, "sweep.pictures"),
        ({"pictures": {"p": {"x": "round", "y": "server_accuracy", "panels": ["m"]}}}, "sweep.pictures.p.panels"),
        ({"pictures": {"p": {"x": "beta", "y": "server_accuracy"}}}, "sweep.pictures.p.x"),
        ({"pictures": {"p": {"x": "round", "y": "seconds"}}}, "sweep.pictures.p.y"),
        ({"pictures": {"p": {"x": "round"}}}, "sweep.pictures.p.y"),
        ({"pictures": {"p": {"x": "round", "y": "server_accuracy", "panels": "β"}}}, "sweep.pictures.p.panels"),
    ],
)
def test_a_wrong_file_is_refused_by_field(tmp_path: Path, sweep: Any, field: str) -> None:
    path, quick = written(tmp_path, sweep), isinstance(sweep, dict) and "grid" in sweep.get("quick", {})
    with pytest.raises(ConfigError, match=r".+ allowed: .+") as refused:
        check_views(read_experiment(path, quick))
    assert refused.value.field == field


def test_a_reference_may_be_a_number(tmp_path: Path) -> None:
    table = {"rows": ["rounds"], "values": ["ratio of megabytes"], "reference": {"rounds": 1}}
    sweep = {"grid": {"trainer.max_rounds": [1, 2]}, "tables": {"t": table}}
    assert tables(read_experiment(written(tmp_path, sweep)))["t"].reference == {"rounds": "1"}


def test_quick_needs_something_to_be_quick_with(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="quick"):
        read_experiment(written(tmp_path, {"seeds": [0]}), quick=True)


def test_settings_that_end_alike_are_two_axes(tmp_path: Path) -> None:
    grid = {"client.epochs": [1, 2], "server.epochs": [1, 5, 10]}
    cells = read_experiment(written(tmp_path, {"grid": grid})).cells()
    assert len(cells) == 6
    assert cells[1].name == "client.epochs=1 server.epochs=5"


def test_values_that_say_nothing_alone_go_with_their_axis() -> None:
    assert Cell({"cache": "on", "method": "A", "α": "1"}, 0, {}).name == "cache=on A α=1"


@pytest.mark.parametrize("flag", ["data.partition.alpha", "data.partition.init_args.alpha", "m", "seed_everything"])
def test_a_flag_on_what_varies_is_refused(tmp_path: Path, flag: str) -> None:
    grid = {"data.partition.alpha": [1, 2], "m": {"A": {"m.x": 1}}}
    experiment = read_experiment(written(tmp_path, {"grid": grid}))
    assert experiment.with_flags({"data.root": "there"}).cells()[0].settings["data.root"] == "there"
    with pytest.raises(ConfigError, match=f"{flag}: got '3', allowed: a setting that does not vary"):
        experiment.with_flags({flag: "3"})
