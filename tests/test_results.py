"""Results of experiments: the tables that keep them, and the tables, pictures and pages made from them."""

from __future__ import annotations

import multiprocessing
import re
from dataclasses import replace
from pathlib import Path
from statistics import stdev
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scarlet_pl.errors import ConfigError
from scarlet_pl.report.runs import read_run
from scarlet_pl.sweep.experiment import Cell, Experiment
from scarlet_pl.sweep.folder import Work, identity
from scarlet_pl.sweep.page import draw_pictures, filled
from scarlet_pl.sweep.pictures import Picture, draw
from scarlet_pl.sweep.results import Result, add_results, read_results, result
from scarlet_pl.sweep.tables import Table, markdown, tables
from scarlet_pl.sweep.values import over_rounds, value
from scarlet_pl.sweep.views import write_views

from .conftest import examples
from .run_folders import config, run_folder
from .test_experiments import written


def experiment(**given: Any) -> Experiment:
    axes = {"method": {"A": {"x": 1}, "B": {"x": 2}}, "α": {"0.1": {"y": 0.1}, "1": {"y": 1}}}
    return Experiment("trial", {}, {}, axes, [0, 1], **given)


def a_cell(method: str, alpha: str, seed: int, **place: str) -> Work:
    settings = {"method": method, "alpha": alpha, "seed_everything": seed}
    return Work(Cell({"method": method, "α": alpha, **place}, seed, {}), [], settings, Path("none"))


def a_result(method: str, alpha: str, seed: int, accuracy: float, sent: float = 1e6) -> Result:
    series = {
        "server_accuracy": {1: accuracy / 2, 2: accuracy},
        "bytes": {1: sent / 2, 2: sent},
        "paper_bytes": {1: sent, 2: 2 * sent},
    }
    numbers = {"server_accuracy": accuracy, "server_accuracy_best": accuracy, "bytes_up": sent, "bytes_down": 0.0}
    planned = a_cell(method, alpha, seed)
    which = ("trial", planned.cell.place, seed, planned.configuration)
    return Result(*which, {"x": 1}, "c0", f"{method}{seed}", numbers, series)


RESULTS = [
    *(a_result("A", "0.1", seed, accuracy) for seed, accuracy in ((0, 0.8), (1, 0.9))),
    *(a_result("B", "0.1", seed, accuracy, 4e6) for seed, accuracy in ((0, 0.8), (1, 0.6))),
]


PLACES = st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=8), max_size=3)
SETTINGS = st.dictionaries(st.text(min_size=1, max_size=8), st.none() | st.integers() | st.text(max_size=5), max_size=3)


@examples(100)
@given(
    cells=st.lists(st.tuples(PLACES, st.integers(0, 9), SETTINGS), max_size=5),
    sent=st.integers(0, 10**15),
    commit=st.text(st.characters(exclude_categories=["C"]), max_size=8),
)
def test_results_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, cells: list[Any], sent: int, commit: str
) -> None:
    folder = tmp_path_factory.mktemp("results")
    of_cell = {"bytes": {1: 0.5, 3: 2.0}, "server_accuracy": {3: 0.25}}
    plan = [Work(Cell(place, seed, settings), [], {}, Path("none")) for place, seed, settings in cells]
    made = [
        Result("trial", place, seed, identity({}, seed), settings, commit, "d", {"bytes_up": float(sent)}, of_cell)
        for place, seed, settings in cells
    ]
    once = {each.key: each for each in made}
    add_results(folder, "trial", made[:1], plan)
    add_results(folder, "trial", list(once.values()), plan)
    assert {each.key: each for each in read_results(folder)} == once


@pytest.mark.parametrize("file", ["results.csv", "results_by_round.csv"])
def test_a_damaged_number_is_named_by_its_row(tmp_path: Path, file: str) -> None:
    add_results(tmp_path, "trial", RESULTS[:2], [])
    (tmp_path / file).write_text((tmp_path / file).read_text().replace(",0.9,", ",x,"))
    with pytest.raises(ConfigError, match=r"results: got .+ allowed: a whole table \(row"):
        read_results(tmp_path)


PLAN = [a_cell(each.place["method"], each.place["α"], each.seed) for each in RESULTS]


def test_a_cell_that_ran_again_replaces_its_result(tmp_path: Path) -> None:
    add_results(tmp_path, "trial", RESULTS, PLAN)
    add_results(tmp_path, "trial", [a_result("B", "0.1", 1, 0.7)], PLAN)
    assert [each.numbers["server_accuracy"] for each in read_results(tmp_path)] == [0.8, 0.9, 0.8, 0.7]


def test_results_of_another_plan_are_dropped_and_those_of_other_experiments_stay(tmp_path: Path) -> None:
    other = replace(RESULTS[3], experiment="another")
    changed = replace(RESULTS[1], configuration="of the file before it was changed")
    add_results(tmp_path, "another", [other], PLAN)
    add_results(tmp_path, "trial", [RESULTS[0], changed], PLAN)
    add_results(tmp_path, "trial", RESULTS[2:3], PLAN)
    assert read_results(tmp_path) == [other, RESULTS[0], RESULTS[2]]


def test_results_of_other_seeds_stay_and_those_of_cells_that_are_called_otherwise_do_not(tmp_path: Path) -> None:
    add_results(tmp_path, "trial", RESULTS, PLAN)
    add_results(tmp_path, "trial", [], [a_cell("B", "0.1", 0), a_cell("A", "0.1", 0, draw="uniform")])
    assert read_results(tmp_path) == RESULTS[2:]


def test_the_order_of_the_axes_makes_no_other_cell() -> None:
    turned = replace(RESULTS[0], place=dict(reversed(RESULTS[0].place.items())))
    assert turned.key == RESULTS[0].key


def add_forty(folder: Path, name: str) -> None:
    for seed in range(40):
        one = a_result(name, "1", seed, 0.5)
        add_results(folder, name, [replace(one, experiment=name)], [a_cell(name, "1", 0)])


def test_processes_that_add_results_at_once_lose_none(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=add_forty, args=(tmp_path, name)) for name in "AB"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(600)
        assert process.exitcode == 0
    found = read_results(tmp_path)
    assert len(found) == 80
    assert all(each.series["bytes"] == {1: 5e5, 2: 1e6} for each in found)


def test_a_table_is_the_mean_over_seeds() -> None:
    table = Table(["method"], ["α"], ["server_accuracy"])
    lines = markdown(table, experiment(), RESULTS).splitlines()
    assert lines[0] == "| method | α = 0.1 | α = 1 |"
    assert lines[2:] == [
        f"| A | 0.850 ± {stdev((0.8, 0.9)):.3f} | n.a. |",
        f"| B | 0.70 ± {stdev((0.8, 0.6)):.2f} | n.a. |",
    ]


def test_an_axis_that_is_in_neither_rows_nor_columns_makes_a_table_for_each_value() -> None:
    text = markdown(Table(["method"], [], ["server_accuracy"]), experiment(), RESULTS)
    assert [line for line in text.splitlines() if "=" in line] == ["α = 0.1", "α = 1"]


def test_a_ratio_is_to_the_reference_of_the_same_seed() -> None:
    """Seed 0: both reach 0.79 in round 2, of 4 and of 1 MB; seed 1: A's 0.89 is never reached by B, at 0.6."""
    table = Table(["method"], ["α"], ["ratio of megabytes"], {"method": "A"}, 0.01)
    cells = markdown(table, experiment(), RESULTS).splitlines()[3].split("|")
    assert cells[1:3] == [" B ", " 4.000 (1 of 2) "]
    assert value("ratio of paper_megabytes", RESULTS[2], RESULTS[0], 0.01) == 4.0
    assert value("ratio of megabytes", RESULTS[2], None, 0.01) is None


def test_values_of_a_run() -> None:
    run = RESULTS[0]
    assert value("megabytes", run) == 1.0
    assert value("megabytes_up", run) == 1.0
    assert value("paper_megabytes", run) is None
    assert value("megabytes to 0.4", run) == 0.5
    assert value("megabytes to 0.81", run) is None
    assert over_rounds("paper_megabytes", run) == {1: 1.0, 2: 2.0}
    assert over_rounds("round", run) == {1: 1.0, 2: 2.0}


def test_an_experiment_without_tables_shows_everything() -> None:
    (table,) = tables(experiment(targets=[0.5])).values()
    assert table.values[-1] == "megabytes to 0.5"
    assert len(markdown(table, experiment(), RESULTS).splitlines()) == 2 + 4


def test_tables_and_pictures_are_written(tmp_path: Path) -> None:
    pictures = {
        "bytes": {"x": "megabytes", "y": "server_accuracy", "panels": "α", "log": True},
        "alpha": {"x": "α", "y": "server_accuracy"},
    }
    write_views(experiment(pictures=pictures), RESULTS, tmp_path)
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found.keys() == {"results.md", "bytes.png", "bytes.svg", "alpha.png", "alpha.svg"}
    write_views(experiment(pictures=pictures), RESULTS, tmp_path)
    assert found == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.mark.parametrize(("names", "pieces"), [(("T=1", "T=2", "β=1", "β=2"), 2), (("one", "two", "three", "four"), 1)])
def test_a_line_over_two_settings_is_two_lines(tmp_path: Path, names: tuple[str, ...], pieces: int) -> None:
    trial = Experiment("trial", {}, {}, {"method": {name: {"x": 1} for name in names}}, [0])
    runs = [replace(a_result(name, "", 0, 0.5 + 0.1 * at), place={"method": name}) for at, name in enumerate(names)]
    draw(Picture("method", "server_accuracy"), trial, runs, tmp_path / "picture")
    paths = re.findall(r'<path d="([^"]*)" clip-path', (tmp_path / "picture.svg").read_text())
    assert [path.count("M") for path in paths if path.count("M") + path.count("L") == 4] == [pieces]


def test_a_result_is_what_the_run_came_to(tmp_path: Path) -> None:
    run = read_run(run_folder(tmp_path / "run", config()))
    made = result("trial", Cell({"method": "A"}, 0, {}), "c", run)
    assert made.numbers["server_accuracy"] == run.summary["server_accuracy"]
    assert made.series["bytes"] == run.series("bytes/cumulative")
    assert made.digest == run.digest


def test_a_page_gets_its_tables_from_the_results(tmp_path: Path) -> None:
    sweep = {
        "grid": {"method": {"A": {"x": 1}, "B": {"x": 2}}, "data.partition.alpha": [0.1]},
        "seeds": [0, 1],
        "tables": {"t": {"rows": ["method"], "columns": ["α"], "values": ["server_accuracy"]}},
    }
    written(tmp_path, sweep)
    add_results(tmp_path, "trial", RESULTS, PLAN)
    page = "One.\n\n<!-- table: trial/t -->\nold\n<!-- end of table -->\n\nTwo.\n"
    once = filled(page, tmp_path)
    assert "| A | 0.850 ± 0.071 |" in once
    assert once.startswith("One.\n\n<!-- table: trial/t -->\n| method |")
    assert once.endswith("|\n<!-- end of table -->\n\nTwo.\n")
    assert filled(once, tmp_path) == once
    assert draw_pictures(tmp_path, tmp_path / "pictures") == ["trial_bytes"]
    assert filled(page.replace("old\n", ""), tmp_path) == once
    wrong = [page.replace("trial/t", other) for other in ("trial/u", "trail/t")]
    wrong += [page.replace("<!-- end of table -->", ""), page.replace("<!-- table: trial/t -->", ""), page + page[:30]]
    for each in wrong:
        with pytest.raises(ConfigError, match="page: got"):
            filled(each, tmp_path)


def test_the_results_page_is_what_the_results_say() -> None:
    root = Path(__file__).parents[1]
    page = (root / "docs/results.md").read_text()
    assert "<!-- table: scarlet_vs_all/accuracy -->" in page
    assert filled(page, root / "configs/experiments") == page
