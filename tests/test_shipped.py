"""The configurations that come with the package, by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scarlet_pl.cli import configs
from scarlet_pl.errors import ConfigError
from scarlet_pl.shipped import comment, config_names, find_config

from .test_cli import scarlet_pl

CONFIGS = Path(__file__).parents[1] / "configs"


def test_names_are_files() -> None:
    files = {path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.yaml")}
    assert set(config_names()) == files
    assert find_config("mixtures/scarlet_1bit").read_bytes() == (CONFIGS / "mixtures/scarlet_1bit.yaml").read_bytes()


@pytest.mark.parametrize("name", config_names())
def test_each_says_what_it_is(name: str) -> None:
    assert len(comment(name)) > 20


def test_a_file_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scarlet").write_text("{}")
    assert find_config("scarlet") == Path("scarlet")
    Path("dsfl").mkdir()
    assert find_config("dsfl").name == "dsfl.yaml"  # a folder is no file
    assert find_config("scarlet.yaml: {}") == Path("scarlet.yaml: {}")  # no name: left to who parses it


def test_a_name_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"config: got 'configs/scralet.yaml', .*did you mean 'scarlet'"):
        find_config("configs/scralet.yaml")
    with pytest.raises(ConfigError, match=r"the names that scarlet-pl configs lists$"):
        find_config("../../somewhere")


def test_fit_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert scarlet_pl("fit", "--config", "mixtures/scarlet_1bit", "--print_config") == 0
    assert yaml.safe_load(capsys.readouterr().out)["method"]["init_args"]["uplink_codec"]["init_args"]["bits"] == 1
    assert scarlet_pl("fit", "--config=scralet") == 2
    assert capsys.readouterr().err.startswith("scarlet-pl: config: got 'scralet', allowed: ")


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert configs.run(["scarlet-pl", "configs"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == config_names()
    assert configs.run(["scarlet-pl", "configs", "scarlet"]) == 0
    assert capsys.readouterr().out == (CONFIGS / "scarlet.yaml").read_text()
    assert configs.run(["scarlet-pl", "configs", "scralet"]) == 2
    assert "did you mean 'scarlet'?" in capsys.readouterr().err


def test_the_command_without_torch() -> None:
    code = "import sys; from scarlet_pl.cli.configs import run; run(['', 'configs']); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0
