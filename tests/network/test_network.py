"""Clients on nodes that are sent bytes: the run is that of one process, whatever the network does."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scarlet_pl.callbacks import CommunicatedBytes, RoundCheckpoint
from scarlet_pl.client import ClientConfig
from scarlet_pl.digest import digest
from scarlet_pl.loop import FederatedTrainer
from scarlet_pl.methods import Method
from scarlet_pl.run_files import checkpoints
from scarlet_pl.transport import Transport

from ..conftest import tiny_data, tiny_trainer
from ..naive import data_module
from ..test_halves import CLIENT, CONFIG, METHODS
from ..test_loop import Recorder
from .mail import BadMail, LocalMail, network, services

CLIENTS = 5


def run(
    make: Callable[[], Method],
    transport: Transport | None,
    rounds: int = 6,
    client: ClientConfig = CLIENT,
    folder: Path | None = None,
    config: Any = CONFIG,
) -> tuple[FederatedTrainer, list[Any]]:
    """The run, from the folder's newest checkpoint if it has one, and what each round recorded."""
    data, recorder = tiny_data(clients=CLIENTS), Recorder()
    callbacks: list[Any] = [recorder, CommunicatedBytes(), *([RoundCheckpoint(folder)] if folder else [])]
    trainer, server = tiny_trainer(
        make(), rounds, data=data, client=client, transport=transport, callbacks=callbacks, config=config
    )
    saved = checkpoints(folder) if folder else []
    trainer.fit(server, data_module(data), str(saved[-1]) if saved else None)
    return trainer, [
        ({**record.scalars(), "seconds": None}, [failure.client for failure in record.phase.failures])
        for record in recorder.records
    ]


@pytest.mark.parametrize("fresh", [False, True], ids=["nodes that stay", "fresh nodes for each message"])
@pytest.mark.parametrize("name", METHODS)
def test_nodes_give_the_run_of_one_process(name: str, fresh: bool, tmp_path: Path) -> None:
    """Digest, ledger and records; three nodes, answers shuffled, drop-out."""
    here, rounds = run(METHODS[name], None)
    mail = LocalMail(services(tiny_data(clients=CLIENTS), CLIENT, METHODS[name]), tmp_path, fresh=fresh)
    there, rounds_there = run(METHODS[name], network(mail, CLIENTS))
    assert rounds_there == rounds
    assert there.digest() == here.digest()
    assert digest(there.federation.ledger.state_dict()) == digest(here.federation.ledger.state_dict())


def test_a_resumed_run_counts_on(tmp_path: Path) -> None:
    mail = LocalMail(services(tiny_data(clients=CLIENTS), CLIENT, METHODS["scarlet"]), tmp_path)
    before, after, of_old = (network(mail, CLIENTS) for _ in range(3))
    run(METHODS["scarlet"], before, 2)
    state = before.state_dict()
    after.load_state_dict(state)
    assert after.statistics == before.statistics
    assert after.statistics["messages"] > 0
    of_old.load_state_dict({name: value for name, value in state.items() if name != "statistics"})
    assert not any(of_old.statistics.values())


CHAOS = settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@CHAOS
@given(
    name=st.sampled_from(["cfd with delta", "scarlet, 1 bit", "seeded indices"]),
    seed=st.integers(0, 10_000),
    killed=st.integers(1, 4),
    back=st.booleans(),
)
def test_a_bad_network_gives_the_same_run(
    name: str, seed: int, killed: int, back: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Messages lost, doubled and late, nodes that start again, a server that is killed and goes on from either of the
    checkpoints that are kept; and no client trains twice from what it was."""
    folder, data, trained = tmp_path_factory.mktemp("chaos"), tiny_data(clients=CLIENTS), list[Any]()
    here, _ = run(METHODS[name], None)
    mail = BadMail(services(data, CLIENT, METHODS[name], trained=trained), folder / "nodes", seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # each fault is said
        run(METHODS[name], network(mail, CLIENTS, patience=0.01), killed, folder=folder)
        if back and killed > 1:
            checkpoints(folder)[-1].unlink()
        there, _ = run(METHODS[name], network(mail, CLIENTS, patience=0.01), folder=folder)
        assert there.digest() == here.digest()
    assert sum(mail.happened.values()) > 0
    assert len(trained) == len(set(trained))


def test_checkpoints_of_somebody_else_do_not_drive_out_the_runs_own(tmp_path: Path) -> None:
    """A callback that saves in each round, where the run itself saves every third."""
    data, make = tiny_data(clients=CLIENTS), METHODS["scarlet"]

    class Saves(Recorder):
        def on_round_end(self, trainer: Any, server: Any, record: Any) -> None:
            trainer.federation.state_dict()

    def go_on(transport: Transport | None, folder: Path, rounds: int) -> FederatedTrainer:
        trainer, server = tiny_trainer(
            make(),
            rounds,
            data=data,
            client=CLIENT,
            transport=transport,
            config=CONFIG,
            callbacks=[Saves(), RoundCheckpoint(folder, 3)],
        )
        saved = checkpoints(folder)
        trainer.fit(server, data_module(data), str(saved[-1]) if saved else None)
        return trainer

    mail = LocalMail(services(data, CLIENT, make), tmp_path / "nodes")
    go_on(network(mail, CLIENTS), tmp_path / "there", 8)
    checkpoints(tmp_path / "there")[-1].unlink()  # round 8; that of round 6 is left
    transport = network(mail, CLIENTS)
    there = go_on(transport, tmp_path / "there", 8)
    assert transport.statistics["clients_started_anew"] == 0
    assert there.digest() == go_on(None, tmp_path / "here", 8).digest()
