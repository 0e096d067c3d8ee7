"""What a Trainer sets in its process is set in a node's, too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from scarlet_pl.cli.join import JoinCLI, run
from scarlet_pl.network.agreement import differences
from scarlet_pl.network.frames import pack, unpack
from scarlet_pl.network.service import NodeService

from .mail import FEDERATION

pytest.importorskip("flwr")
CONFIG = str(Path(__file__).parents[1] / "flower/network.yaml")


@pytest.fixture
def _as_before() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("_as_before")
def test_deterministic_algorithms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them a node is refused, by the name of the setting."""
    found: list[bool] = []
    agreements: list[dict[str, str]] = []

    def attend(cli: JoinCLI, service: NodeService) -> None:
        answer, _ = unpack(service.handle(pack({"verb": "join", "federation": FEDERATION})))
        found.append(torch.are_deterministic_algorithms_enabled())
        agreements.append(answer.texts("agreement"))

    monkeypatch.setattr(JoinCLI, "_attend", attend)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    node = ("--config", CONFIG, "--clients", "0", "--state", str(tmp_path / "state"), "--socket", "none")
    for flags in ((), ("--trainer.deterministic", "true")):
        monkeypatch.setattr(sys, "argv", ["scarlet-pl", "join", *node, *flags])
        assert run(sys.argv) == 0
    assert found == [False, True]
    assert differences(*agreements) == "trainer.deterministic True there, None here"
