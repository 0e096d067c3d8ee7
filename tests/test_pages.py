"""The README and the documentation: every command and every piece of Python in them runs, with fewer rounds.

What cannot run here is parsed (`PARSED`) or left to another test (`NOT_RUN`)."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from scarlet_pl.cli import main

from .readme import README, blocks, commands
from .test_data import write_idx

ROOT = README.parent
PAGES = sorted(page for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")) if blocks("bash", "python", page=page))
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)

FEWER = "--trainer.max_rounds 1 --client.epochs 1 --client.distillation_epochs 1 --server.epochs 1"
SHORTER = {"fit": FEWER, "estimate": "--rounds 20", "sweep": "--dry_run"}
PARSED = {
    "--trainer.devices": "several GPUs or machines; other tests run two ranks on this one",
    "serve": "waits for other machines; tests/flower has it with all that belongs to it",
    "join": "the same",
    "rehearse": "takes long; tests/flower has one in every test run",
}
"""Settings that are only parsed, and why: what stands there cannot run here, or runs elsewhere."""
OWN = {"serve": ("--run_dir", "--host", "--port", "--tls"), "rehearse": ("--nodes", "--out", "--lane")}
"""Flags, each with a value, that these commands do not share with fit."""
NOT_RUN = {
    "python3 -m venv": ".ci/run runs it",
    ". .venv/bin/activate": "the same",
    "bash .ci/check": "runs this test",
    "pre-commit install": "changes the repository",
    "flower-supernode": "Flower's own, waits for other machines; tests/flower/test_supernode.py runs it",
    "flwr run": "the same",
}


def put_data(folder: Path) -> None:
    """MNIST, EMNIST and arrays of one's own, as the commands look for them."""
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


def scarlet_pl(words: list[str]) -> None:
    """Run the command in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        patch.setattr(sys, "path", [str(Path.cwd()), *sys.path])
        with pytest.raises(SystemExit) as stop:
            main()
    assert not stop.value.code, words


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands find in the current folder, a finished run too."""
    folder = tmp_path_factory.mktemp("start")
    for name in ("configs", "docs", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("_build", "__pycache__", "logs"))
    put_data(folder / "data")
    shutil.copy(ROOT / "configs/scarlet.yaml", folder / "mine.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        scarlet_pl(["scarlet-pl", "fit", "--config", "configs/scarlet.yaml", *FEWER.split()])
    return folder


@pytest.fixture
def here(start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    shutil.copytree(start, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in (("SCRATCH", str(tmp_path)), ("SLURM_ARRAY_TASK_ID", "1"), ("SLURM_ARRAY_TASK_COUNT", "8")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def expanded(command: str) -> list[str]:
    """The words that the shell makes of a command."""
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


def parse(words: list[str]) -> None:
    """Let the command's own parser read the settings, and no more."""
    name, settings = words[1], [word for word in words[2:] if word != "…"]
    for flag in OWN.get(name, ()):
        if flag in settings:
            at = settings.index(flag)
            del settings[at : at + 2]
    scarlet_pl(["scarlet-pl", "join" if name == "join" else "fit", *settings, "--print_config"])


def fewer_cells(words: list[str]) -> list[str]:
    """The words of a sweep, with the first seed and the first value of each axis, and those that tables refer to."""
    at = words.index("--config") + 1
    written = Path("fewer", Path(words[at]).name)
    experiment = yaml.safe_load(Path(words[at]).read_text(encoding="utf-8"))
    sweep = experiment["sweep"]
    wanted = {value for table in sweep["tables"].values() for value in table.get("reference", {}).values()}
    sweep["seeds"] = sweep["seeds"][:1]
    for name, values in sweep["grid"].items():
        kept = [each for number, each in enumerate(values) if number == 0 or each in wanted]
        sweep["grid"][name] = {each: values[each] for each in kept} if isinstance(values, dict) else kept
    written.parent.mkdir(exist_ok=True)
    written.write_text(yaml.safe_dump(experiment), encoding="utf-8")
    return [*words[:at], str(written), *words[at + 1 :]]


def check_extras(command: str) -> None:
    """What `pip install` asks for exists."""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = [word for word in shlex.split(command)[2:] if word != "-e"]
    asked = [re.fullmatch(r"(?:scarlet-pl|\.)(?:\[([a-z]+)\])?", word) for word in wanted]
    assert all(each and (each[1] is None or each[1] in known) for each in asked), command


def run(command: str) -> None:
    """Run a command, or what of it can be run."""
    command, _, written = command.partition(" > ")
    launched = re.search(r"scarlet[-_]pl .*", command)
    if command.startswith("pip install "):
        check_extras(command)
    elif not command.startswith(tuple(NOT_RUN)):
        assert launched, command
        words = ["scarlet-pl", *expanded(launched[0])[1:]]
        words += [] if any(word.endswith("help") for word in words) else SHORTER.get(words[1], "").split()
        words = fewer_cells(words) if words[1] == "sweep" else words
        with Path(written or os.devnull).open("w", encoding="utf-8") as out, redirect_stdout(out):
            parse(words) if any(each in words for each in PARSED) else scarlet_pl(words)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@each_page
def test_every_block_runs(page: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope: dict[str, Any] = {}
    for language, text in blocks("bash", "python", page=page):
        if language == "bash":
            for command in " && ".join(commands(text)).split(" && "):
                if command.startswith("cd "):
                    monkeypatch.chdir(command.removeprefix("cd "))
                else:
                    run(command)
            monkeypatch.chdir(here)
        elif text.startswith("# mine.py"):
            (here / "mine.py").write_text(text, encoding="utf-8")
            sys.modules.pop("mine", None)
        else:
            shorter = re.sub(r'("trainer.max_rounds": )\d+', r"\g<1>2", text)
            (here / "block.py").write_text(shorter, encoding="utf-8")
            scope = runpy.run_path("block.py", scope)


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
