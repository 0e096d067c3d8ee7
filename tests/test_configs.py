"""Every shipped configuration is parsed; the small ones run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from scarlet_pl.cli.trust import foreign_code
from scarlet_pl.run_files import read_rounds

from .test_cli import scarlet_pl

CONFIGS = Path(__file__).parents[1] / "configs"
ALL = sorted(path for path in CONFIGS.rglob("*.yaml") if path.parent.name != "experiments")  # see test_sweep.py


@pytest.mark.slow
@pytest.mark.parametrize("config", ALL, ids=lambda path: path.stem)
def test_every_config_is_parsed(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And names nothing that a run could not go on with unless it were trusted."""
    assert scarlet_pl("fit", "--config", str(config), "--print_config") == 0
    printed, written = yaml.safe_load(capsys.readouterr().out), yaml.safe_load(config.read_text())
    for group in ("trainer", "data", "client", "server"):
        for name, value in written.get(group, {}).items():
            if not isinstance(value, dict):
                assert printed[group][name] == value
    assert not list(foreign_code(printed, tmp_path))


SMALL = [path for path in ALL if yaml.safe_load(path.read_text())["data"]["private"] == "digits"]
FEW = ("scarlet", "cfd_1_1_delta")
QUICK = ("--client.epochs", "1", "--client.distillation_epochs", "1", "--server.epochs", "1")


@pytest.mark.parametrize(
    "config",
    [pytest.param(path, marks=() if path.stem in FEW else pytest.mark.slow) for path in SMALL],
    ids=lambda path: path.stem,
)
def test_small_configs_run(config: Path, tmp_path: Path) -> None:
    run = ("--run_dir", str(tmp_path / "run"), "--trainer.max_rounds", "2", *QUICK)
    assert scarlet_pl("fit", "--config", str(config), *run) == 0
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["rounds"] == 2
    silent = config.stem in ("individual", "centralized")
    assert (summary["bytes_up"] == 0) == silent
    assert len(read_rounds(tmp_path / "run/rounds.csv")) == 2


def test_scarlet_and_dsfl_differ_in_aggregator_and_cache_only() -> None:
    for folder, suffix in ((CONFIGS, ""), (CONFIGS / "paper", "_cifar10")):
        scarlet, dsfl = (yaml.safe_load((folder / f"{name}{suffix}.yaml").read_text()) for name in ("scarlet", "dsfl"))
        for config in (scarlet, dsfl):
            del config["method"]["aggregator"], config["method"]["cache"]
        assert scarlet == dsfl
