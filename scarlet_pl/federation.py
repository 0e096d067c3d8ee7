"""A federation: clients, method and ledger, and what of them lasts from round to round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from scarlet_pl.availability import Availability, Uniform
from scarlet_pl.client import ClientConfig
from scarlet_pl.data import FederatedData
from scarlet_pl.digest import digest
from scarlet_pl.errors import ConfigError, require
from scarlet_pl.executors import Auto, Executor, RunnerSpec, Workers
from scarlet_pl.methods import Method, Population, ServerView
from scarlet_pl.network.config import NetworkConfig
from scarlet_pl.node import Node
from scarlet_pl.round import ClientPhase, OnClientEnd, Parties, run_round
from scarlet_pl.server import ServerConfig
from scarlet_pl.transport import Transport
from scarlet_pl.wire import CommunicationLedger
from scarlet_pl.wire.weights import encode_weights


@dataclass(frozen=True)
class FederationConfig:
    """Who takes part, and what the federation does with those who do.

    Args:
        availability: who is asked, who never answers, and who answers too late.
        on_error: what becomes of a round in which a client raises, or uploads what is no soft label: "fail" stops
            the run and names the client, "skip" goes on without it and says so in rounds.csv.
        store: where clients' states lie between rounds: "disk" for a federation that does not fit in memory.
        network: how long a round waits for clients that are on other machines.
    """

    availability: Availability = Uniform()  # noqa: RUF009 (frozen)
    on_error: Literal["fail", "skip"] = "fail"
    store: Literal["memory", "disk"] = "memory"
    network: NetworkConfig = NetworkConfig()  # noqa: RUF009 (frozen)

    def __post_init__(self) -> None:
        ok = isinstance(self.availability, Availability)
        require(ok, "federation.availability", self.availability, "an object of class Availability")
        require(self.on_error in ("fail", "skip"), "federation.on_error", self.on_error, "fail, skip")
        require(self.store in ("memory", "disk"), "federation.store", self.store, "memory, disk")


class Federation:
    """All that lives from round to round beside the server's model. Knows no Lightning loop.

    Args:
        data: shards, public set, test shards.
        client: how clients learn.
        method: what is sent and what becomes of it.
        executor: how clients are run that are in this process, and the method's teachers; `Auto` when None.
        seed: of everything that is drawn.
        transport: the way to clients that are not; None: they all are.
        config: who takes part, and what becomes of a round in which a client fails.
    """

    def __init__(
        self,
        data: FederatedData,
        client: ClientConfig,
        method: Method,
        executor: Executor | None = None,
        seed: int = 0,
        transport: Transport | None = None,
        config: FederationConfig = FederationConfig(),
    ) -> None:
        ok = method.clients_distill or client.joint_weight is None
        require(ok, "client.joint_weight", client.joint_weight, f"null: the clients of {method.name} do not distil")
        self.data, self.method, self._client = data, method, client
        self.ledger = CommunicationLedger(method.parts)
        method.setup(
            Population(seed, data.num_clients, len(data.public), data.num_classes, data.private_labels, data.public)
        )
        side = method.clients()
        self.workers = Workers(executor or Auto(), RunnerSpec(client, data, seed, selector=side.selector))
        self.transport = transport or Node(self.workers, side, config.store)
        if method.teaches:
            self.workers.need()
        who = config.availability, data.num_clients
        self._parties = Parties(method, self.transport, self.workers, self.ledger, *who, config.on_error, seed)
        self.cohort(0)  # what is wrong with it is said before the first round

    @property
    def seconds(self) -> float:
        """Simulated, of all rounds; 0 where time is not simulated."""
        return self._parties.seconds

    def cohort(self, round: int) -> tuple[int, ...]:
        """The clients of a round, ascending; none where the method has none."""
        return self._parties.cohort(round)

    def run_round(
        self, round: int, server: ServerView, on_client_end: OnClientEnd = lambda report: None
    ) -> ClientPhase:
        """The client phase of a round, from the look at the server to the commit; see `scarlet_pl.round`.

        Args:
            on_client_end: called with the report of each client whose upload is used, in client order.
        """
        return run_round(self._parties, round, server, on_client_end)

    def evaluate_clients(self, round: int, server: ServerView) -> dict[str, Tensor]:
        """The learner's metrics on every client's own test shard, of the weights that the method says, by name:
        (clients,) float64, in client order; of those that can be reached."""
        clients = range(self.data.num_clients)
        weights = encode_weights(server.weights()) if self.method.clients_tested_with == "server" else None
        found = self.transport.evaluate(round, clients, weights)
        there = [found[client] for client in sorted(found)]
        names = [name for name in there[0] if all(name in each for each in there)] if there else []
        return {name: torch.tensor([each[name] for each in there], dtype=torch.float64) for name in names}

    def to(self, device: torch.device, neighbours: int, world: int) -> None:
        """Work on `device`; of `world` ranks, `neighbours` of them on this machine, each does its share."""
        self.workers.to(device, neighbours, world)

    def close(self) -> None:
        """End what runs for it, until it is needed again."""
        self.transport.close()
        self.workers.close()

    def client_means(self, round: int, server: ServerView) -> dict[str, float]:
        """The means of `evaluate_clients` over all clients, as they are recorded: `client/accuracy` …"""
        measured = self.evaluate_clients(round, server)
        return {f"client/{name}": float(values.mean()) for name, values in measured.items()}

    def check_rounds(self, rounds: int) -> None:
        """Raise `ConfigError` if the clients' learning rates are not for so many rounds."""
        if self._client.lr_scheduler is not None:
            self.workers.spec.runner().check_rounds(rounds)

    def check_server(self, server: ServerConfig) -> None:
        """Raise `ConfigError` if the method needs one network for all and the configuration has several."""
        if self.method.one_model and any(model != server.model for model in self._client.architectures):
            allowed = f"the clients' model {self._client.models!r}: {self.method.name} averages weights"
            raise ConfigError("server.model", server.model, allowed)

    def digest(self) -> str:
        """SHA-256 over what clients hold, method, ledger, simulated time, and which uploads were last used."""
        method, ledger = self.method.state_dict(), self.ledger.state_dict()
        return digest([self.transport.digests(), method, ledger, self._parties.bases, self.seconds])

    def state_dict(self) -> dict[str, Any]:
        """Clients' states, method state, ledger, last used uploads: tensors and plain values only."""
        return {
            "clients": self.transport.state_dict(),
            "method": self.method.state_dict(),
            "ledger": self.ledger.state_dict(),
            "bases": dict(self._parties.bases),
            "forgotten": sorted(self._parties.forgotten),
            "seconds": self._parties.seconds,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.transport.load_state_dict(state["clients"])
        self.method.load_state_dict(state["method"])
        self.ledger.load_state_dict(state["ledger"])
        bases, forgotten = dict(state["bases"]), set(state["forgotten"])
        self._parties = replace(self._parties, bases=bases, forgotten=forgotten, seconds=state["seconds"])
