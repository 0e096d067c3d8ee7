"""Nothing runs because a stranger's file names it: configurations, run folders, checkpoints, data."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from scarlet_pl.checkpoint import AtomicCheckpointIO
from scarlet_pl.cli.run_dir import with_config_of_run
from scarlet_pl.cli.trust import foreign_code
from scarlet_pl.errors import ConfigError
from scarlet_pl.run_files import checkpoints

from .test_cli import QUICK, SCARLET, scarlet_pl

Capture = pytest.CaptureFixture[str]
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


@pytest.fixture(scope="module")
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


TOUCH = {"class_path": "subprocess.Popen", "init_args": {"args": ["touch", "pwned"]}}
ATTACKS: dict[str, Settings] = {
    "a model": {"client": {"models": {"name": "os.system", "command": "touch pwned"}}},
    "a server's model": {"server": {"model": {"name": "subprocess.getoutput", "cmd": "touch pwned"}}},
    "a model by another module": {"server": {"model": {"name": "torch.os.system", "command": "touch pwned"}}},
    "a plugin": {"trainer": {"plugins": [TOUCH]}},
    "a callback": {"trainer": {"callbacks": [TOUCH]}},
    "a logger": {"trainer": {"logger": TOUCH}},
    "a profiler": {"trainer": {"profiler": TOUCH}},
    "a strategy": {"trainer": {"strategy": TOUCH}},
    "an optimizer": {"client": {"optimizer": TOUCH}},
    "an aggregator": {"method": {"aggregator": TOUCH}},
    "a partition": {"data": {"partition": TOUCH}},
    "an executor": {"executor": TOUCH},
    "a model's argument": {"client": {"models": {"name": "cnn", "width": TOUCH}}},
    "a callback's argument": {
        "trainer": {
            "callbacks": [
                {"class_path": "lightning.pytorch.callbacks.LambdaCallback", "init_args": {"on_fit_start": "os.abort"}}
            ]
        }
    },
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_configuration_runs_no_command(attack: Settings, somewhere: Path, capsys: Capture) -> None:
    (somewhere / "stranger.yaml").write_text(yaml.safe_dump(attack))
    said = refused(capsys, "fit", "--config", SCARLET, "--config", "stranger.yaml")
    assert "got" in said
    assert not list(somewhere.rglob("pwned"))
    assert not (somewhere / "logs").exists()


@pytest.mark.parametrize("tag", ["python/object/apply:os.system", "python/object/new:subprocess.Popen"])
def test_yaml_tags_are_refused(tag: str, somewhere: Path, capsys: Capture) -> None:
    (somewhere / "stranger.yaml").write_text(f"name: !!{tag} ['touch pwned']\n")
    said = refused(capsys, "fit", "--config", SCARLET, "--config", "stranger.yaml")
    assert "could not determine a constructor for the tag" in said
    assert not list(somewhere.rglob("pwned"))


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


@pytest.mark.parametrize("command", ["test", "fit"])
def test_a_checkpoint_with_a_pickle_and_a_hash_that_fits_is_refused(
    command: str, finished: Path, somewhere: Path, capsys: Capture
) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("touch pwned",)

    run_dir = copied(finished, somewhere / "run", lambda settings: None)
    (checkpoint,) = checkpoints(run_dir)
    torch.save({"state_dict": {}, "x": Malicious()}, checkpoint)
    hashed = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    checkpoint.with_name(f"{checkpoint.name}.sha256").write_text(hashed)
    said = refused(capsys, command, "--run_dir", str(run_dir), *(["--resume"] if command == "fit" else []))
    assert "holds more than tensors and plain values" in said
    config = ("--config", str(run_dir / "config.yaml"))
    said = refused(capsys, "test", *config, "--ckpt_path", str(checkpoint))
    assert "ckpt_path: " in said
    assert not list(somewhere.rglob("pwned"))


def some_text(path: Path) -> None:
    path.write_text("hello")


def some_tensors(path: Path) -> None:
    AtomicCheckpointIO().save_checkpoint({"w": torch.zeros(3)}, path)


def another_network(path: Path) -> None:
    (checkpoint,) = checkpoints(path.parent)
    other = AtomicCheckpointIO().load_checkpoint(checkpoint)
    other["state_dict"] = {name: torch.zeros(7, 7) for name in other["state_dict"]}
    AtomicCheckpointIO().save_checkpoint(other, path)


def clients_in_a_list(path: Path) -> None:
    (checkpoint,) = checkpoints(path.parent if path.name == "other.ckpt" else path.parents[1])
    other = AtomicCheckpointIO().load_checkpoint(checkpoint)
    other["federation"]["clients"] = [1, 2]
    AtomicCheckpointIO().save_checkpoint(other, path)


def other_clients(path: Path) -> None:
    (checkpoint,) = checkpoints(path.parent)
    other = AtomicCheckpointIO().load_checkpoint(checkpoint)
    other["federation"]["method"] = {"weights": {}}
    AtomicCheckpointIO().save_checkpoint(other, path)


@pytest.mark.slow
@pytest.mark.parametrize("write", [some_text, some_tensors, another_network, clients_in_a_list, other_clients])
def test_a_foreign_checkpoint_is_one_line(
    write: Callable[[Path], None], finished: Path, somewhere: Path, capsys: Capture
) -> None:
    run_dir = copied(finished, somewhere / "run", lambda settings: None)
    write(run_dir / "other.ckpt")
    said = refused(capsys, "test", "--config", str(run_dir / "config.yaml"), "--ckpt_path", str(run_dir / "other.ckpt"))
    assert said.startswith("scarlet-pl: ckpt_path: ")
    assert str(run_dir / "other.ckpt") in said


@pytest.mark.slow
def test_a_run_whose_checkpoint_is_of_another_shape_is_one_line(
    finished: Path, somewhere: Path, capsys: Capture
) -> None:
    run_dir = copied(finished, somewhere / "run", lambda settings: None)
    clients_in_a_list(checkpoints(run_dir)[0].with_name("other"))
    for suffix in ("", ".sha256"):
        os.replace(run_dir / f"checkpoints/other{suffix}", f"{checkpoints(run_dir)[0]}{suffix}")
    assert "the folder of a run with a checkpoint that is whole" in refused(capsys, "test", "--run_dir", str(run_dir))


def test_pickles_in_data_are_refused(somewhere: Path, capsys: Capture) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("touch pwned",)

    stream = io.BytesIO()
    np.save(stream, np.array([Malicious()] * 3, object), allow_pickle=True)
    with zipfile.ZipFile("evil.npz", "w") as archive:
        archive.writestr("x.npy", stream.getvalue())
        archive.writestr("y.npy", stream.getvalue())
    said = refused(capsys, "fit", "--config", SCARLET, "--data.private", "npz:evil.npz", "--data.root", ".")
    assert "data.private: got 'evil.npz', allowed: a whole npz file" in said
    assert not list(somewhere.rglob("pwned"))


@pytest.mark.slow
def test_a_run_of_ones_own_code_says_how_to_go_on(somewhere: Path, capsys: Capture) -> None:
    flags = ("--method.aggregator", "stranger.Vote", "--trainer.max_time", "00:00:00:00", "--run_dir", "run")
    assert scarlet_pl("fit", "--config", SCARLET, *QUICK, *flags) == 0
    assert "stopped by trainer.max_time; go on with the same command and --run_dir run --resume --trust_code" in (
        capsys.readouterr().out
    )
    with pytest.raises(ConfigError, match="--trust_code runs what it names"):
        with_config_of_run(["fit", "--run_dir", "run", "--resume"])
    more = ("--trainer.max_time", "null", "--resume_override", "--resume", "--trust_code")
    assert scarlet_pl("fit", "--run_dir", "run", *more) == 0
