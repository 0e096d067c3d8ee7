"""What processes of the fork server begin with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, os, signal, sys
sys.path.insert(0, os.environ["FIRST"])
from scarlet_pl.executors import begin_in, fork_server

def look(environment):
    seen = sys.modules["twin"].WHERE, os.getppid()
    begin_in(environment)
    return *seen, signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []), dict(os.environ)

if __name__ == "__main__":
    before = dict(os.environ)
    with fork_server("twin").Pool(2) as pool:
        os.environ["SINCE"] = "then"
        found = pool.map(look, [dict(os.environ)] * 2, 1)
    del os.environ["SINCE"]
    assert dict(os.environ) == before
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    for where, parent, blocked, environment in found:
        assert parent != os.getpid()
        assert blocked
        assert environment == {**before, "SINCE": "then"}
        print(where)
"""


def test_processes_begin_as_their_parent_would(tmp_path: Path) -> None:
    """With the modules that it would import, neither those of the current folder nor others of the same name; in its
    environment; deaf to Ctrl-C."""
    for name in ("here", "installed", "first"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "twin.py").write_text(f"WHERE = {name!r}")
    (tmp_path / "here/torch.py").write_text("raise SystemExit('a stranger ran')")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    installed = os.pathsep.join([str(tmp_path / "installed"), str(Path(__file__).parents[1])])
    environment = {**os.environ, "FIRST": str(tmp_path / "first"), "PYTHONPATH": installed}
    ended = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path / "here", env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["first", "first"]
