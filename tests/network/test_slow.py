"""Nodes that are slower than a round, on a clock that stands still but where somebody waits."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scarlet_pl.client import ClientFailure
from scarlet_pl.network import conversation, directory
from scarlet_pl.network.mail import Undelivered
from scarlet_pl.transport import Packet

from ..conftest import tiny_data
from ..test_halves import CLIENT, METHODS
from .mail import LocalMail, network, services

DEADLINE = 10.0
EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


class Clock:
    """In place of the module `time`."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class SlowMail(LocalMail):
    """Node 1 takes its time for each request, one after the other; others take none."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(services(tiny_data(clients=4), CLIENT, METHODS["individual"], nodes=2), folder)
        self.clock, self.takes, self.busy_until = clock, 0.0, 0.0
        self.done: dict[int, float] = {}
        self.longest_queue = 0

    def deliver(self, number: int, request: bytes) -> None:
        super().deliver(number, request)
        if number == 1 and b'"verb":"ask"' in request:
            self.busy_until = max(self.busy_until, self.clock.now) + self.takes
            self.done[len(self.sent)] = self.busy_until
            self.longest_queue = max(self.longest_queue, sum(done > self.clock.now for done in self.done.values()))

    def receive(self, messages: Collection[int]) -> dict[int, bytes | Undelivered]:
        return super().receive([each for each in messages if self.done.get(each, 0.0) <= self.clock.now])

    @property
    def is_free(self) -> bool:
        return self.busy_until <= self.clock.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(conversation, "time", found)
    monkeypatch.setattr(directory, "time", found)
    return found


def failed(transport: Any, round: int, bases: dict[int, int]) -> list[int]:
    """The clients that a round had to do without."""
    packets = [Packet(client, b"", bases.get(client, -1)) for client in range(4)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answers = list(transport.exchange(round, packets))
    missing = [answer.client for answer in answers if isinstance(answer, ClientFailure)]
    used = {answer.client for answer in answers}.difference(missing)
    transport.settle(round, used)
    bases |= dict.fromkeys(used, round)
    return sorted(missing)


@pytest.mark.slow
@EXAMPLES
@given(takes=st.lists(st.floats(0.0, 35.0), min_size=1, max_size=12))
def test_a_slow_node_is_there_in_each_round_that_it_can_meet(
    takes: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whenever it owes nothing as the round begins. It never has more than one request."""
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        patch.setattr(conversation, "time", clock)
        patch.setattr(directory, "time", clock)
        mail = SlowMail(tmp_path_factory.mktemp("nodes"), clock)
        transport, bases = network(mail, 4, deadline=DEADLINE, patience=1000.0), dict[int, int]()
        for round, mail.takes in enumerate(takes):
            free = mail.is_free
            missing = failed(transport, round, bases)
            assert missing in ([], [1, 3])
            if free and mail.takes < DEADLINE - 1:
                assert missing == []
        assert mail.longest_queue <= 1
        assert transport.statistics["clients_started_anew"] == 0


def test_a_node_that_was_away_takes_part_again(tmp_path: Path, clock: Clock) -> None:
    """It stood still for three rounds, and is as fast as a round needs otherwise: in the next it is asked too late, and
    then it is current."""
    mail = SlowMail(tmp_path, clock)
    transport, bases, missing = network(mail, 4, deadline=DEADLINE, patience=1000.0), dict[int, int](), list[Any]()
    for round, mail.takes in enumerate([8.0, 32.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0]):
        missing.append(failed(transport, round, bases))
    assert missing == [[], *[[1, 3]] * 4, [], [], []]
    assert mail.longest_queue == 1


def test_a_node_that_is_silent_for_too_long_is_asked_again(tmp_path: Path, clock: Clock) -> None:
    """What it was asked got lost. What is asked next is not held up by that."""

    class Losing(SlowMail):
        lose = 1

        def deliver(self, number: int, request: bytes) -> None:
            if number == 1 and b'"verb":"ask"' in request and self.lose:
                self.lose -= 1
            else:
                super().deliver(number, request)

    mail, bases = Losing(tmp_path, clock), dict[int, int]()
    transport = network(mail, 4, deadline=DEADLINE, patience=15.0)
    assert [failed(transport, round, bases) for round in range(4)] == [[1, 3], [], [], []]
