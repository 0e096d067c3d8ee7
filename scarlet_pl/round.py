"""The one place where a round's order is written: look at the server, plan, send, collect, aggregate, commit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from scarlet_pl import rng
from scarlet_pl.client import ClientConfig, ClientFailure
from scarlet_pl.errors import DesyncError, WireError
from scarlet_pl.methods import Method, Outcome, RoundPlan, ServerView, Upload
from scarlet_pl.transport import ClientReport, Packet, Reply, Transport
from scarlet_pl.wire import CommunicationLedger
from scarlet_pl.wire.ledger import RoundLedger, Traffic

OnClientEnd = Callable[[ClientReport], None]


@dataclass(frozen=True)
class ClientPhase:
    """A finished client phase: what was planned, reported, sent, what came of it, and who was skipped."""

    plan: RoundPlan
    reports: tuple[ClientReport, ...]
    outcome: Outcome
    traffic: Traffic
    failures: tuple[ClientFailure, ...] = ()


@dataclass(frozen=True)
class Parties:
    """Who takes part in rounds, and what changes when one is committed.

    Attributes:
        client: what becomes of clients that fail, and how many drop out.
        seed: of who drops out.
        bases: by client the last round whose upload was used.
    """

    method: Method
    transport: Transport
    ledger: CommunicationLedger
    client: ClientConfig
    seed: int
    bases: dict[int, int]


def run_round(parties: Parties, round: int, server: ServerView, on_client_end: OnClientEnd) -> ClientPhase:
    """One client phase. An exception before the commit leaves all as it was after the look at the server, which
    another try repeats."""
    method = parties.method
    method.observe(server, round)
    plan = method.plan(round, server)
    exchange = _Exchange(parties, plan, on_client_end)
    try:
        uploads = exchange.uploads()
        outcome = method.aggregate(plan, uploads)
        deque(uploads, maxlen=0)  # a method may need no more of them; the round still has them all
    except _NobodyAnswered:
        outcome = Outcome(())
        method.skip(plan)
    else:
        method.commit(plan, outcome)
    traffic = exchange.sent.close()
    parties.transport.settle(round, outcome.clients)
    parties.bases.update(dict.fromkeys(outcome.clients, round))
    parties.ledger.commit(traffic)
    return ClientPhase(plan, tuple(exchange.reports), outcome, traffic, tuple(exchange.failures))


class _Exchange:
    """The messages of a round, down and up, each counted once. Nothing here changes what lasts but `forget`."""

    def __init__(self, parties: Parties, plan: RoundPlan, on_client_end: OnClientEnd) -> None:
        self._parties, self._plan, self._on_client_end = parties, plan, on_client_end
        draws = rng.generator(parties.seed, "absent", plan.round)
        absent = torch.rand(len(plan.cohort), generator=draws) < parties.client.dropout_rate
        self._silent = {client for client, gone in zip(plan.cohort, absent.tolist(), strict=True) if gone}
        self.sent = RoundLedger(plan.round)
        self.reports: list[ClientReport] = []
        self.failures: list[ClientFailure] = []

    def uploads(self) -> Iterator[Upload]:
        """The checked uploads in client order, each as soon as it can be."""
        answering = [client for client in self._plan.cohort if client not in self._silent]
        yield from filter(None, map(self._use, in_order(self._answers(), answering)))
        if self._plan.cohort and not self.reports:
            raise _NobodyAnswered

    def _answers(self) -> Iterator[Reply | ClientFailure]:
        """What comes back, in any order. Who has another memory than the server thought is asked again and anew."""
        anew: list[int] = []

        def settled(answer: Reply | ClientFailure) -> bool:
            ok = not (isinstance(answer, ClientFailure) and isinstance(answer.error, DesyncError))
            if not ok:
                self._parties.method.forget(answer.client)
                anew.append(answer.client)
            return ok

        exchange = partial(self._parties.transport.exchange, self._plan.round)
        yield from filter(settled, exchange(map(self._packet, self._plan.cohort)))
        if anew:
            yield from exchange(map(partial(self._packet, reset=True), anew))

    def _packet(self, client: int, reset: bool = False) -> Packet:
        """A client's message, encoded and counted."""
        method, plan = self._parties.method, self._plan
        message, payload = method.downlink(plan, client), b""
        if message is not None:
            payload = message.pack(method.envelope("down", plan.round, client))
            self.sent.record(client, "down", payload, message)
        return Packet(client, payload, self._parties.bases.get(client, -1), reset, client in self._silent)

    def _use(self, answer: Reply | ClientFailure) -> Upload | None:
        """A client's upload, counted and checked; None where it is skipped. Only what is wrong with its bytes is the
        client's failure: what else goes wrong when the server reads them is a fault of the server's."""
        if isinstance(answer, ClientFailure):
            self._skip(answer)
            return None
        try:
            upload = self._parties.method.collect(self._plan, answer.client, answer.payload)
        except WireError as error:
            self.sent.record(answer.client, "up", answer.payload, None)
            self._skip(ClientFailure(answer.client, error))
            return None
        if upload.message is not None:
            self.sent.record(answer.client, "up", answer.payload, upload.message)
        self.reports.append(answer.report)
        self._on_client_end(answer.report)
        return upload

    def _skip(self, failure: ClientFailure) -> None:
        """Go on without a client; or raise what it raised, where that ends the run."""
        if self._parties.client.on_error == "fail":
            failure.error.add_note(f"client {failure.client} in round {self._plan.round}")
            raise failure.error
        self.failures.append(failure)


class _NobodyAnswered(Exception):
    """There is nothing to aggregate."""


def in_order(answers: Iterable[Reply | ClientFailure], clients: Iterable[int]) -> Iterator[Reply | ClientFailure]:
    """Those of `clients` in their order, each as soon as all before it are there; then the others."""
    turn, waiting = deque(clients), dict[int, Reply | ClientFailure]()
    for answer in answers:
        waiting[answer.client] = answer
        del answer  # the next one may take its time, and as much memory
        while turn and turn[0] in waiting:
            yield waiting.pop(turn.popleft())
    yield from (waiting[client] for client in sorted(waiting))
