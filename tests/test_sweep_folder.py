"""The folders of cells: found by their configuration, finished or not, and left alone where anything else is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scarlet_pl.cli.run_dir import check_run_dir, name_from
from scarlet_pl.errors import ConfigError
from scarlet_pl.sweep.experiment import Cell
from scarlet_pl.sweep.folder import Work, find_folders, identity

from .run_folders import config, run_folder


def work(folder: Path, settings: dict[str, Any]) -> Work:
    return Work(Cell({}, 0, {}), [], settings, folder)


def test_a_cell_is_found_by_its_configuration(tmp_path: Path) -> None:
    """Whatever its folder is called, wherever data lie and however it is run; not with another seed."""
    folder = run_folder(tmp_path / "runs/any name", config(1, data__root="/there"))
    settings = [config(1, name="other"), config(2), config(3)]
    found = find_folders(tmp_path, ["A", "A", "A", "B"], [identity(each) for each in [*settings, settings[1]]])
    assert found.pop() == found[1]  # two cells of one configuration are one run
    assert found[0] == folder
    assert work(folder, settings[0]).finished is not None
    assert work(folder, settings[1]).finished is None
    assert len(set(found)) == 3
    assert not any(path.exists() for path in found[1:])
    later = identity(config(1, data__setting_of_a_later_version=None))
    assert find_folders(tmp_path, ["A"], [later]) == [folder]


@pytest.mark.parametrize("value", ["npz:a/b.npz", "数" * 100, "a\x1bb", "a\ud800b"])
def test_any_cell_can_be_run_and_has_a_folder(tmp_path: Path, value: str) -> None:
    cell = Cell({"private": value}, 0, {})
    check_run_dir(None, name_from(cell.name))
    (folder,) = find_folders(tmp_path, [cell.label], ["c" * 16])
    assert folder.parent == tmp_path / "runs"
    folder.mkdir(parents=True)


def test_a_run_that_was_stopped_by_its_time_is_not_finished(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", config(), (0.1, 0.2))
    assert work(folder, config()).finished is None
    two = config(trainer__max_rounds=2)
    assert work(run_folder(tmp_path / "two", two, (0.1, 0.2)), two).finished is not None


def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", config(1))
    with pytest.raises(ConfigError, match="of the same configuration"):
        work(folder, config(2)).check_ours()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"it holds .*notes.txt"):
        work(folder, config(1)).check_ours()
