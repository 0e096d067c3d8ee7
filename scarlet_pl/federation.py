"""The federation: client states, method state and ledger, and the one place where a round's order is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.client import ClientConfig, ClientFailure, ClientResult, ClientStore, ClientTask, DiskStore, MemoryStore
from scarlet_pl.data import FederatedData
from scarlet_pl.digest import digest
from scarlet_pl.errors import ConfigError, DesyncError, WireError
from scarlet_pl.executors import Answer, Executor, Job, Workshop, over_ranks
from scarlet_pl.methods import Method, Outcome, Population, RoundPlan, ServerView, Upload
from scarlet_pl.server import ServerConfig
from scarlet_pl.wire import CommunicationLedger, Direction, Message
from scarlet_pl.wire.ledger import RoundLedger, Traffic


@dataclass(frozen=True)
class ClientPhase:
    """A finished client phase: what was planned, done, sent, what came of it, and who was skipped."""

    plan: RoundPlan
    results: tuple[ClientResult, ...]
    outcome: Outcome
    traffic: Traffic
    failures: tuple[ClientFailure, ...] = ()

    def without_cache(self, direction: Direction, kind: Literal["bytes", "paper"]) -> int | None:
        """Bytes that the same clients would have sent, or been sent, without a cache; None if the method has none.

        Counted are the clients that had a message in this direction, as in `traffic`.
        """
        each = self.plan.without_cache.get((direction, kind))
        if each is None:
            return None
        sent = self.traffic.total("up") if kind == "bytes" else self.traffic.part("up", "paper")
        return self.traffic.messages(direction) * each + (sent if direction == "up" else 0)


class Federation:
    """All that lives from round to round beside the server's model. Knows no Lightning loop.

    Args:
        data: shards, public set, test shards.
        client: how clients learn.
        method: what is sent and what becomes of it.
        executor: how clients are run.
        seed: of everything that is drawn.
    """

    def __init__(
        self, data: FederatedData, client: ClientConfig, method: Method, executor: Executor, seed: int = 0
    ) -> None:
        self.data, self.method, self.executor, self.seed = data, method, executor, seed
        self.ledger = CommunicationLedger()
        make = DiskStore if client.store == "disk" else MemoryStore
        self.states: ClientStore = make(len(client.architectures))
        labels = data.private_labels
        method.setup(Population(seed, data.num_clients, len(data.public), data.num_classes, labels))
        self._device = torch.device("cpu")
        executor.setup(Workshop(client, data, seed, self._device))
        self._client = client

    def keep_states_in(self, folder: Path) -> None:
        """Before the first round: where the states lie if they lie on disk."""
        if isinstance(self.states, DiskStore):
            self.states = DiskStore(self.states.architectures, folder)

    def digest(self) -> str:
        """SHA-256 over client states, method state and ledger, wherever the states lie."""
        clients = {client: digest(state) for client, state in self.states.items()}
        return digest([clients, self.method.state_dict(), self.ledger.state_dict()])

    def to(self, device: torch.device, neighbours: int = 1, world: int = 1) -> None:
        """Run clients on `device`; of `world` ranks, `neighbours` of them on this machine, each its share."""
        if world > 1:
            self.executor = over_ranks(self.executor, neighbours)
        if world > 1 or device != self._device:
            self._device = device
            self.executor.setup(Workshop(self._client, self.data, self.seed, device))

    def check_server(self, server: ServerConfig) -> None:
        """Raise `ConfigError` if the method needs one network for all and the configuration has several."""
        if self.method.one_model and any(model != server.model for model in self._client.architectures):
            allowed = f"the clients' model {self._client.models!r}: {self.method.name} averages weights"
            raise ConfigError("server.model", server.model, allowed)

    def run_round(
        self, round: int, server: ServerView, on_client_end: Callable[[ClientResult], None] = lambda result: None
    ) -> ClientPhase:
        """The client phase of a round: look at the server, plan, downlinks, clients, uplinks, aggregation, commit.

        An exception before the commit leaves the federation as it was after the look at the server, which another
        try repeats.
        """
        self.method.observe(server, round)
        plan, page = self.method.plan(round), RoundLedger(round)
        results, uploads, failures = [], [], []
        for answer in self.executor.run(self._jobs(plan, page)):
            heard = self._hear(plan, page, answer)
            if isinstance(heard, ClientFailure):
                failures.append(heard)
            else:
                results.append(heard[0])
                uploads.append(heard[1])
                on_client_end(heard[0])
        silent = plan.cohort and not uploads
        outcome = Outcome(()) if silent else self.method.aggregate(plan, uploads)
        phase = ClientPhase(plan, tuple(results), outcome, page.close(), tuple(failures))
        self._commit(phase)
        return phase

    def evaluate_clients(self, round: int, server: ServerView) -> Tensor:
        """Accuracy on every client's own test shard, of the weights that the method says: (clients,) float64."""
        clients = range(self.data.num_clients)
        if self.method.clients_tested_with == "server":
            shared = ClientTask(-1, round, start="received", weights=server.weights(), evaluate=True)
            jobs = (Job(replace(shared, client=client), None) for client in clients)
        else:
            jobs = (Job(ClientTask(client, round, evaluate=True), self.states.get(client)) for client in clients)
        answers = self.executor.run(jobs)
        accuracies = []
        for answer in answers:
            if isinstance(answer, ClientFailure):
                raise answer.error
            accuracies.append(answer.accuracy)
        return torch.tensor(accuracies, dtype=torch.float64)

    def state_dict(self) -> dict[str, Any]:
        """Client states, method state, ledger: tensors and plain values only."""
        return {
            "clients": self.states.state_dict(),
            "method": self.method.state_dict(),
            "ledger": self.ledger.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.states.load_state_dict(state["clients"])
        self.method.load_state_dict(state["method"])
        self.ledger.load_state_dict(state["ledger"])

    def _jobs(self, plan: RoundPlan, page: RoundLedger) -> Iterator[Job]:
        draws = rng.generator(self.seed, "absent", plan.round)
        absent = torch.rand(len(plan.cohort), generator=draws) < self._client.dropout_rate
        for client, gone in zip(plan.cohort, absent.tolist(), strict=True):
            if gone:
                self._tell(plan, page, client)  # it hears, and that is the last that is heard of it
                continue
            yield Job(self._tell(plan, page, client), self.states.get(client))

    def _hear(self, plan: RoundPlan, page: RoundLedger, answer: Answer) -> tuple[ClientResult, Upload] | ClientFailure:
        """A client's answer, sent, counted, decoded and checked; its failure where that is skipped.

        A client's failure is whatever it raised, or an upload that is not what it should be. What else goes wrong when
        the server reads it is a fault of the server's, and never skipped.

        Raises:
            Exception: whatever was wrong, where a failure ends the run.
        """
        if isinstance(answer, ClientFailure):
            return self._skipped(plan, answer)
        try:
            message = self.method.uplink(plan, answer)
        except Exception as error:
            return self._skipped(plan, ClientFailure(answer.client, error))
        payload = self._send(plan, page, answer.client, "up", message)
        try:
            return answer, self.method.collect(plan, answer.client, payload)
        except WireError as error:
            return self._skipped(plan, ClientFailure(answer.client, error))

    def _skipped(self, plan: RoundPlan, failure: ClientFailure) -> ClientFailure:
        """A client's failure, where it is skipped; raised where it is not."""
        if self._client.on_error == "skip":
            return failure
        failure.error.add_note(f"client {failure.client} in round {plan.round}")
        raise failure.error

    def _tell(self, plan: RoundPlan, page: RoundLedger, client: int) -> ClientTask:
        """Send a client its message; once more and whole, if its state is not what the server thought."""
        payload = self._send(plan, page, client, "down", self.method.downlink(plan, client))
        try:
            return self.method.receive(plan, client, payload)
        except DesyncError:
            self.method.forget(client)
            payload = self._send(plan, page, client, "down", self.method.downlink(plan, client))
            return self.method.receive(plan, client, payload)

    def _send(
        self, plan: RoundPlan, page: RoundLedger, client: int, direction: Direction, message: Message | None
    ) -> bytes:
        """Encode a message and count it; nothing for none."""
        if message is None:
            return b""
        return page.record(client, direction, message, message.pack(self.method.envelope(direction, plan, client)))

    def _commit(self, phase: ClientPhase) -> None:
        if phase.plan.cohort and not phase.outcome.clients:
            self.method.skip(phase.plan)
        else:
            self.method.commit(phase.plan, phase.outcome)
        for result in phase.results:
            self.states.put(result.client, {**result.state, **result.optimizers})
        self.ledger.commit(phase.traffic)
