"""`scarlet-pl sweep` with a search: kills, what it was begun as, and what it refuses."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import yaml

from scarlet_pl.errors import ConfigError
from scarlet_pl.sweep.search import Study, read_search

from .test_sweep import DIGITS, killed_after, sweep, table


@pytest.mark.slow
def test_a_search_goes_on_where_it_was_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same trials and the same results as of a search that nobody killed."""
    path = tmp_path / "trial.yaml"
    space = {"method.aggregator.beta": {"low": 0.5, "high": 4.0}, "method.draw.size": {"low": 10, "high": 30}}
    search = {"trials": 3, "maximise": "server_accuracy", "space": space}
    base = {**DIGITS, "method": {**DIGITS["method"], "aggregator": {"class_path": "EnhancedERA"}}}
    path.write_text(yaml.safe_dump({**base, "sweep": {"search": search, "seeds": [0, 1]}}))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert sweep("--config", path, "--out", whole) == 0
    said = capsys.readouterr().out
    killed_after(25, cut, "--config", path, "--out", cut)
    assert sweep("--config", path, "--out", cut) == 0
    assert table(whole) == table(cut)
    assert len(table(whole)) == 6
    best = max(fmean(float(row["server_accuracy"]) for row in table(whole)[n::3]) for n in range(3))
    assert f"server_accuracy {best:.6g}: --method.aggregator.beta " in said


SEARCH = {"trials": 2, "maximise": "server_accuracy", "space": {"client.epochs": {"low": 1, "high": 2}}}


@pytest.mark.parametrize("other", [{"maximise": "client_accuracy"}, {"space": {"client.epochs": {"choices": [1, 3]}}}])
def test_a_search_that_was_begun_as_another_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    with closing(Study(read_search(SEARCH), tmp_path)) as study:
        assert study.next() == 0
    with closing(Study(read_search({**SEARCH, "trials": 3}), tmp_path)) as study:
        assert list(study.tried()) == ["0"]
    with pytest.raises(ConfigError, match=r"sweep.search: got .+ was begun"):
        Study(read_search({**SEARCH, **other}), tmp_path)


def test_what_is_searched_is_no_flag_and_show_leaves_the_search_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "trial.yaml", tmp_path / "out"
    path.write_text(yaml.safe_dump({**DIGITS, "sweep": {"search": SEARCH}}))
    assert sweep("--config", path, "--out", out, "--show", "--client.epochs", 3) == 2
    assert "client.epochs: got '3', allowed: a setting that does not vary in trial" in capsys.readouterr().err
    assert sweep("--config", path, "--out", out, "--show") == 0
    assert not list(out.glob("search.*"))
    with closing(Study(read_search(SEARCH), out)) as study:
        study.next()
        before = (out / "search.log").read_bytes()
        assert sweep("--config", path, "--out", out, "--show") == 0
        assert (out / "search.log").read_bytes() == before
    assert "0 of 1 cells are finished" in capsys.readouterr().out
    path.write_text(yaml.safe_dump({**DIGITS, "sweep": {"search": SEARCH, "grid": {"client.epochs": [1, 2]}}}))
    assert sweep("--config", path, "--out", out) == 2
    assert "client.epochs: got 1, allowed: a setting that does not vary in trial" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("search", "field"),
    [
        ({"trials": 0, "maximise": "server_accuracy", "space": {"a": {"low": 0, "high": 1}}}, "sweep.search.trials"),
        ({"trials": 1, "space": {"a": {"low": 0, "high": 1}}}, "sweep.search.maximise"),
        ({"trials": 1, "maximise": "accuracy", "space": {"a": {"low": 0, "high": 1}}}, "sweep.search.maximise"),
        ({"trials": 1, "maximise": "server_accuracy"}, "sweep.search.space"),
        ({"trials": 1, "maximise": "server_accuracy", "space": {"a": {"low": 0}}}, "sweep.search.space.a"),
        ({"trials": 1, "maximise": "server_accuracy", "space": {3: {"low": 0, "high": 1}}}, "sweep.search.space.3"),
        ({"trials": 1, "maximise": "server_accuracy", "space": {"a": {"choices": []}}}, "sweep.search.space.a"),
        (
            {"trials": 1, "maximise": "server_accuracy", "space": {"client.epoch": {"low": 1, "high": 2}}},
            "client.epoch",
        ),
    ],
)
def test_a_wrong_search_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], search: dict[str, object], field: str
) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump({**DIGITS, "sweep": {"search": search}}))
    assert sweep("--config", path, "--out", tmp_path / "out") == 2
    assert f"{field}: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
