"""Every small configuration, and any mixture of parts, ends on a network as it ends in one process."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scarlet_pl.cli import served
from scarlet_pl.cli.join import JoinCLI
from scarlet_pl.executors import Serial
from scarlet_pl.loop import FederatedTrainer
from scarlet_pl.methods import Method
from scarlet_pl.network.service import NodeService
from scarlet_pl.run_files import read_rounds

from ..test_cli import scarlet_pl
from ..test_configs import SMALL
from ..test_mixtures import for_mixtures, make
from .mail import LocalMail, network, services

FEW = ("scarlet", "cfd_1_1_delta", "fedavg")
QUICK = ("--client.epochs", "1", "--client.distillation_epochs", "1", "--server.epochs", "1", "--executor", "Serial")
NODES = 3
WITH_CLIENTS = [path for path in SMALL if path.stem != "centralized"]


class Joined(JoinCLI):
    """A node that does not attend a SuperLink."""

    def _attend(self, service: NodeService) -> None:
        self.service = service


def joined(config: Path, flags: tuple[str, ...], number: int, folder: Path) -> NodeService:
    where = ("--superlink", "-", "--clients", f"{number}/{NODES}", "--state", str(folder / str(number)))
    sys.argv = ["scarlet-pl", "--config", str(config), *flags, *where]
    return Joined(run=False).service


def rows(run_dir: Path) -> list[dict[str, str]]:
    own = ("seconds", "clients/anew")
    return [
        {name: cell for name, cell in row.items() if name not in own} for row in read_rounds(run_dir / "rounds.csv")
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [pytest.param(path, marks=() if path.stem in FEW else pytest.mark.full) for path in WITH_CLIENTS],
    ids=lambda path: path.stem,
)
def test_a_configuration_ends_as_its_simulation(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four clients on three nodes."""
    flags = (*QUICK, "--data.num_clients", "4", "--trainer.max_rounds", "3")
    assert scarlet_pl("fit", "--config", str(config), *flags, "--run_dir", str(tmp_path / "here")) == 0
    monkeypatch.setattr(sys, "argv", sys.argv)
    nodes = [lambda folder, n=number: joined(config, flags, n, folder) for number in range(NODES)]
    mail = LocalMail(nodes, tmp_path / "nodes")  # type: ignore[arg-type]
    sys.argv = ["scarlet-pl", "fit", "--config", str(config), *flags, "--run_dir", str(tmp_path / "there")]
    assert served.run(sys.argv, mail) == 0
    here, there = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("here", "there"))
    assert there["digest"] == here["digest"]
    assert rows(tmp_path / "there") == rows(tmp_path / "here")
    assert there["network"]["clients_started_anew"] == 0
    assert {"messages", "sent_bytes", "received_bytes", "asked_again", "undelivered"} < there["network"].keys()
    assert "network" not in here


@pytest.mark.slow
def test_any_mixture_ends_as_its_simulation(full: bool) -> None:
    """300 mixtures with --full."""

    def check(method: Method, fit: Callable[..., FederatedTrainer]) -> None:
        parts, client, _, _ = fit.args  # type: ignore[attr-defined]

        def again() -> Any:
            return make(**parts)

        with tempfile.TemporaryDirectory() as near, tempfile.TemporaryDirectory() as far:
            here = fit(Path(near), 4, Serial())
            mail = LocalMail(services(here.federation.data, client, again), Path(far) / "nodes", fresh=True)
            fit(Path(far), 2, Serial(), network(mail, 4))
            there = fit(Path(far), 4, Serial(), network(mail, 4))
            assert there.digest() == here.digest()

    for_mixtures(300 if full else 10, check)
