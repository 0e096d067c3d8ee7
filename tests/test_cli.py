"""The command line: what it writes, what it says, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scarlet_pl import __version__
from scarlet_pl.cli import COMMANDS
from scarlet_pl.cli.fit import run
from scarlet_pl.cli.parser import one_line
from scarlet_pl.options import NOT_HERE
from scarlet_pl.run_files import read_rounds
from scarlet_pl.wire import PARTS

SCARLET = str(Path(__file__).parents[1] / "configs/scarlet.yaml")
QUICK = (
    *("--trainer.max_rounds", "4", "--client.epochs", "1", "--client.distillation_epochs", "1"),
    *("--client.models", "mlp", "--server.epochs", "1", "--server.model", "mlp"),
)


def scarlet_pl(*arguments: str) -> int:
    """Run the command in this process; its exit code."""
    before, sys.argv = sys.argv, ["scarlet-pl", *arguments]
    try:
        return run(sys.argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = before


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_folder_is_whole(somewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scarlet_pl("fit", "--config", SCARLET, *QUICK) == 0
    folder = somewhere / "logs/scarlet/version_0"
    said = capsys.readouterr().out
    assert "round 4/4" in said
    assert "without a cache" in said
    assert "logs/scarlet/version_0" in said
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.yaml", "rounds.csv", "summary.json", "split.png", "checkpoints", "tensorboard"}
    summary = json.loads((folder / "summary.json").read_text())
    keys = [
        "rounds",
        "server_accuracy",
        "server_accuracy_best",
        "client_accuracy",
        "cache_hit_rate",
        "bytes_up",
        "bytes_down",
        "paper_bytes_up",
        "paper_bytes_down",
        "seconds",
        "digest",
    ]
    assert set(keys) <= set(summary)
    assert all(summary[key] is not None for key in keys)
    rows = read_rounds(folder / "rounds.csv")
    assert [row["round"] for row in rows] == ["0", "1", "2", "3"]
    assert sum(int(row["bytes/up"]) for row in rows) == summary["bytes_up"]
    assert max(float(row["server/accuracy"]) for row in rows) == summary["server_accuracy_best"]
    parts = sum(int(rows[2][f"bytes/down/{part}"]) for part in PARTS)
    assert parts == int(rows[2]["bytes/down"])
    # a second run gets a folder of its own, and the folder's own configuration gives the same digest
    again = ("fit", "--config", str(folder / "config.yaml"), "--name", "scarlet")
    assert scarlet_pl(*again) == 0
    other = json.loads((somewhere / "logs/scarlet/version_1/summary.json").read_text())
    assert other["digest"] == summary["digest"]
    assert scarlet_pl(*again, "--seed_everything", "1") == 0
    assert json.loads((somewhere / "logs/scarlet/version_2/summary.json").read_text())["digest"] != summary["digest"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder, to be read."""
    run_dir = tmp_path_factory.mktemp("finished") / "run"
    assert scarlet_pl("fit", "--config", SCARLET, *QUICK, "--run_dir", str(run_dir)) == 0
    return run_dir


def test_validate_and_test_from_a_run_folder(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    for command, names in (("validate", ["server_accuracy"]), ("test", ["server_accuracy", "client_accuracy"])):
        capsys.readouterr()
        assert scarlet_pl(command, "--run_dir", str(finished)) == 0
        said = capsys.readouterr().out
        for name in names:
            assert f"{summary[name]:.4f}"[:6] in said, (command, name)


def test_overrides_and_several_configs(somewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (somewhere / "more.yaml").write_text("method:\n  cache:\n    duration: 7\ndata:\n  num_clients: 6\n")
    flags = ("--method.aggregator", "ERA", "--method.aggregator.temperature", "0.2", "--data.partition.alpha", "5")
    more = ("--config", "more.yaml", *flags, "--client.models", "[mlp,cnn]", "--client.optimizer.lr", "0.3")
    assert scarlet_pl("fit", "--config", SCARLET, *more, "--method.cache.expiry", "refresh", "--print_config") == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    method = printed["method"]["init_args"]
    admission = {"class_path": "scarlet_pl.cache.AdmitAll", "init_args": {}}
    assert method["cache"] == {"duration": 7, "expiry": "refresh", "admission": admission}
    assert method["aggregator"]["init_args"] == {"temperature": 0.2}
    assert printed["data"]["num_clients"] == 6
    assert printed["data"]["partition"]["init_args"]["alpha"] == 5
    assert printed["client"]["models"] == ["mlp", "cnn"]
    assert printed["client"]["optimizer"]["init_args"]["lr"] == 0.3


@pytest.mark.slow
@pytest.mark.full
def test_nothing_is_said_on_a_machine_of_many_cores(tmp_path: Path) -> None:
    """Lightning would like loaders with workers there."""
    many = (
        "import os, sys\nos.sched_getaffinity = lambda pid: set(range(16))\n"
        "sys.argv = sys.argv[1:]\nfrom scarlet_pl.cli import main\nmain()"
    )
    flags = ("--run_dir", str(tmp_path / "run"), *QUICK, "--trainer.max_rounds", "1", "--executor", "Serial")
    fit = [sys.executable, "-c", many, "scarlet-pl", "fit", "--config", str(SCARLET), *flags]
    done = subprocess.run(fit, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_module_is_the_command() -> None:
    import scarlet_pl.__main__
    import scarlet_pl.cli

    assert scarlet_pl.__main__.main is scarlet_pl.cli.main


WITHOUT_TORCH = """
import sys
from scarlet_pl.cli import main
try:
    main()
except SystemExit as stop:
    code = stop.code or 0
print("code", code, [name for name in ("torch", "lightning", "matplotlib") if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("--help", 0, "  estimate  what a configuration will send"),
        ("", 2, "usage: scarlet-pl COMMAND"),
        ("--version", 0, f"scarlet-pl {__version__}"),
        (
            "fti",
            2,
            f"command: got 'fti', allowed: {', '.join(COMMANDS)} (did you mean 'fit'?)",
        ),
        ("compare --help", 0, "RUN"),
        ("report --help", 0, "--target"),
        ("fit --config nowhere", 2, "scarlet-pl: config: got 'nowhere'"),
        ("compare nowhere", 2, "scarlet-pl: RUN: got 'nowhere'"),
        ("serve --help", 0, "--tls"),
        ("rehearse --help", 0, "--nodes"),
        ("rehearse --executor Threads", 2, "scarlet-pl: executor: got 'Threads', allowed: nothing"),
        (f"rehearse --out {__file__}", 2, f"scarlet-pl: out: got '{__file__}', allowed: a folder"),
        (f"serve --run_dir {__file__}/run", 2, f"scarlet-pl: run_dir: got '{__file__}/run', allowed: a folder"),
        (f"results {__file__} --pictures {__file__}", 2, f"pictures: got '{__file__}', allowed: a folder"),
        ("keys --help", 0, "--hosts"),
        ("keys nowhere --hosts münchen.de", 2, "scarlet-pl: hosts: got 'münchen.de', allowed: names in ASCII"),
        ("keys nowhere --hosts=", 2, "scarlet-pl: hosts: got '', allowed: names in ASCII"),
        ("app --help", 0, "DIR"),
    ],
)
def test_what_needs_no_torch_does_not_import_it(arguments: str, code: int, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *arguments.split()], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == f"code {code} []", done
    assert said in done.stdout + done.stderr


def helped(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert scarlet_pl("fit", *arguments) == 0
    return capsys.readouterr().out


def test_help_is_two_screens_and_says_how_to_see_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = helped(capsys, "--help")
    main = ("--seed_everything ", "--trainer.max_rounds ", "--data.partition ", "--client.epochs ", "--method ")
    assert all(name in text for name in main)
    assert "Dirichlet; others: BalancedDirichlet, ClassDirichlet" in " ".join(text.split())
    assert len(text.splitlines()) <= 90
    assert max(map(len, text.splitlines())) < 80
    for group in ("trainer", "data", "client", "server", "federation"):
        assert f"--{group}.help)" in text


def test_help_of_a_group_has_all_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    lightnings = ("--trainer.sync_batchnorm", "--trainer.profiler", "lightning.pytorch.loggers.CSVLogger")
    text = helped(capsys, "--trainer.help")
    assert all(name in text for name in ("--trainer.max_rounds", "--trainer.max_time", *lightnings))
    assert not any(f"--trainer.{name} " in text for name in NOT_HERE)
    assert "--data" not in text
    text = helped(capsys, "--client.help")
    assert all(name in text for name in ("--client.keep_optimizer", "--client.joint_weight"))
    assert not any(name in text for name in ("--server.epochs", *lightnings))


def test_help_of_a_part_names_the_classes(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Individual, Centralized, Distillation" in helped(capsys, "--method.help")
    assert "--method.cache" in helped(capsys, "--method.help", "Distillation")
    assert "--data.partition.shards_per_client" in helped(capsys, "--data.partition.help", "Shards")


@pytest.mark.slow
def test_a_run_says_at_once_that_it_begins(tmp_path: Path) -> None:
    fit = [sys.executable, "-X", "importtime", "-m", "scarlet_pl", "fit", "--config", SCARLET, *QUICK]
    run = subprocess.Popen(
        [*fit, "--run_dir", str(tmp_path / "run")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert run.stdout is not None
    imported = []
    for line in run.stdout:
        if line.startswith("import time:"):
            imported.append(line.rpartition("|")[2].strip())
        else:
            break
    assert line == "scarlet-pl fit: loading PyTorch and Lightning\n"
    assert "torch" not in imported
    rest = run.communicate()[0]
    assert run.returncode == 0, rest


def test_a_main_setting_is_meant_before_one_of_a_parts_part() -> None:
    known = ["federation", "method.cache.admission.rounds", "method.cache.duration", "run_dir", "trainer.max_rounds"]
    for typed, meant in (("rounds", "trainer.max_rounds"), ("duraton", "method.cache.duration")):
        said = one_line(f"unrecognized arguments: --{typed} 3", known)
        assert said == f"{typed}: no such option (did you mean {meant!r}?)"


def test_an_unheard_of_error_is_still_one_line() -> None:
    assert one_line("something odd\n  over two lines") == "over two lines"
