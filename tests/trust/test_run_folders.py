"""A stranger's run folder runs no code that is not trusted, leads nowhere else, and is not waited for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from scarlet_pl.cli.run_dir import with_config_of_run
from scarlet_pl.cli.signals import how_to_go_on, resumable
from scarlet_pl.cli.trust import foreign_code
from scarlet_pl.errors import ConfigError

from ..run_folders import Capture
from ..test_cli import QUICK, SCARLET, scarlet_pl
from .conftest import VOTE, Settings, copied, refused


def by_name(settings: Settings) -> None:
    settings["method"]["init_args"]["aggregator"] = {"class_path": "stranger.Vote", "init_args": {}}


def by_short_name(settings: Settings) -> None:
    settings["method"]["init_args"]["aggregator"] = "stranger.Vote"


def by_model(settings: Settings) -> None:
    settings["client"]["models"] = ["cnn", {"name": "stranger.Vote"}]


def in_a_text(settings: Settings) -> None:
    settings["client"]["models"] = '{"name": "stranger\\x2eVote"}'


def in_another_file(settings: Settings) -> None:
    Path("part").write_text("class_path: stranger.Vote\n")
    settings["method"]["init_args"]["aggregator"] = "part"


def in_a_file_at_home(settings: Settings) -> None:
    Path("part").write_text("class_path: stranger.Vote\n")
    settings["method"]["init_args"]["aggregator"] = "~/part"


def in_a_file_by_address(settings: Settings) -> None:
    Path("part").write_text("class_path: stranger.Vote\n")
    settings["method"]["init_args"]["aggregator"] = f"file://{Path('part').absolute()}"


def from_the_network(settings: Settings) -> None:
    settings["method"]["init_args"]["aggregator"] = "http://127.0.0.1:9/part"


def in_other_letters(settings: Settings) -> None:
    Path("ф.py").write_text(VOTE)
    settings["method"]["init_args"]["aggregator"] = {"class_path": "ф.Vote"}


def by_a_function_of_torch(settings: Settings) -> None:
    """It returns a network made of any code."""
    code = {"_code": "def forward(self): pass\n"}
    imports = 'from os import system\nsystem("touch pwned")\n'
    name = "torch.fx.graph_module.reduce_graph_module"
    settings["server"]["model"] = {"name": name, "body": code, "import_block": imports}


def by_a_callback_of_lightning(settings: Settings) -> None:
    """It calls whatever it is given, here a launcher of programs."""
    config = {"min_nodes": 1, "max_nodes": 1, "nproc_per_node": 1, "rdzv_backend": "c10d", "run_id": "x"}
    launcher = {
        "class_path": "torch.distributed.launcher.api.elastic_launch",
        "init_args": {"config": {**config, "rdzv_endpoint": "localhost:0"}, "entrypoint": "touch"},
    }
    calls = {"class_path": "lightning.pytorch.callbacks.LambdaCallback", "init_args": {"on_test_start": launcher}}
    settings["trainer"]["callbacks"] = [calls]


FOREIGN = [
    by_name,
    by_short_name,
    by_model,
    in_a_text,
    in_another_file,
    in_a_file_at_home,
    in_a_file_by_address,
    from_the_network,
    in_other_letters,
    by_a_function_of_torch,
    by_a_callback_of_lightning,
]


@pytest.mark.slow
@pytest.mark.parametrize("change", [by_a_function_of_torch, by_a_callback_of_lightning, from_the_network])
def test_a_configuration_given_by_hand_runs_none_of_these_either(
    change: Callable[[Settings], None], finished: Path, somewhere: Path, capsys: Capture
) -> None:
    run_dir = copied(finished, somewhere / "run", change)
    refused(capsys, "fit", "--config", str(run_dir / "config.yaml"), "--run_dir", "other")
    assert not list(somewhere.rglob("pwned"))


@pytest.mark.slow
def test_links_out_of_a_run_folder_are_refused(finished: Path, somewhere: Path, capsys: Capture) -> None:
    run_dir = copied(finished, somewhere / "run", lambda settings: None)
    (somewhere / "victim").write_text("mine")
    (run_dir / "split.png").unlink()
    (run_dir / "split.png").symlink_to(somewhere / "victim")
    for command in (("test",), ("fit", "--resume")):
        said = refused(capsys, command[0], "--run_dir", str(run_dir), *command[1:])
        assert f"a folder without symbolic links (not {run_dir / 'split.png'})" in said
    assert (somewhere / "victim").read_text() == "mine"


@pytest.mark.slow
def test_event_files_from_the_future_are_not_waited_for(finished: Path, somewhere: Path) -> None:
    run_dir = copied(finished, somewhere / "run", lambda settings: None)
    for second in ("99999999999", "soon"):
        (run_dir / f"tensorboard/round/events.out.tfevents.{second}.x").touch()
    more = ("--trainer.max_rounds", "2", "--resume", "--resume_override")
    assert scarlet_pl("fit", "--run_dir", str(run_dir), *more) == 0


@pytest.mark.slow
@pytest.mark.parametrize("command", [("test",), pytest.param(("fit", "--resume"), marks=pytest.mark.full)])
def test_a_strangers_modules_hide_no_installed_ones(command: tuple[str, ...], finished: Path, somewhere: Path) -> None:
    """In the folder in which the command is given: not those that are imported, nor those that are only looked for."""
    run_dir = copied(finished, somewhere / "run", lambda settings: None)
    for name in ("torch", "yaml", "tensorflow", "wandb", "random"):
        (somewhere / f"{name}.py").write_text(VOTE)
    script = [sys.executable, "-c", "from scarlet_pl.cli import main; main()", command[0], "--run_dir", str(run_dir)]
    done = subprocess.run(
        [*script, *command[1:]],
        cwd=somewhere,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert not list(somewhere.rglob("pwned"))


@pytest.mark.parametrize("change", FOREIGN)
@pytest.mark.parametrize("command", ["test", "validate", "fit"])
def test_a_strangers_run_folder_is_refused_unless_its_code_is_trusted(
    command: str, change: Callable[[Settings], None], finished: Path, somewhere: Path, capsys: Capture
) -> None:
    run_dir = copied(finished, somewhere / "run", change)
    flags = (command, "--run_dir", str(run_dir), *(["--resume"] if command == "fit" else []))
    said = refused(capsys, *flags)
    assert f"run_dir: got '{run_dir}', allowed: a config.yaml that names classes of scarlet_pl, torch.optim, " in said
    assert "--trust_code runs what it names" in said
    assert not list(somewhere.rglob("pwned"))


def test_trusted_code_is_run(finished: Path, somewhere: Path) -> None:
    run_dir = copied(finished, somewhere / "run", by_name)
    assert scarlet_pl("test", "--run_dir", str(run_dir), "--trust_code") == 0
    assert list(somewhere.rglob("pwned"))


@pytest.mark.slow
def test_a_folder_of_ones_own_needs_no_trust(finished: Path) -> None:
    for command in ("test", "validate"):
        assert scarlet_pl(command, "--run_dir", str(finished)) == 0
    assert not list(foreign_code(yaml.safe_load((finished / "config.yaml").read_text()), finished))


@pytest.mark.slow
def test_a_run_of_ones_own_code_says_how_to_go_on(somewhere: Path, capsys: Capture) -> None:
    flags = ("--method.aggregator", "stranger.Vote", "--trainer.max_time", "00:00:00:00", "--run_dir", "run")
    assert scarlet_pl("fit", "--config", SCARLET, *QUICK, *flags) == 0
    assert "stopped by trainer.max_time; go on with the same command and --run_dir run --resume --trust_code" in (
        capsys.readouterr().out
    )
    resumable(Path("run"))  # `serve`, which starts the run and has not read its configuration
    assert how_to_go_on() == "; go on with the same command and --run_dir run --resume --trust_code"
    with pytest.raises(ConfigError, match="--trust_code runs what it names"):
        with_config_of_run(["fit", "--run_dir", "run", "--resume"])
    more = ("--trainer.max_time", "null", "--resume_override", "--resume", "--trust_code")
    assert scarlet_pl("fit", "--run_dir", "run", *more) == 0
