"""scarlet_pl from Python."""

from __future__ import annotations

import ast
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import scarlet_pl as spl
from scarlet_pl.cli.app import FederatedCLI
from scarlet_pl.loop import FederatedCallback
from scarlet_pl.models.small import MLP

from .test_cli import scarlet_pl

QUICK = {
    "trainer.max_rounds": 3,
    "client.epochs": 1,
    "client.distillation_epochs": 1,
    "client.models": "mlp",
    "server.model": "mlp",
    "server.epochs": 1,
}
PUBLIC = [
    *("ClientConfig", "Comparison", "ConfigError", "Estimate", "Federation", "FederatedCallback"),
    *("FederatedDataModule", "FederatedTrainer", "FederationConfig", "Run", "ServerConfig", "ServerModule"),
    *("availability", "cache", "callbacks", "compare", "data", "estimate", "executors", "fit", "learning", "load"),
    *("methods", "models", "run_callbacks", "wire"),
]


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Interrupted(FederatedCallback):
    """Ctrl-C in the middle of a round."""

    def __init__(self, round: int) -> None:
        self._round = round

    def on_client_phase_end(self, trainer: Any, server: Any, phase: Any) -> None:
        if phase.plan.round == self._round:
            signal.raise_signal(signal.SIGINT)


def test_public_names() -> None:
    """Names are kept: code out there uses them."""
    assert sorted(spl.__all__) == sorted(PUBLIC)
    assert all(getattr(spl, name) is not None for name in PUBLIC)
    assert set(PUBLIC) < set(dir(spl))
    stub = ast.parse(Path(spl.__file__).with_suffix(".pyi").read_text())
    named = [each.asname for line in stub.body if isinstance(line, ast.ImportFrom) for each in line.names]
    assert sorted(map(str, named)) == sorted(PUBLIC)
    with pytest.raises(AttributeError, match="no attribute 'fits'"):
        spl.fits  # noqa: B018


def test_the_import_is_light() -> None:
    code = "import sys, scarlet_pl; assert not {'torch', 'lightning', 'numpy', 'matplotlib'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.slow
def test_fit_is_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for name, value in QUICK.items() for word in (f"--{name}", str(value))]
    assert scarlet_pl("fit", "--config", "scarlet", *words, "--run_dir", "by_command") == 0
    run = spl.fit("scarlet", QUICK)
    assert run.folder == Path("logs/scarlet/version_0")
    assert run.digest == spl.load("by_command").digest
    rounds, again = run.rounds, spl.load(run.folder).rounds
    assert [row["round"] for row in rounds] == [0, 1, 2]
    assert all((row["failed"] == "" and row["cache/age"] is None) or row["round"] for row in rounds)
    assert sum(row["bytes/up"] for row in rounds) == run.summary["bytes_up"]
    assert [row["server/accuracy"] for row in rounds] == [row["server/accuracy"] for row in again]
    frame = run.frame()
    assert list(frame.index) == [0, 1, 2]
    assert frame["bytes/up"].sum() == run.summary["bytes_up"]
    assert "server accuracy" in str(run)
    assert "text/html" in run._repr_mimebundle_()
    assert len(run.plot(over="bytes").axes) == 1


def test_settings_as_python_values() -> None:
    run = spl.fit(
        "scarlet",
        {
            **QUICK,
            "trainer.max_rounds": 1,
            "method.cache": None,
            "method.aggregator": {"class_path": "ERA", "init_args": {"temperature": 0.2}},
            "client.models": ["mlp", {"name": "mlp", "width": 8}],
            "data.root": Path("data"),
        },
        run_dir=Path("mine"),
    )
    assert run.settings["method.cache"] is None
    assert run.settings["method.aggregator.temperature"] == 0.2
    narrow = run.client(1)
    assert isinstance(narrow, MLP)
    assert [each.out_features for each in narrow if isinstance(each, torch.nn.Linear)] == [8, 8, 10]
    assert run.cache() is None


@pytest.mark.slow
def test_what_a_run_has_learnt() -> None:
    """The networks of the last checkpoint say what the run measured."""
    run = spl.fit("scarlet", {**QUICK, "federation.store": "disk"})
    data = spl.FederatedDataModule(private="digits", public="digits", public_size=500, num_clients=10)
    batch, labels = next(iter(_all(data)))
    with torch.no_grad():
        right = run.server()(batch["image"]).argmax(-1) == labels
    assert float(right.double().mean()) == pytest.approx(run.summary["server_accuracy"], abs=1e-6)
    assert not any(
        torch.equal(a, b) for a, b in zip(run.client(0).parameters(), run.client(1).parameters(), strict=True)
    )
    cache = run.cache()
    assert cache is not None
    assert torch.equal(cache.stored >= 0, ~cache.labels.isnan().any(1))
    torch.testing.assert_close(cache.labels[cache.stored >= 0].sum(1), torch.ones(int((cache.stored >= 0).sum())))
    with pytest.raises(ValueError, match="client: got 10, allowed: a number from 0 to 9"):
        run.client(10)
    alike = spl.fit("fedavg", QUICK)
    with pytest.raises(ValueError, match="keeps a network of its own"):
        alike.client(0)


def _all(data: spl.FederatedDataModule) -> Any:
    loader = data.val_dataloader()
    batches = [(data.data.transform(batch), labels) for batch, labels in loader]
    return [({"image": torch.cat([x["image"] for x, _ in batches])}, torch.cat([y for _, y in batches]))]


@pytest.mark.parametrize(
    ("config", "overrides", "line"),
    [
        ("scralet", {}, "config: got 'scralet', .*did you mean 'scarlet'"),
        ("scarlet", {"trainer.max_round": 3}, "trainer.max_round: no such option .did you mean 'trainer.max_rounds'"),
        ("scarlet", {"method.cache.duration": -3}, "method.cache.duration: got -3, allowed: "),
        (
            "scarlet",
            {"trainer.devices": 2, "trainer.strategy": "ddp"},
            "trainer.devices: got 2, allowed: 1 from Python",
        ),
    ],
)
def test_bad_input_is_a_value_error(config: str, overrides: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        spl.fit(config, overrides)
    assert not Path("logs").exists()


def test_the_session_stays_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    before = list(sys.argv), torch.get_rng_state(), random.getstate(), torch.get_num_threads()
    spl.fit("individual", {**QUICK, "trainer.max_rounds": 1}).client(0)
    now = list(sys.argv), torch.get_rng_state(), random.getstate(), torch.get_num_threads()
    assert all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(before, now, strict=True))
    said = capsys.readouterr()
    assert not said.err
    assert all(line.startswith("round ") for line in said.out.splitlines())


@pytest.mark.slow
def test_an_interrupt_ends_a_run_cleanly(monkeypatch: pytest.MonkeyPatch) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    whole = spl.fit("scarlet", QUICK)
    before, made = signal.getsignal(signal.SIGINT), FederatedCLI.instantiate_trainer

    def interrupted(cli: FederatedCLI, **options: Any) -> Any:
        trainer = made(cli, **options)
        trainer.callbacks.append(Interrupted(2))
        return trainer

    with monkeypatch.context() as patch:
        patch.setattr(FederatedCLI, "instantiate_trainer", interrupted)
        with pytest.raises(KeyboardInterrupt, match=r"go on with scarlet_pl.fit\(run_dir='cut', resume=True\)$"):
            spl.fit("scarlet", QUICK, run_dir="cut")
    assert signal.getsignal(signal.SIGINT) is before
    cut = spl.load("cut")
    assert cut.digest is None
    assert len(cut.rounds) == 2
    assert spl.fit(run_dir="cut", resume=True).digest == whole.digest


def test_compare_and_estimate() -> None:
    runs = [spl.fit(name, {**QUICK, "trainer.max_rounds": 2}) for name in ("scarlet", "dsfl")]
    comparison = spl.compare([runs[0], runs[1].folder], targets=[0.01], out="pictures")
    assert "| scarlet | 1 | 2 |" in str(comparison)
    assert "MB to 0.01" in comparison._repr_markdown_()
    assert Path("pictures/compare.md").is_file()
    assert len(comparison.plot(over="bytes").axes[0].lines) == 2
    known = spl.estimate("scarlet", {**QUICK, "trainer.max_rounds": 2})
    assert known.exact
    assert (known.bytes_up, known.bytes_down) == (runs[0].summary["bytes_up"], runs[0].summary["bytes_down"])
    assert "2 rounds" in str(known)
    assert len(spl.estimate("scarlet", rounds=4).rounds) == 4


def test_by_hand() -> None:
    """A federation that is put together without a configuration is the one of the same settings."""
    module = spl.FederatedDataModule(
        private="digits", public="digits", public_size=500, num_clients=5, partition=spl.data.Dirichlet(0.3)
    )
    method = spl.methods.Distillation(
        spl.methods.EnhancedERA(1.5), spl.cache.CachePolicy(10), spl.methods.UniformDraw(100)
    )
    federation = spl.Federation(module.data, spl.ClientConfig("mlp"), method)
    server = spl.ServerModule(spl.ServerConfig("mlp"), module.data, method.server_work)
    trainer = spl.FederatedTrainer(federation, max_rounds=2, callbacks=spl.run_callbacks("by_hand"))
    trainer.fit(server, module)
    alike = {
        "data.num_clients": 5,
        "client.models": "mlp",
        "server.model": "mlp",
        "trainer.max_rounds": 2,
        "method.draw.size": 100,
        "data.public_size": 500,
        "data.partition.alpha": 0.3,
        "method.cache.duration": 10,
    }
    defaults = spl.ClientConfig(), spl.ServerConfig()
    alike |= {"client.epochs": defaults[0].epochs, "client.distillation_epochs": defaults[0].distillation_epochs}
    alike |= {"server.epochs": defaults[1].epochs, "client.batch_size": defaults[0].batch_size}
    assert spl.fit("scarlet", alike, run_dir="run").digest == trainer.digest()
