"""Every example runs by the command, in a folder of its own, and gives one digest however it is run."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scarlet_pl.availability import Work
from scarlet_pl.errors import ConfigError
from scarlet_pl.run_files import read_rounds

from .conftest import EXAMPLES
from .test_cli import scarlet_pl

ALL = sorted(EXAMPLES.glob("*.yaml"))
each_example = pytest.mark.parametrize("config", ALL, ids=lambda path: path.stem)
READ = ("source_text", "method_class_labels")
"""Those that a default test run also runs as its readers do."""
HOWS = {
    "threads": ("--executor", "Threads", "--executor.workers", "2"),
    "processes": ("--executor", "Processes", "--executor.workers", "2"),
}


def fit(config: Path, run_dir: str, *flags: str) -> str:
    """Run an example to its end, or as the flags say; its digest."""
    named = () if "--resume" in flags else ("--config", config.name)
    assert scarlet_pl("fit", *named, "--run_dir", run_dir, *flags) == 0
    return str(json.loads(Path(run_dir, "summary.json").read_text())["digest"])


def test_there_are_examples() -> None:
    assert len(ALL) >= 5


@each_example
def test_an_example_is_short(config: Path) -> None:
    """At most 60 lines without what its docstring says."""
    text = config.with_suffix(".py").read_text(encoding="utf-8")
    docstring = ast.parse(text).body[0]
    assert ast.get_docstring(ast.parse(text))
    assert docstring.end_lineno is not None
    assert len(text.splitlines()) - docstring.end_lineno <= 60


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [pytest.param(path, marks=() if path.stem in READ else pytest.mark.full) for path in ALL],
    ids=lambda path: path.stem,
)
def test_an_example_runs_as_its_readers_run_it(config: Path, folder: Path) -> None:
    script = Path(sys.executable).parent / "scarlet-pl"
    done = subprocess.run([str(script), "fit", "--config", config.name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run_dir = folder / "logs" / config.stem / "version_0"
    assert len(read_rounds(run_dir / "rounds.csv")) == yaml.safe_load(config.read_text())["trainer"]["max_rounds"]


@pytest.mark.slow
@each_example
def test_an_example_gives_one_digest(config: Path, folder: Path) -> None:
    """On every executor; and stopped after a round, and resumed."""
    serial = fit(config, "serial", "--executor", "Serial")
    for how, flags in HOWS.items():
        assert fit(config, how, *flags) == serial, how
    fit(config, "stopped", "--executor", "Serial", "--trainer.max_time", "00:00:00:00")
    assert len(read_rounds(Path("stopped/rounds.csv"))) == 1
    more = ("--trainer.max_time", "null", "--resume", "--resume_override", "--trust_code")
    assert fit(config, "stopped", *more) == serial


def test_stragglers_slow_down(folder: Path) -> None:
    """150 steps at 100 a second, 1000 bytes at 1e5 a second: 1.51 s; of a straggler 1.2 times that in each round."""
    from availability_stragglers import Stragglers  # type: ignore[import-not-found]

    each, work = Stragglers(), Work(down=600, steps=150, up=400)
    assert [each.seconds(0, round, 1, work) for round in range(3)] == [1.51] * 3
    assert [each.seconds(0, round, 3, work) for round in range(3)] == pytest.approx([1.51, 1.812, 2.1744])
    with pytest.raises(ConfigError, match=r"federation\.availability\.slowdown: got 0\.5, allowed: a number >= 1"):
        Stragglers(slowdown=0.5)
