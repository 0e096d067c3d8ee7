"""The one place where a round's order is written: look at the server, plan, send, collect, aggregate, commit."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from typing import Literal

from torch import Tensor

from scarlet_pl.availability import Availability, Clock, Work
from scarlet_pl.client import ClientFailure
from scarlet_pl.errors import DesyncError, NonFiniteError, WireError, require
from scarlet_pl.executors import Job, Workers
from scarlet_pl.functional.streams import lean_map
from scarlet_pl.methods import Method, Outcome, RoundPlan, ServerView, Upload
from scarlet_pl.transport import ClientReport, Packet, Reply, Transport, in_order
from scarlet_pl.wire import CommunicationLedger, Envelope
from scarlet_pl.wire.ledger import Traffic

OnClientEnd = Callable[[ClientReport], None]


@dataclass(frozen=True)
class ClientPhase:
    """A finished client phase: what was planned, reported, sent, what came of it, and who was skipped.

    Attributes:
        dropped: who never answered.
        anew: who had another memory than the server thought, and was asked a second time.
        late: whose answer came after the deadline, and counts as never sent.
        seconds: simulated, from the first message to the last answer, or to the deadline where one is missing; None
            where time is not simulated.
    """

    plan: RoundPlan
    reports: tuple[ClientReport, ...]
    outcome: Outcome
    traffic: Traffic
    failures: tuple[ClientFailure, ...] = ()
    dropped: tuple[int, ...] = ()
    anew: tuple[int, ...] = ()
    late: tuple[int, ...] = ()
    seconds: float | None = None


@dataclass
class Parties:
    """Who takes part in rounds, and what changes when one is committed.

    Attributes:
        workers: run the method's teachers.
        clients: how many there are.
        on_error: what becomes of a round in which a client fails.
        seed: of who is available.
        bases: by client the last round whose upload was used.
        forgotten: clients whose memory is void until an upload of theirs is used again.
        seconds: simulated, of all rounds.
    """

    method: Method
    transport: Transport
    workers: Workers
    ledger: CommunicationLedger
    availability: Availability
    clients: int
    on_error: Literal["fail", "skip"]
    seed: int
    bases: dict[int, int] = field(default_factory=dict)
    forgotten: set[int] = field(default_factory=set)
    seconds: float = 0.0

    def cohort(self, round: int) -> tuple[int, ...]:
        """The clients of a round, ascending; none where the method has none.

        Raises:
            ConfigError: the availability names some that there are not, or not in ascending order.
        """
        cohort = tuple(self.availability.cohort(self.seed, round, self.clients)) if self.method.has_clients else ()
        inside = not cohort or (cohort[0] >= 0 and cohort[-1] < self.clients)
        ok = inside and all(one < next for one, next in pairwise(cohort))
        require(ok, "federation.availability", cohort, f"cohorts of clients from 0 to {self.clients - 1}, ascending")
        return cohort


def run_round(parties: Parties, round: int, server: ServerView, on_client_end: OnClientEnd) -> ClientPhase:
    """One client phase. An exception before the commit leaves all as it was after the look at the server, which
    another try repeats; but clients that turned out to have another memory than the server thought stay forgotten."""
    method = parties.method
    method.observe(server, round)
    plan = method.plan(round, server, parties.cohort(round))
    exchange = _Exchange(parties, plan, on_client_end)
    with closing(exchange.uploads()) as uploads:
        lessons: list[Tensor] = []
        stream = iter(exchange.taught(uploads, lessons)) if method.teaches else uploads
        first = list(islice(stream, 1))
        answered = bool(first) or not method.has_clients
        if answered:
            outcome = method.aggregate(plan, chain((first.pop() for _ in range(len(first))), stream), lessons)
            deque(stream, maxlen=0)  # a method may need no more of them; the round still has them all
    if answered:
        method.commit(plan, outcome)
    else:
        outcome = Outcome(())
        method.skip(plan)
    traffic = exchange.sent.close()
    parties.transport.settle(round, outcome.clients)
    parties.bases.update(dict.fromkeys(outcome.clients, round))
    parties.forgotten.difference_update(outcome.clients)
    parties.ledger.commit(traffic)
    parties.seconds += exchange.clock.seconds or 0.0
    return ClientPhase(
        plan,
        tuple(exchange.reports),
        outcome,
        traffic,
        tuple(exchange.failures),
        exchange.dropped,
        tuple(sorted(exchange.anew)),
        tuple(exchange.clock.late),
        exchange.clock.seconds,
    )


class _Exchange:
    """The messages of a round, down and up, each counted once. Of what lasts it changes only who is forgotten."""

    def __init__(self, parties: Parties, plan: RoundPlan, on_client_end: OnClientEnd) -> None:
        self._parties, self._plan, self._on_client_end = parties, plan, on_client_end
        silent = parties.availability.silent(parties.seed, plan.round, plan.cohort)
        self.dropped = tuple(client for client in plan.cohort if client in silent)
        self.sent = parties.ledger.open(plan.round)
        self.reports: list[ClientReport] = []
        self.failures: list[ClientFailure] = []
        self.anew: list[int] = []
        self.clock = Clock(parties.availability, parties.seed, plan.round, len(plan.cohort))

    def uploads(self) -> Generator[Upload, None, None]:
        """The checked uploads in client order, each as soon as it can be."""
        answering = [client for client in self._plan.cohort if client not in self.dropped]
        return lean_map(self._use, in_order(self._answers(), answering))

    def taught(self, uploads: Iterator[Upload], lessons: list[Tensor]) -> list[Upload]:
        """All uploads, but those whose model is no teacher: their clients have failed.

        Args:
            lessons: where the teachers' soft labels are put.
        """
        found = list(uploads)
        for answer in self._parties.workers.run(map(Job, self._parties.method.teachers(self._plan, found))):
            if isinstance(answer, ClientFailure):
                if answer.client in self._plan.cohort:
                    self._skip(answer)
                else:
                    self._leave_out(answer)
            elif answer.labels is not None:
                lessons.append(answer.labels)
        failed = {each.client for each in self.failures}
        self.reports = [report for report in self.reports if report.client not in failed]
        for report in self.reports:
            self._on_client_end(report)
        return [upload for upload in found if upload.client not in failed]

    def _answers(self) -> Iterator[Reply | ClientFailure]:
        """What comes back, in any order. Who has another memory than the server thought is asked again, and anew."""
        exchange, round = self._parties.transport.exchange, self._plan.round
        answers = exchange(round, lean_map(self._packet, self._plan.cohort))
        agreed: Iterator[Reply | ClientFailure] = lean_map(self._forget_if_desynced, answers)
        yield from agreed
        if self.anew:
            yield from exchange(round, lean_map(self._packet, tuple(self.anew)))

    def _forget_if_desynced(self, answer: Reply | ClientFailure) -> Reply | ClientFailure | None:
        """An answer; or None for that of a client with another memory, which is put into `anew`."""
        if isinstance(answer, Reply) or not isinstance(answer.error, DesyncError):
            return answer
        self.anew.append(answer.client)
        self._parties.forgotten.add(answer.client)
        self._parties.method.forget(answer.client)
        return None

    def _packet(self, client: int) -> Packet:
        """A client's message, encoded and counted."""
        method, round = self._parties.method, self._plan.round
        message, payload = method.downlink(self._plan, client), b""
        if message is not None:
            payload = message.pack(Envelope("down", method.name, round, client))
            self.sent.record(client, "down", payload, message)
        base, reset = self._parties.bases.get(client, -1), client in self._parties.forgotten
        return Packet(client, payload, base, reset, client in self.dropped)

    def _use(self, answer: Reply | ClientFailure) -> Upload | None:
        """A client's upload, counted and checked; None where it is skipped. Only what is wrong with its bytes is the
        client's failure: what else goes wrong when the server reads them is a fault of the server's."""
        if isinstance(answer, ClientFailure):
            self._skip(answer)
            return None
        work = Work(self.sent.total(answer.client, "down"), answer.report.steps, len(answer.payload))
        if not self.clock.in_time(answer.client, work):
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
        if not self._parties.method.teaches:
            self._on_client_end(answer.report)
        return upload

    def _skip(self, failure: ClientFailure) -> None:
        """Go on without a client; or raise what it raised, where that ends the run."""
        if self._parties.on_error == "fail":
            failure.error.add_note(f"client {failure.client} in round {self._plan.round}")
            raise failure.error
        self.failures.append(failure)

    def _leave_out(self, failure: ClientFailure) -> None:
        """Go on without a teacher that is no client's model; or raise what it raised, where a client's would."""
        error = failure.error
        if isinstance(error, NonFiniteError):
            error = NonFiniteError(error.round, "a teacher made by the server", error.what)
        if self._parties.on_error == "fail":
            raise error
        warnings.warn(f"{error}: it is left out", stacklevel=2)
