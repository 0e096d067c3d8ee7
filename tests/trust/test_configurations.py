"""A stranger's configuration, and the data that it names, run no command."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from ..run_folders import Capture
from ..test_cli import SCARLET
from .conftest import Settings, refused

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
    "an availability": {"federation": {"availability": TOUCH}},
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
