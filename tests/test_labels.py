"""What `compare` calls its rows."""

from __future__ import annotations

from pathlib import Path

from scarlet_pl.report.labels import labels

from .run_folders import Capture, command, config, part, rows, run_folder


def test_labels_are_what_differs(tmp_path: Path, capsys: Capture) -> None:
    def named(*settings: dict[str, object]) -> list[str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        runs = [run_folder(folder / f"version_{number}", each) for number, each in enumerate(settings)]
        return [cells[0] for cells in rows(command(capsys, *runs)[1])]

    cache, alpha = "method__cache", "data__partition__alpha"
    assert named(config(), config(name="dsfl", method__cache=None)) == ["scarlet", "dsfl"]
    assert named(config(method__cache__duration=25), config()) == ["scarlet D=10", "scarlet D=25"]
    assert named(config(), config(**{alpha: 0.05})) == ["scarlet α=0.05", "scarlet α=0.3"]
    assert named(config(), config(**{cache: None})) == ["scarlet D=10", "scarlet cache off"]
    both = config(**{alpha: 0.05, "method__cache__duration": 5})
    assert named(config(), both) == ["scarlet D=5 α=0.05", "scarlet D=10 α=0.3"]
    mean = config(method__aggregator=part("scarlet_pl.methods.Mean"))
    assert named(config(), mean) == ["scarlet aggregator=Mean", "scarlet β=1.5 aggregator=EnhancedERA"]
    faster = config(client__optimizer__lr=0.2, server__optimizer__lr=0.2)
    assert named(config(), faster) == ["scarlet lr=0.1", "scarlet lr=0.2"]
    assert named(config(), config(client__optimizer__lr=0.2)) == ["scarlet client lr=0.1", "scarlet client lr=0.2"]
    assert named(config(), config(trainer__max_rounds=8)) == ["scarlet rounds=4", "scarlet rounds=8"]
    assert named(config(), config(client__models="/a/net")) == ["scarlet models=cnn", "scarlet models=net"]


def test_labels_are_all_different() -> None:
    def all_different(names: list[str], settings: list[dict[str, object]], expected: list[str]) -> None:
        assert labels(names, settings) == expected

    all_different(["a", "a"], [{"x": 1}, {"x": 1}], ["a (1)", "a (2)"])
    all_different(["a", "a", "a (1)"], [{}, {}, {}], ["a (2)", "a (3)", "a (1)"])
    all_different(["a", "a", "a x=1"], [{"x": 1}, {"x": 2}, {"x": 3}], ["a x=1 (1)", "a x=2", "a x=1 (2)"])
    all_different(["a", "a"], [{"x": 1}, {"x": 1, "y.z": 2}], ["a", "a z=2"])  # a setting that was added since
    all_different(
        ["a", "a"], [{"x": "b" * 90 + "1"}, {"x": "b" * 90 + "2"}], [f"a x={'b' * 27}… (1)", f"a x={'b' * 27}… (2)"]
    )


def test_runs_of_their_own_are_called_by_their_seeds(tmp_path: Path, capsys: Capture) -> None:
    runs = [run_folder(tmp_path / f"version_{seed}", config(seed)) for seed in (10, 9)]
    assert [cells[0] for cells in rows(command(capsys, *runs, "--by", "run")[1])] == [
        "scarlet seed=9",
        "scarlet seed=10",
    ]
    again = run_folder(tmp_path / "again", config(9))
    names = [cells[0] for cells in rows(command(capsys, runs[1], again, "--by", "run")[1])]
    assert names == ["scarlet again", "scarlet version_9"]
