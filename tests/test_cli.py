"""The command line: what it writes, what it says, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from scarlet_pl.cli.app import run
from scarlet_pl.cli.parser import one_line
from scarlet_pl.run_files import read_rounds
from scarlet_pl.wire import PARTS

SCARLET = str(Path(__file__).parents[1] / "configs/scarlet.yaml")
QUICK = ("--trainer.max_rounds", "4", "--client.epochs", "1", "--server.epochs", "1", "--client.models", "mlp")


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


def test_tensorboard_has_rounds_and_kilobytes(somewhere: Path) -> None:
    assert scarlet_pl("fit", "--config", SCARLET, *QUICK, "--run_dir", "here") == 0
    rounds, kilobytes = (EventAccumulator(str(somewhere / "here/tensorboard" / name)) for name in ("round", "kb"))
    rounds.Reload()
    kilobytes.Reload()
    tags = rounds.Tags()
    assert {"server/accuracy", "client/accuracy", "cache/hit_rate", "bytes/up", "bytes/down/labels"} <= set(
        tags["scalars"]
    )
    assert tags["images"] == ["split"]
    assert tags["histograms"] == ["cache/age"]
    assert any("config" in name for name in tags["tensors"])
    assert [event.step for event in rounds.Scalars("server/accuracy")] == [0, 1, 2, 3]
    rows = read_rounds(somewhere / "here/rounds.csv")
    steps = [event.step for event in kilobytes.Scalars("over_kb/server_accuracy")]
    assert steps == [int(row["bytes/cumulative"]) // 1000 for row in rows]


def test_validate_and_test_from_a_run_folder(somewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scarlet_pl("fit", "--config", SCARLET, *QUICK, "--run_dir", "here") == 0
    summary = json.loads((somewhere / "here/summary.json").read_text())
    for command, names in (("validate", ["server_accuracy"]), ("test", ["server_accuracy", "client_accuracy"])):
        capsys.readouterr()
        assert scarlet_pl(command, "--run_dir", "here") == 0
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
    assert method["cache"] == {"duration": 7, "expiry": "refresh", "ratio": 1.0}
    assert method["aggregator"]["init_args"] == {"temperature": 0.2}
    assert printed["data"]["num_clients"] == 6
    assert printed["data"]["partition"]["init_args"]["alpha"] == 5
    assert printed["client"]["models"] == ["mlp", "cnn"]
    assert printed["client"]["optimizer"]["init_args"]["lr"] == 0.3


BAD = [
    ("--client.optimzer SGD", r"client.optimzer: no such option (did you mean 'client.optimizer'?)"),
    ("--trainer.max_round 3", "did you mean 'trainer.max_rounds'"),
    ("--data.num_client 3", "did you mean 'data.num_clients'"),
    ("--method.aggregator EnhancedErra", "method.aggregator: got 'EnhancedErra', allowed: Mean, ERA, EnhancedERA (did"),
    ("--method.aggregator.bta 3", "method.aggregator.bta: no such option (did you mean 'method.aggregator.beta'?)"),
    ("--method Distilation", "did you mean 'Distillation'"),
    ("--executor Serail", "did you mean 'Serial'"),
    ("--client.optimizer SDG", "did you mean 'SGD'"),
    ("--data.private digit", "did you mean 'digits'"),
    ("--client.models resnett20", "did you mean 'resnet20'"),
    ("--data.partition.alpha 0", "data.partition.alpha: got 0.0, allowed: a number > 0"),
    ("--data.partition.alpha=-1", "data.partition.alpha: got -1.0, allowed: a number > 0"),
    ("--method.aggregator.beta 0", "method.aggregator.beta: got 0.0, allowed: a number > 0"),
    ("--method.aggregator ERA --method.aggregator.temperature 0", "method.aggregator.temperature: got 0.0"),
    ("--method.cache.duration=-1", "method.cache.duration: got -1, allowed: an integer >= 0"),
    ("--method.cache.duration x", "method.cache.duration: got 'x', allowed: an integer"),
    ("--method.cache.expiry later", "method.cache.expiry: got 'later', allowed: one of ['paper', 'refresh']"),
    ("--method.draw.size 501", "method.draw.size: got 501, allowed: at most 500"),
    ("--method.participation 0", "method.participation: got 0.0, allowed: a number in (0, 1]"),
    ("--method.participation 1.5", "method.participation: got 1.5, allowed: a number in (0, 1]"),
    ("--data.num_clients 5000", "data.num_clients: got 5000, allowed: at most 938"),
    ("--data.num_clients ten", "data.num_clients: got 'ten', allowed: an integer"),
    ("--data.public_size null", "data.public: got 'digits', allowed: another source than data.private"),
    ("--data.private npz:damaged.npz", "data.private: got 'damaged.npz', allowed: a whole npz file"),
    ("--data.private npz:missing.npz", "data.private: got 'npz:missing.npz', allowed: a path that exists"),
    ("--data.public imagefolder:missing", "data.public: got 'imagefolder:missing', allowed: a path that exists"),
    ('--server.model {"name":"cnn","num_classes":7}', "server.model: got"),
    ("--server.model lenet5", "server.model: got 'lenet5', allowed: a model for 1 × 8 × 8 images"),
    ("--run_dir /dev/null/run", "run_dir: got '/dev/null/run', allowed: a folder that can be written"),
    ("--run_dir taken", "run_dir: got 'taken', allowed: a folder that holds no run yet"),
    ("--resume", "run_dir: got None, allowed: the folder of a run to resume"),
    ("--resume --run_dir nowhere", "run_dir: got 'nowhere', allowed: the folder of a run to resume"),
    (
        "--method.uplink_codec Quantized --method.uplink_codec.bits 17",
        "method.uplink_codec.bits: got 17, allowed: 1 to",
    ),
    ("--method.draw ActiveDraw --method.indices seeded", "method.indices: got 'seeded', allowed: explicit where"),
    ("--method FedAvg --server.model mlp", "server.model: got 'mlp', allowed: the clients' model 'cnn'"),
    ("--trainer.max_rounds 0", "trainer.max_rounds: got 0, allowed: an integer >= 1"),
    ("--trainer.accelerator abacus", "trainer: "),
    ("--trainer.devices 2 --trainer.strategy ddp_spawn", "trainer.strategy: got 'ddp_spawn', allowed: ddp"),
    ("--client.store tape", "client.store: got 'tape', allowed: "),
    ("--config none.yaml", "config: File does not exist"),
    ("--config bad_key.yaml", "client.optimzer: no such option (did you mean 'client.optimizer'?)"),
    ("--config bad_part.yaml", "bta: no such option (did you mean 'method.aggregator.beta'?)"),
    ("--config bad_yaml.yaml", "parsing"),
    ("--seed_everything x", "seed_everything: got 'x', allowed: an integer"),
]


@pytest.mark.parametrize(("flags", "message"), BAD, ids=[flags for flags, _ in BAD])
def test_bad_input_is_one_line_and_leaves_nothing(
    flags: str, message: str, somewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(somewhere / "whole.npz", x=np.zeros((30, 8, 8), np.uint8), y=np.zeros(30, int))
    (somewhere / "damaged.npz").write_bytes((somewhere / "whole.npz").read_bytes()[:200])
    (somewhere / "taken").mkdir()
    (somewhere / "taken/rounds.csv").write_text("round\n")
    (somewhere / "bad_key.yaml").write_text("client:\n  optimzer: SGD\n")
    (somewhere / "bad_part.yaml").write_text(
        "method:\n  aggregator:\n    class_path: EnhancedERA\n    init_args: {bta: 2}\n"
    )
    (somewhere / "bad_yaml.yaml").write_text("client: [unclosed\n")
    before = sorted(somewhere.rglob("*"))
    code = scarlet_pl("fit", "--config", SCARLET, "--data.root", ".", *flags.split())
    said = capsys.readouterr()
    assert code == 2, said
    assert message in said.err
    assert len(said.err.strip().splitlines()) == 1, said.err
    assert said.out == ""
    assert sorted(somewhere.rglob("*")) == before


def test_missing_torchvision_files_name_the_folder_to_fill(
    somewhere: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # no network, wherever this runs
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    for name, folder in (("MNIST", "MNIST/raw"), ("CIFAR10", "cifar-10-batches-py")):
        assert scarlet_pl("fit", "--config", SCARLET, "--data.private", name, "--data.root", "files") == 2
        said = capsys.readouterr().err
        assert f"data.root: got 'files', allowed: a folder with the files of {name} in files/{folder}" in said
        assert len(said.strip().splitlines()) == 1


def test_an_unheard_of_error_is_still_one_line() -> None:
    assert one_line("something odd\n  over two lines") == "over two lines"


@pytest.mark.slow
def test_nothing_is_said_on_a_machine_of_many_cores(tmp_path: Path) -> None:
    """Lightning would like loaders with workers there."""
    many = (
        "import os, sys\nos.sched_getaffinity = lambda pid: set(range(16))\n"
        "sys.argv = sys.argv[1:]\nfrom scarlet_pl.cli import main\nmain()"
    )
    flags = ("--run_dir", str(tmp_path / "run"), "--trainer.max_rounds", "1", "--executor", "Serial")
    fit = [sys.executable, "-c", many, "scarlet-pl", "fit", "--config", str(SCARLET), *flags]
    done = subprocess.run(fit, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_module_is_the_command() -> None:
    import scarlet_pl.__main__
    import scarlet_pl.cli

    assert scarlet_pl.__main__.main is scarlet_pl.cli.main
