"""The server's part of a federation: method state and ledger, and the one place where a round's order is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.client import ClientConfig, ClientFailure
from scarlet_pl.data import FederatedData
from scarlet_pl.digest import digest
from scarlet_pl.errors import ConfigError, DesyncError, WireError
from scarlet_pl.executors import Executor
from scarlet_pl.methods import Method, Outcome, Population, RoundPlan, ServerView, Upload
from scarlet_pl.node import Node
from scarlet_pl.server import ServerConfig
from scarlet_pl.transport import ClientReport, Packet, Reply, Transport
from scarlet_pl.wire import CommunicationLedger
from scarlet_pl.wire.ledger import RoundLedger, Traffic
from scarlet_pl.wire.weights import encode_weights

OnClientEnd = Callable[[ClientReport], None]


@dataclass(frozen=True)
class ClientPhase:
    """A finished client phase: what was planned, reported, sent, what came of it, and who was skipped."""

    plan: RoundPlan
    reports: tuple[ClientReport, ...]
    outcome: Outcome
    traffic: Traffic
    failures: tuple[ClientFailure, ...] = ()


class _NobodyAnswered(Exception):
    """There is nothing to aggregate."""


@dataclass
class _Round:
    """A round on its way: nothing of it is the federation's until it commits."""

    plan: RoundPlan
    silent: frozenset[int]
    ledger: RoundLedger
    on_client_end: OnClientEnd
    reports: list[ClientReport] = field(default_factory=list)
    failures: list[ClientFailure] = field(default_factory=list)


class Federation:
    """All that lives from round to round beside the server's model. Knows no Lightning loop.

    Args:
        data: shards, public set, test shards.
        client: how clients learn, and what becomes of a round in which they do not.
        method: what is sent and what becomes of it.
        executor: how clients are run that are in this process.
        seed: of everything that is drawn.
        transport: the way to clients that are not; None: they all are.
    """

    def __init__(
        self,
        data: FederatedData,
        client: ClientConfig,
        method: Method,
        executor: Executor,
        seed: int = 0,
        transport: Transport | None = None,
    ) -> None:
        self.data, self.method, self.seed, self._client = data, method, seed, client
        self.ledger = CommunicationLedger()
        method.setup(Population(seed, data.num_clients, len(data.public), data.num_classes, data.private_labels))
        self.transport = transport or Node(data, client, method.clients(), executor, seed)
        self._bases: dict[int, int] = {}
        """The last round whose upload of a client was used."""

    def digest(self) -> str:
        """SHA-256 over clients' states, method state and ledger, wherever the states lie."""
        return digest([self.transport.digests(), self.method.state_dict(), self.ledger.state_dict()])

    def check_server(self, server: ServerConfig) -> None:
        """Raise `ConfigError` if the method needs one network for all and the configuration has several."""
        if self.method.one_model and any(model != server.model for model in self._client.architectures):
            allowed = f"the clients' model {self._client.models!r}: {self.method.name} averages weights"
            raise ConfigError("server.model", server.model, allowed)

    def run_round(
        self, round: int, server: ServerView, on_client_end: OnClientEnd = lambda report: None
    ) -> ClientPhase:
        """The client phase of a round: look at the server, plan, downlinks, clients, uplinks, aggregation, commit.

        An exception before the commit leaves the federation as it was after the look at the server, which another
        try repeats.

        Args:
            on_client_end: called with the report of each client whose upload is used, in client order.
        """
        self.method.observe(server, round)
        plan = self.method.plan(round, server)
        now = _Round(plan, self._silent(plan), RoundLedger(round), on_client_end)
        outcome = self._aggregate(plan, self._uploads(now))
        phase = ClientPhase(plan, tuple(now.reports), outcome, now.ledger.close(), tuple(now.failures))
        self._commit(phase)
        return phase

    def evaluate_clients(self, round: int, server: ServerView) -> Tensor:
        """Accuracy on every client's own test shard, of the weights that the method says: (clients,) float64."""
        clients = range(self.data.num_clients)
        weights = encode_weights(server.weights()) if self.method.clients_tested_with == "server" else None
        accuracies = self.transport.evaluate(round, clients, weights)
        return torch.tensor([accuracies[client] for client in clients], dtype=torch.float64)

    def state_dict(self) -> dict[str, Any]:
        """Clients' states, method state, ledger: tensors and plain values only."""
        return {
            "clients": self.transport.state_dict(),
            "method": self.method.state_dict(),
            "ledger": self.ledger.state_dict(),
            "bases": dict(self._bases),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.transport.load_state_dict(state["clients"])
        self.method.load_state_dict(state["method"])
        self.ledger.load_state_dict(state["ledger"])
        self._bases = dict(state["bases"])

    def _silent(self, plan: RoundPlan) -> frozenset[int]:
        """Who of the cohort drops out: a function of (seed, round)."""
        draws = rng.generator(self.seed, "absent", plan.round)
        absent = torch.rand(len(plan.cohort), generator=draws) < self._client.dropout_rate
        return frozenset(client for client, gone in zip(plan.cohort, absent.tolist(), strict=True) if gone)

    def _aggregate(self, plan: RoundPlan, uploads: Iterator[Upload]) -> Outcome:
        """What comes of the uploads; nothing where nobody of the cohort answered."""
        try:
            outcome = self.method.aggregate(plan, uploads)
            for _ in uploads:  # a method may need no more of them; the round still has them all
                pass
        except _NobodyAnswered:
            return Outcome(())
        return outcome

    def _uploads(self, now: _Round) -> Iterator[Upload]:
        """The checked uploads in client order, as they come."""
        for answer in _in_order(self._answers(now), [c for c in now.plan.cohort if c not in now.silent]):
            upload = self._read(now, answer)
            if isinstance(upload, ClientFailure):
                now.failures.append(self._skipped(now.plan, upload))
            elif isinstance(answer, Reply):
                now.reports.append(answer.report)
                now.on_client_end(answer.report)
                yield upload
        if now.plan.cohort and not now.reports:
            raise _NobodyAnswered

    def _answers(self, now: _Round) -> Iterator[Reply | ClientFailure]:
        """What comes back, in any order. Who has another memory than the server thought is asked again and anew."""
        anew, round = [], now.plan.round
        for answer in self.transport.exchange(round, self._packets(now, now.plan.cohort)):
            if isinstance(answer, ClientFailure) and isinstance(answer.error, DesyncError):
                self.method.forget(answer.client)
                anew.append(answer.client)
            else:
                yield answer
        if anew:
            yield from self.transport.exchange(round, self._packets(now, anew, reset=True))

    def _packets(self, now: _Round, clients: Iterable[int], reset: bool = False) -> Iterator[Packet]:
        """Each client's message, encoded and counted."""
        round = now.plan.round
        for client in clients:
            message = self.method.downlink(now.plan, client)
            payload = b"" if message is None else message.pack(self.method.envelope("down", round, client))
            if message is not None:
                now.ledger.record(client, "down", payload, message)
            yield Packet(client, payload, self._bases.get(client, -1), reset, client in now.silent)

    def _read(self, now: _Round, answer: Reply | ClientFailure) -> Upload | ClientFailure:
        """What a client uploaded, counted and checked. Only what is wrong with its bytes is the client's failure: what
        else goes wrong when the server reads them is a fault of the server's, and never skipped."""
        if isinstance(answer, ClientFailure):
            return answer
        try:
            upload = self.method.collect(now.plan, answer.client, answer.payload)
        except WireError as error:
            now.ledger.record(answer.client, "up", answer.payload, None)
            return ClientFailure(answer.client, error)
        if answer.payload:
            now.ledger.record(answer.client, "up", answer.payload, upload.message)
        return upload

    def _skipped(self, plan: RoundPlan, failure: ClientFailure) -> ClientFailure:
        """A client's failure, where it is skipped; raised where it is not."""
        if self._client.on_error == "skip":
            return failure
        failure.error.add_note(f"client {failure.client} in round {plan.round}")
        raise failure.error

    def _commit(self, phase: ClientPhase) -> None:
        plan, clients = phase.plan, phase.outcome.clients
        if plan.cohort and not clients:
            self.method.skip(plan)
        else:
            self.method.commit(plan, phase.outcome)
        self.transport.settle(plan.round, clients)
        self._bases |= dict.fromkeys(clients, plan.round)
        self.ledger.commit(phase.traffic)


def _in_order(answers: Iterable[Reply | ClientFailure], clients: Iterable[int]) -> Iterator[Reply | ClientFailure]:
    """Those of `clients` in their order, each as soon as all before it are there; then the others."""
    turn, waiting = deque(clients), dict[int, Reply | ClientFailure]()
    for answer in answers:
        waiting[answer.client] = answer
        while turn and turn[0] in waiting:
            yield waiting.pop(turn.popleft())
    yield from (waiting[client] for client in sorted(waiting))
