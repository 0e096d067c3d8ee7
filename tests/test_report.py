"""`estimate` against real runs, `compare` on run folders."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from scarlet_pl.methods import Method, Population
from scarlet_pl.report.compare import compare, group, read_run
from scarlet_pl.report.estimate import RoundEstimate, UntrainedServer, estimate
from scarlet_pl.run_files import read_rounds

from .test_cli import QUICK, SCARLET, scarlet_pl

CONFIGS = Path(SCARLET).parent


def estimated(config: str, rounds: int, *flags: str) -> list[RoundEstimate]:
    """The estimate of a configuration, by the objects that the command line makes."""
    import scarlet_pl.cli.estimate as command

    found: list[RoundEstimate] = []

    def keep(method: Method, population: Population, count: int, server: UntrainedServer) -> list[RoundEstimate]:
        found.extend(estimate(method, population, count, server))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "estimate", keep)
        patch.setattr(sys, "argv", ["scarlet-pl", "estimate", "--config", config, "--rounds", str(rounds), *flags])
        assert command.run(sys.argv) == 0
    return found


@pytest.mark.parametrize("participation", ["1.0", "0.4"])
def test_estimate_is_what_thirty_rounds_really_send(participation: str, tmp_path: Path) -> None:
    flags = ("--method.participation", participation, "--client.models", "mlp", "--server.model", "mlp")
    run = str(tmp_path / "run")
    quick = ("--client.epochs", "1", "--client.distillation_epochs", "1", "--server.epochs", "1")
    assert scarlet_pl("fit", "--config", SCARLET, "--run_dir", run, "--trainer.max_rounds", "30", *quick, *flags) == 0
    for each, row in zip(estimated(SCARLET, 30, *flags), read_rounds(tmp_path / "run/rounds.csv"), strict=True):
        assert each.requests == int(row["cache/requests"])
        assert each.hits == int(row["cache/hits"])
        for kind in ("bytes", "paper_bytes", "no_cache_bytes", "no_cache_paper_bytes"):
            for direction in ("up", "down"):
                assert each.bytes[f"{kind}/{direction}"] == int(row[f"{kind}/{direction}"]), (each.round, kind)


@pytest.mark.parametrize(
    "name", ["cfd_1_1_delta", "fedavg", "individual", "mixtures/scarlet_seeded", "mixtures/dsfl_8bit"]
)
def test_estimate_bounds_what_is_really_sent(name: str, tmp_path: Path) -> None:
    config = str(CONFIGS / f"{name}.yaml")
    quick = ("--client.epochs", "1", "--server.epochs", "1", "--trainer.max_rounds", "4")
    assert scarlet_pl("fit", "--config", config, "--run_dir", str(tmp_path / "run"), *quick) == 0
    for each, row in zip(estimated(config, 4), read_rounds(tmp_path / "run/rounds.csv"), strict=True):
        for direction in ("up", "down"):
            sent, most = int(row[f"bytes/{direction}"]), each.bytes[f"bytes/{direction}"]
            assert sent <= most
            if "delta" not in name and "8bit" not in name:
                assert sent == most


@pytest.mark.slow
def test_estimate_of_the_official_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """SCARLET / DS-FL = 0.418 and DS-FL = 20.8 GB (methods.md, section 1.6), without CIFAR-10 on disk."""
    rounds = estimated(str(CONFIGS / "paper/scarlet_cifar10.yaml"), 2000)
    total = {key: sum(each.bytes[key] for each in rounds) for key in rounds[0].bytes}
    without = total["no_cache_paper_bytes/up"] + total["no_cache_paper_bytes/down"]
    assert without / 1e9 == pytest.approx(20.8, abs=0.1)
    assert (total["paper_bytes/up"] + total["paper_bytes/down"]) / without == pytest.approx(0.418, abs=0.005)
    assert "of the 20.8 GB that it takes without a cache" in capsys.readouterr().out


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five methods × three seeds, two rounds each."""
    folder = tmp_path_factory.mktemp("runs")
    found = []
    for name in ("scarlet", "dsfl", "cfd_1_1", "fedavg", "individual"):
        for seed in range(3):
            run = folder / f"{name}_{seed}"
            flags = ("--run_dir", str(run), "--seed_everything", str(seed), "--client.distillation_epochs", "1")
            quick = [flag if flag != "4" else "2" for flag in QUICK]
            same = ("--server.model", "mlp", "--executor", ("serial", "threads", "auto")[seed])  # all one experiment
            assert scarlet_pl("fit", "--config", str(CONFIGS / f"{name}.yaml"), *quick, *flags, *same) == 0
            found.append(run)
    return found


@pytest.mark.slow
def test_compare_writes_table_and_pictures(runs: list[Path], tmp_path: Path) -> None:
    text = compare(runs, [0.01, 0.999], over_seeds=True, out=tmp_path / "out")
    assert (tmp_path / "out/compare.md").read_text() == text + "\n"
    lines = text.splitlines()
    assert len(lines) == 2 + 5
    assert lines[2].startswith("| scarlet | 3 | 2 | ")
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert "±" in cells[3]
    assert cells[-1] == "n.a."
    assert float(cells[-2].split()[0]) > 0
    assert "n.a." in lines[6]  # no server in an individual run
    names = {path.name for path in (tmp_path / "out").iterdir()}
    stems = ("accuracy_over_rounds", "accuracy_over_bytes", "bytes_by_part")
    assert names == {"compare.md", *(f"{stem}.{kind}" for stem in stems for kind in ("png", "svg"))}
    assert len(group([read_run(run) for run in runs], over_seeds=False)) == 15


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "scarlet_pl", "compare", *arguments], capture_output=True, text=True)


def test_compare_starts_at_once_and_is_kind(tmp_path: Path) -> None:
    start = time.perf_counter()
    helped = command("--help")
    assert time.perf_counter() - start < 1
    assert helped.returncode == 0
    imported = "import sys, scarlet_pl.cli.compare; print(any(m in sys.modules for m in ('torch', 'lightning')))"
    assert subprocess.run([sys.executable, "-c", imported], capture_output=True, text=True).stdout == "False\n"
    for arguments, message in (
        ([str(tmp_path)], f"RUN: got '{tmp_path}', allowed: the folder of a run"),
        ([str(tmp_path), "--target", "2"], "target: got 2.0, allowed: an accuracy in (0, 1]"),
        ([str(tmp_path), "--by", "colour"], "argument --by: invalid choice: 'colour'"),
        ([], "RUN"),
    ):
        refused = command(*arguments)
        assert refused.returncode == 2
        assert message in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
