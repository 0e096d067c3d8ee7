"""What scarlet_pl refuses from Python, and what a stranger's run cannot do."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import scarlet_pl as spl
from scarlet_pl.cli.app import FederatedCLI

from .test_api import QUICK, Interrupted

ONE = {**QUICK, "trainer.max_rounds": 1}


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def changed(run: spl.Run, change: Any) -> spl.Run:
    """The run with another checkpoint, whose hash is right."""
    path = next((run.folder / "checkpoints").glob("*.ckpt"))
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)
    path.with_name(f"{path.name}.sha256").write_text(hashlib.sha256(path.read_bytes()).hexdigest())
    return spl.load(run.folder)


@pytest.mark.slow
def test_a_script_without_a_main_block_is_not_run_again() -> None:
    """Worker processes import the script: each would start a run of its own."""
    script = Path("script.py")
    script.write_text(
        "import scarlet_pl as spl\n"
        f"run = spl.fit('scarlet', { ({**ONE, 'executor': 'processes', 'executor.workers': 1})!r})\n"
    )
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert ended.returncode != 0
    assert "under if __name__ == '__main__':" in ended.stderr
    assert [path.name for path in Path("logs/scarlet").iterdir()] == ["version_0"]
    script.write_text(script.read_text().replace("run = ", "if __name__ == '__main__':\n    run = "))
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_an_interrupt_before_the_first_round_names_its_own_run(monkeypatch: pytest.MonkeyPatch) -> None:
    spl.fit("scarlet", ONE, run_dir="finished")
    made = FederatedCLI.instantiate_trainer

    def interrupted(cli: FederatedCLI, **options: Any) -> Any:
        trainer = made(cli, **options)
        trainer.callbacks.append(Interrupted(0))
        return trainer

    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    monkeypatch.setattr(FederatedCLI, "instantiate_trainer", interrupted)
    with pytest.raises(KeyboardInterrupt, match="start again in another folder than cut"):
        spl.fit("scarlet", ONE, run_dir="cut")


@pytest.mark.parametrize(
    ("config", "overrides", "field"),
    [
        ("scarlet", {"config": "dsfl"}, "overrides: got 'config'"),
        ("scarlet", {"run_dir": "x"}, "overrides: got 'run_dir'"),
        ("scarlet", {"help": True}, "overrides: got 'help'"),
        ("scarlet", {"method.help": True}, "overrides: got 'method.help'"),
        ((), {}, "config: got "),
    ],
)
def test_what_is_no_setting(config: Any, overrides: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        spl.fit(config, overrides)


def test_values_that_cannot_be() -> None:
    run = spl.fit("scarlet", ONE)
    for call in (
        lambda: run.plot("clients"),  # type: ignore[arg-type]
        lambda: run.plot(over="megabytes"),  # type: ignore[arg-type]
        lambda: run.client("1"),  # type: ignore[arg-type]
        lambda: spl.compare([]),
        lambda: spl.compare(run, targets=1.5),
        lambda: spl.compare(run, by="sed"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match=r": got .*, allowed: "):
            call()
    assert str(spl.compare(run, targets=0.01)) == str(spl.compare(str(run.folder), targets=[0.01]))
    assert len({run, run}) == 1


def test_numbers_are_those_of_the_rounds() -> None:
    run = spl.fit("scarlet", ONE)
    path = run.folder / "summary.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({**known, "server_accuracy": 0.99, "seconds": None, "bytes_up": [1]}))
    again = spl.load(run.folder)
    assert again.summary == run.summary
    assert str(again) == str(run)


def test_a_strangers_run_runs_no_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = spl.fit("individual", ONE)
    Path("mine.py").write_text("raise SystemExit('ran')")
    monkeypatch.syspath_prepend(tmp_path)
    config = run.folder / "config.yaml"
    config.write_text(config.read_text().replace("mlp", "mine.Net"))
    stranger = spl.load(run.folder)
    for call in (stranger.server, lambda: stranger.client(0), lambda: spl.fit(run_dir=run.folder, resume=True)):
        with pytest.raises(ValueError, match=r"models.*mine.Net"):
            call()
    with pytest.raises(SystemExit, match="ran"):
        stranger.client(0, trust_code=True)


def test_a_strangers_checkpoint_makes_no_files() -> None:
    run = spl.fit("scarlet", {**ONE, "federation.store": "disk"})

    def elsewhere(state: dict[str, Any]) -> None:
        states = state["federation"]["clients"]["states"]
        states["0/../../../outside/evil"] = states.pop(0)

    stranger = changed(run, elsewhere)
    for call in (stranger.cache, stranger.server, lambda: stranger.client(0)):
        with pytest.raises(ValueError, match="damaged or missing"):
            call()
    assert not Path("outside").exists()


def test_links_are_not_followed() -> None:
    run = spl.fit("scarlet", ONE)
    (run.folder / "more").symlink_to("/")
    with pytest.raises(ValueError, match="symbolic links"):
        run.cache()


def test_a_checkpoint_that_is_none_of_a_run() -> None:
    run = changed(spl.fit("scarlet", ONE), lambda state: state.pop("federation"))
    for call in (run.server, run.cache, lambda: spl.fit(run_dir=run.folder, resume=True)):
        with pytest.raises(ValueError, match="no checkpoint of a run"):
            call()


def test_a_network_that_is_another() -> None:
    run = spl.fit("scarlet", ONE)
    config = run.folder / "config.yaml"
    config.write_text(config.read_text().replace("model: mlp", "model: cnn"))
    with pytest.raises(ValueError, match=r"server.model: got 'cnn', allowed: the network whose weights"):
        spl.load(run.folder).server()


def test_a_run_that_may_only_be_read() -> None:
    """As for another user; root may write to everything."""
    run = spl.fit("scarlet", {**ONE, "federation.store": "disk"})
    opened = os.open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", lambda path, flags, *more, **options: _reading(opened, path, flags, *more, **options))
        assert run.client(0) is not None


def _reading(opened: Any, path: Any, flags: int, *more: Any, **options: Any) -> Any:
    if str(path).endswith(".bin") and flags & (os.O_RDWR | os.O_WRONLY | os.O_CREAT):
        raise PermissionError(13, "Permission denied", str(path))
    return opened(path, flags, *more, **options)
