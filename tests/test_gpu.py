"""On CUDA devices: run with `pytest -m gpu` where there are some."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch

from scarlet_pl import rng
from scarlet_pl.executors import Executor, Processes, Serial, Threads
from scarlet_pl.run_files import read_rounds

from .conftest import tiny_data, tiny_trainer
from .faults.runs import CONFIGS, TWO_RANKS, check_whole, command, fit
from .naive import data_module
from .test_cli import scarlet_pl
from .test_executors import CLIENT, METHODS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
GPU = ("--trainer.accelerator", "gpu", "--trainer.devices", "1")


def accuracy(run_dir: Path) -> float:
    return float(read_rounds(run_dir / "rounds.csv")[-1]["server/accuracy"])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("make", [Serial, lambda: Threads(4), lambda: Processes(2)])
def test_a_round_on_the_gpu_is_a_round(name: str, make: type[Executor]) -> None:
    """The same bytes cross as on a CPU, and the weights agree but for rounding."""
    weights, sent = [], []
    for accelerator in ("cpu", "gpu"):
        data = tiny_data(clients=5)
        trainer, server = tiny_trainer(
            METHODS[name](0.6), 2, data=data, client=CLIENT, executor=make(), accelerator=accelerator, devices=1
        )
        before = server.weights()
        trainer.fit(server, data_module(data))
        weights.append(server.weights())
        sent.append(trainer.federation.ledger.total("up", "labels") if name != "cfd" else 0)
    assert sent[0] == sent[1]
    for key, value in weights[0].items():
        assert torch.allclose(value, weights[1][key], rtol=0, atol=1e-4), key
        assert not torch.allclose(value, before[key], rtol=0, atol=1e-3), key  # else nothing was compared


@pytest.mark.parametrize("flags", [(), ("--client.precision", "bf16-mixed", "--client.channels_last", "true")])
def test_the_command_learns_on_a_gpu(flags: tuple[str, ...], tmp_path: Path) -> None:
    config = ("--config", str(CONFIGS / "scarlet.yaml"), "--run_dir", str(tmp_path / "run"))
    assert scarlet_pl("fit", *config, *GPU, *flags) == 0
    check_whole(tmp_path / "run", rounds=60)
    assert accuracy(tmp_path / "run") > 0.85  # 0.93 on CPUs


def test_a_run_goes_on_on_a_gpu(tmp_path: Path) -> None:
    assert fit("scarlet.yaml", tmp_path / "run", *GPU, "--trainer.max_rounds", "4") == 0
    assert fit("scarlet.yaml", tmp_path / "run", *GPU, "--resume", "--resume_override") == 0
    check_whole(tmp_path / "run")


def test_ddp_and_nccl_on_one_gpu(tmp_path: Path) -> None:
    run = command("scarlet.yaml", tmp_path / "run", *GPU, "--trainer.strategy", "ddp")
    assert subprocess.run(run).returncode == 0
    check_whole(tmp_path / "run")


def test_seeds_of_dropout_outlive_the_making_of_a_network() -> None:
    torch.zeros(1, device="cuda")
    with rng.seeded(0, "dropout"):
        before = torch.cuda.get_rng_state()
        with rng.seeded(0, "init"):
            assert not torch.equal(before, torch.cuda.get_rng_state())
        assert torch.equal(before, torch.cuda.get_rng_state())


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one CUDA device")
@pytest.mark.parametrize("batchnorm", ["false", "true"])
def test_two_gpus_distil_together(batchnorm: str, tmp_path: Path) -> None:
    """NCCL; with synchronised batch normalisation too."""
    flags = (*TWO_RANKS, "--trainer.accelerator", "gpu", "--trainer.sync_batchnorm", batchnorm)
    model = ("--server.model", "torchvision/resnet18", "--data.transform.channels", "3", "--data.transform.size", "32")
    run = subprocess.run(command("scarlet.yaml", tmp_path / "run", *flags, *model), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    check_whole(tmp_path / "run")
