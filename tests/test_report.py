"""`estimate` against real runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from scarlet_pl.methods import Method, Population
from scarlet_pl.report.estimate import RoundEstimate, UntrainedServer, estimate
from scarlet_pl.run_files import read_rounds

from .test_cli import SCARLET, scarlet_pl

CONFIGS = Path(SCARLET).parent
Capture = pytest.CaptureFixture[str]


def estimated(config: str, rounds: int, *flags: str) -> list[RoundEstimate]:
    """The estimate of a configuration, by the objects that the command line makes."""
    import scarlet_pl.cli.estimate as command

    found: list[RoundEstimate] = []

    def keep(
        method: Method, available: Any, population: Population, count: int, server: UntrainedServer, *_: object
    ) -> list[RoundEstimate]:
        found.extend(estimate(method, available, population, count, server))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "estimate", keep)
        patch.setattr(sys, "argv", ["scarlet-pl", "estimate", "--config", config, "--rounds", str(rounds), *flags])
        assert command.run(sys.argv) == 0
    return found


@pytest.mark.slow
@pytest.mark.parametrize("participation", [pytest.param("1.0", marks=pytest.mark.full), "0.4"])
def test_estimate_is_what_thirty_rounds_really_send(participation: str, tmp_path: Path) -> None:
    flags = (
        "--federation.availability.participation",
        participation,
        "--client.models",
        "mlp",
        "--server.model",
        "mlp",
    )
    run = str(tmp_path / "run")
    quick = ("--client.epochs", "1", "--client.distillation_epochs", "1", "--server.epochs", "1")
    assert scarlet_pl("fit", "--config", SCARLET, "--run_dir", run, "--trainer.max_rounds", "30", *quick, *flags) == 0
    for each, row in zip(estimated(SCARLET, 30, *flags), read_rounds(tmp_path / "run/rounds.csv"), strict=True):
        assert each.requests == int(row["cache/requests"])
        assert each.hits == int(row["cache/hits"])
        for kind in ("bytes", "paper_bytes", "no_cache_bytes", "no_cache_paper_bytes"):
            for direction in ("up", "down"):
                assert each.bytes[f"{kind}/{direction}"] == int(row[f"{kind}/{direction}"]), (each.round, kind)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["cfd_1_1_delta", "fedavg", "individual", "mixtures/scarlet_seeded", "mixtures/dsfl_8bit"]
)
def test_estimate_bounds_what_is_really_sent(name: str, tmp_path: Path) -> None:
    config = str(CONFIGS / f"{name}.yaml")
    quick = ("--client.epochs", "1", "--client.distillation_epochs", "1", "--server.epochs", "1")
    assert (
        scarlet_pl("fit", "--config", config, "--run_dir", str(tmp_path / "run"), *quick, "--trainer.max_rounds", "4")
        == 0
    )
    for each, row in zip(estimated(config, 4), read_rounds(tmp_path / "run/rounds.csv"), strict=True):
        for direction in ("up", "down"):
            sent, most = int(row[f"bytes/{direction}"]), each.bytes[f"bytes/{direction}"]
            assert sent <= most
            if name == "fedavg":  # a client's number of samples takes one to four bytes
                assert most - sent <= 3 * int(row["cohort"])
            elif "delta" not in name and "8bit" not in name:
                assert sent == most


@pytest.mark.slow
@pytest.mark.full
def test_estimate_of_the_official_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """SCARLET / DS-FL = 0.418 and DS-FL = 20.8 GB, without CIFAR-10 on disk."""
    rounds = estimated(str(CONFIGS / "paper/scarlet_cifar10.yaml"), 2000)
    total = {key: sum(each.bytes[key] for each in rounds) for key in rounds[0].bytes}
    without = total["no_cache_paper_bytes/up"] + total["no_cache_paper_bytes/down"]
    assert without / 1e9 == pytest.approx(20.8, abs=0.1)
    assert (total["paper_bytes/up"] + total["paper_bytes/down"]) / without == pytest.approx(0.418, abs=0.005)
    assert "of the 20.8 GB that it takes without a cache" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["paper/scarlet_cifar10", "cfd_1_1_delta", "fedavg", "individual"])
def test_an_estimate_fits_eighty_columns(name: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    estimated(str(CONFIGS / f"{name}.yaml"), 12)
    said = capsys.readouterr().out
    assert "…" not in said
    assert max(map(len, said.splitlines())) <= 80


def test_an_estimate_refuses_what_fit_refuses(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    import scarlet_pl.cli.estimate as command

    for flags, message in (
        ("--method null", "method: got None, allowed: "),
        ("--method.aggregator null", "method.aggregator: got None, allowed: an object of class Aggregator"),
        ("--rounds 0", "rounds: got 0, allowed: an integer >= 1"),
        ("--server.model os.sep", "server.model: got 'os.sep', allowed: a torch.nn.Module class"),
    ):
        monkeypatch.setattr(sys, "argv", ["scarlet-pl", "estimate", "--config", SCARLET, *flags.split()])
        with pytest.raises(SystemExit, match="2"):
            command.run(sys.argv)
        said = capsys.readouterr().err.strip()
        assert message in said
        assert len(said.splitlines()) == 1


def test_a_run_is_not_estimated_by_the_defaults(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    from scarlet_pl.cli.estimate import run

    monkeypatch.setattr(sys, "argv", ["scarlet-pl", "estimate", "--run_dir", "logs/run"])
    with pytest.raises(SystemExit, match="2"):
        run(sys.argv)
    assert "run_dir: got 'logs/run', allowed: nothing without --config" in capsys.readouterr().err
