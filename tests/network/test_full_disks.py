"""A node on whose disk there is no space: by a limit on the size of its files."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scarlet_pl.errors import ClientError
from scarlet_pl.network.frames import unpack

from ..conftest import share, tiny_data, tiny_trainer
from ..naive import data_module
from ..test_halves import CLIENT, METHODS
from ..test_loop import Recorder
from .mail import LocalMail, network, services


@contextmanager
def full_disk() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


class FullMail(LocalMail):
    """Node 1's disk is full in some rounds."""

    rounds: tuple[int, ...] = (2,)
    verbs: tuple[str, ...] = ("ask",)

    def deliver(self, number: int, request: bytes) -> None:
        header, _ = unpack(request)
        if number == 1 and header.text("verb") in self.verbs and header.number("round", 0, 99) in self.rounds:
            with full_disk():
                super().deliver(number, request)
        else:
            super().deliver(number, request)


def run(mail: LocalMail, on_error: str, rounds: int = 5) -> list[Any]:
    recorder, data = Recorder(), tiny_data(clients=4)
    trainer, server = tiny_trainer(
        METHODS["fedavg"](),
        rounds,
        data=data,
        client=CLIENT,
        transport=network(mail, 4, patience=60.0),
        callbacks=[recorder],
        config=share(1, on_error=on_error),
    )
    trainer.fit(server, data_module(data))
    return recorder.records


@pytest.mark.parametrize("store", ["memory", "disk"])
def test_its_clients_fail_in_that_round_and_take_part_again(tmp_path: Path, store: str) -> None:
    mail = FullMail(services(tiny_data(clients=4), CLIENT, METHODS["fedavg"], nodes=2, store=store), tmp_path)
    records = run(mail, "skip")
    failures = [{each.client: str(each.error) for each in record.phase.failures} for record in records]
    assert [sorted(each) for each in failures] == [[], [], [1, 3], [], []]
    assert all("could not be written: File too large" in said for said in failures[2].values())
    assert [record.phase.anew for record in records] == [()] * 5


def test_the_run_ends_with_what_the_system_says(tmp_path: Path) -> None:
    mail = FullMail(services(tiny_data(clients=4), CLIENT, METHODS["fedavg"], nodes=2), tmp_path)
    with pytest.raises(ClientError, match="could not be written: File too large"):
        run(mail, "fail")
