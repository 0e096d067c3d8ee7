"""What a person sees in a terminal, and what happens when nobody reads any more."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from scarlet_pl.callbacks.progress import RoundProgress
from scarlet_pl.cli import COMMANDS
from scarlet_pl.report.summary import print_summary
from scarlet_pl.run_files import read_rounds

from .test_cli import QUICK, SCARLET, scarlet_pl

FIT = [sys.executable, "-m", "scarlet_pl", "fit", "--config", SCARLET, *QUICK]


@pytest.mark.parametrize("errors_too", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_closed_pipe_ends_no_run(errors_too: bool, tmp_path: Path) -> None:
    """As with `| head -1`: the reader goes after the first line."""
    run_dir = tmp_path / "run"
    err = subprocess.STDOUT if errors_too else subprocess.PIPE
    with subprocess.Popen([*FIT, "--run_dir", str(run_dir)], stdout=subprocess.PIPE, stderr=err) as run:
        assert run.stdout is not None
        run.stdout.readline()
        run.stdout.close()
        assert run.stderr is None or run.stderr.read() == b""
    assert run.returncode == 0
    assert len(read_rounds(run_dir / "rounds.csv")) == 4
    assert "digest" in json.loads((run_dir / "summary.json").read_text())


@pytest.mark.slow
def test_a_closed_pipe_changes_no_exit_code(tmp_path: Path) -> None:
    wrong = [*FIT, "--trainer.max_rounds", "none"]
    with subprocess.Popen(wrong, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path) as run:
        assert run.stdout is not None
        run.stdout.close()
    assert run.returncode == 2


def test_bare_command_names_every_command_and_an_example() -> None:
    done = subprocess.run([sys.executable, "-m", "scarlet_pl"], capture_output=True, text=True)
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    assert "  scarlet-pl fit --config scarlet " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


class Refreshed(RoundProgress):
    """Shows each phase, however short."""

    def _now(self, phase: str) -> None:
        super()._now(phase)
        assert self._live is not None
        self._live.refresh()


@pytest.mark.parametrize("width", [80, 120])
def test_progress_shows_phases_seconds_and_numbers(width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, color_system=None, width=width)
    monkeypatch.setattr("scarlet_pl.callbacks.RoundProgress", lambda: Refreshed(console))
    assert scarlet_pl("fit", "--config", SCARLET, *QUICK, "--run_dir", str(tmp_path / "run")) == 0
    lines = re.sub(r"(\x1b\[[0-9?]*[A-Za-z]|\r)+", "\n", shown.getvalue()).splitlines()
    assert max(map(len, lines)) <= width
    assert [line for line in lines if re.search(r"^clients ━+ 10/10 now: server *$", line)]
    assert [line for line in lines if re.search(r"^clients ━+ 10/10 now: test *$", line)]
    assert [line for line in lines if re.search(r"^ rounds ━+ 4/4 \d+\.\d\d s/round \d:\d\d:\d\d *$", line)]
    assert [line for line in lines if re.search(r"^ +server 0\.\d+  client 0\.\d+  hits \d+%  0\.\d+ MB *$", line)]


def test_the_end_says_where_the_run_is_and_what_to_type_next(tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    folder.mkdir()
    terminal, file = io.StringIO(), io.StringIO()
    print_summary(folder, Console(file=terminal, force_terminal=True, width=80))
    print_summary(folder, Console(file=file, width=80))
    assert f";{folder.as_uri()}\x1b\\{folder}\x1b]8;;" in terminal.getvalue()
    assert file.getvalue().splitlines() == [
        f"run in {folder}",
        f"  its charts   tensorboard --logdir '{folder}'",
        f"  with others  scarlet-pl compare '{folder}' OTHER_RUN",
        f"  to send on   scarlet-pl report '{folder}'",
    ]
