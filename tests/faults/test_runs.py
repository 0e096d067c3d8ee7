"""What waits for a run says why it waited in vain."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from . import runs
from .runs import Run, alive, wait_for_rounds

TALKS = "import sys; print('x' * 10**6, file=sys.stderr); print('why'); sys.exit(3)"
LEAVES = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)']).pid)"


def test_a_run_that_ends_before_its_rounds_is_a_failure(tmp_path: Path) -> None:
    """However much it said: more than a pipe holds."""
    with Run([sys.executable, "-c", TALKS], tmp_path / "run") as run, pytest.raises(pytest.fail.Exception) as failed:
        wait_for_rounds(tmp_path / "run", 2, run)
    assert "ended with code 3 before 2 rounds were done\nwhy\nxxx" in str(failed.value)
    assert len(run.said()) > 10**6


def test_a_process_that_outlives_its_run_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LIMIT", 1)
    with Run([sys.executable, "-c", LEAVES], tmp_path / "run") as run:
        run.wait()
        with pytest.raises(pytest.fail.Exception, match="took more than 1 s before all its processes had ended"):
            run.end()
        (left,) = run.processes()
        assert alive(left)
    monkeypatch.undo()
    run.end()
    assert not alive(left)
