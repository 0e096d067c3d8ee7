"""Nothing runs because a stranger's file names it: a module of theirs, a run's folder, and what a command says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..run_folders import Capture
from ..test_cli import QUICK, SCARLET, scarlet_pl

Settings = dict[str, Any]

VOTE = """
from pathlib import Path
from scarlet_pl.methods import Aggregator
Path("pwned").touch()

class Vote(Aggregator):
    def sharpen(self, mean):
        return mean
"""


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a module that leaves a file called pwned when it is imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "stranger.py").write_text(VOTE)
    sys.modules.pop("stranger", None)
    return tmp_path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder."""
    run_dir = tmp_path_factory.mktemp("finished") / "run"
    assert scarlet_pl("fit", "--config", SCARLET, *QUICK, "--trainer.max_rounds", "1", "--run_dir", str(run_dir)) == 0
    return run_dir


def copied(finished: Path, run_dir: Path, change: Callable[[Settings], None]) -> Path:
    """The folder elsewhere, with another configuration."""
    for path in finished.rglob("*"):
        if path.is_file():
            (run_dir / path.relative_to(finished)).parent.mkdir(parents=True, exist_ok=True)
            (run_dir / path.relative_to(finished)).write_bytes(path.read_bytes())
    settings = yaml.safe_load((run_dir / "config.yaml").read_text())
    change(settings)
    (run_dir / "config.yaml").write_text(yaml.safe_dump(settings))
    return run_dir


def refused(capsys: Capture, *command: str) -> str:
    """The line with which a command refuses."""
    capsys.readouterr()
    assert scarlet_pl(*command) == 2
    said = capsys.readouterr()
    assert len(said.err.strip().splitlines()) == 1, said.err
    return said.err
