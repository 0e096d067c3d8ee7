"""Every command of the README runs as it stands there, with fewer rounds; the two that install run in .ci/run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scarlet_pl.cli import main

from .readme import README, blocks, commands
from .test_data import write_idx

FEWER = "--trainer.max_rounds 1 --client.epochs 1 --client.distillation_epochs 1 --server.epochs 1"
COMMANDS = ("fit", "test", "validate", "compare", "estimate", "rehearse")


def put_data(folder: Path) -> None:
    """MNIST, EMNIST and arrays of one's own, as the README's commands look for them."""
    draws = np.random.default_rng(0)
    for name, prefix, parts in (
        ("MNIST", "", {"train": 400, "t10k": 100}),
        ("EMNIST", "emnist-letters-", {"train": 10_000, "test": 10}),
    ):
        (folder / name / "raw").mkdir(parents=True)
        for part, count in parts.items():
            images = draws.integers(0, 256, (count, 28, 28), dtype=np.uint8)
            write_idx(folder / name / "raw" / f"{prefix}{part}-images-idx3-ubyte", images)
            classes = np.arange(count, dtype=np.uint8) % 10 + (name == "EMNIST")
            write_idx(folder / name / "raw" / f"{prefix}{part}-labels-idx1-ubyte", classes)
    (folder / "mine").mkdir()
    for path, count in (("mine/train.npz", 200), ("mine/test.npz", 50), ("public.npz", 500)):
        np.savez(folder / path, x=draws.integers(0, 256, (count, 8, 8), dtype=np.uint8), y=np.arange(count) % 10)


def shortened(command: str) -> str:
    """The command with fewer rounds; where it takes several devices or machines, only its configuration is read."""
    launched = min((command.find(name) for name in ("scarlet-pl", "scarlet_pl") if name in command), default=0)
    own = command[launched:].partition(" #")[0]
    if "--trainer.devices" in own:
        return f"{own.replace('scarlet_pl', 'scarlet-pl', 1)} --print_config"
    fewer = {"scarlet-pl fit": FEWER, "scarlet-pl estimate": "--rounds 20", "scarlet-pl rehearse": FEWER}
    return " ".join([own, *(flags for start, flags in fewer.items() if own.startswith(start))])


def run(command: str, env: dict[str, str], full: bool) -> None:
    """As the shell runs it; in this process but for what it expands to, unless `full`."""
    words = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {command}"], env=env, capture_output=True, text=True, check=True
    ).stdout.split("\0")[:-1]
    assert words[0] == "scarlet-pl", command
    assert words[1] in COMMANDS, command
    if full:
        done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
        return
    if words[1] == "rehearse":
        return  # tests/flower has one in every test run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as stop:
            main()
    assert not stop.value.code, command


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_command_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "configs").symlink_to(README.parent / "configs")
    put_data(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "HOME": str(tmp_path), "PATH": scripts}
    install, check, *others = blocks("bash", "python")
    run(shortened(install[1].rpartition("&&")[2].strip()), env, full)
    assert "bash .ci/check" in check[1]
    seen = 0
    for language, text in others:
        if language == "python":
            name = text.splitlines()[0].removeprefix("# ")
            (tmp_path / name).write_text(text)
            sys.modules.pop(name.removesuffix(".py"), None)
            continue
        for command in commands(text):
            run(shortened(command), env, full)
            seen += 1
    assert seen >= 15
    assert (tmp_path / "comparison/compare.md").exists()


@pytest.mark.slow
def test_the_console_script_finds_classes_in_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        next(text for language, text in blocks("python") if "class Vote" in text), encoding="utf-8"
    )
    (tmp_path / "torch.py").write_text("raise SystemExit('a file of the current folder hides an installed package')")
    script = Path(sys.executable).parent / "scarlet-pl"
    config = ("--config", str(README.parent / "configs/scarlet.yaml"))
    fit = [str(script), "fit", *config, "--method.aggregator", "mine.Vote", "--print_config"]
    done = subprocess.run(fit, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "class_path: mine.Vote" in done.stdout
