"""The clients in this process: their states, the method's clients' half, and the executor that runs them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from scarlet_pl.client import ClientFailure, ClientStore, ClientTask, DiskStore, MemoryStore, State
from scarlet_pl.client.optimizers import split
from scarlet_pl.digest import digest
from scarlet_pl.executors import Answer, Job, Workers
from scarlet_pl.functional.streams import lean_map
from scarlet_pl.methods import ClientSide
from scarlet_pl.transport import ClientReport, Packet, Reply, Transport
from scarlet_pl.wire import Envelope, Message
from scarlet_pl.wire.fields import Buffer


@dataclass
class _Asked:
    """A client that was asked in `round`, and its state thereafter: taken over if the server uses its upload."""

    round: int
    state: State = field(default_factory=dict)


class Node(Transport):
    """Clients that are given bytes and nothing else of a server.

    It keeps of each client what it was after its last used upload, and its last answer: a packet's base says whether
    that was used. It cannot go back to an earlier base but by `load_state_dict`.

    Args:
        workers: run the clients.
        side: the method's clients' half.
        store: where their states lie between rounds.

    Raises:
        ConfigError: configuration and data do not fit.
    """

    def __init__(self, workers: Workers, side: ClientSide, store: Literal["memory", "disk"] = "memory") -> None:
        self.workers, self.side = workers, side
        make = DiskStore if store == "disk" else MemoryStore
        self.states: ClientStore = make(len(workers.spec.config.architectures))
        self._asked: dict[int, _Asked] = {}
        workers.need()

    def exchange(self, round: int, packets: Iterable[Packet]) -> Iterator[Reply | ClientFailure]:
        unread: list[ClientFailure] = []
        jobs = lean_map(partial(self._job, round, unread), packets)
        uplinks = lean_map(partial(self._uplink, round), self.workers.run(jobs))
        replies: Iterator[Reply | ClientFailure] = lean_map(partial(self._reply, round), uplinks)
        yield from replies
        yield from unread

    def settle(self, round: int, accepted: Collection[int]) -> None:
        used = frozenset(accepted)
        for client in [client for client, asked in self._asked.items() if asked.round == round]:
            self._end(client, client in used)

    def evaluate(
        self, round: int, clients: Iterable[int], weights: Buffer | None = None
    ) -> dict[int, Mapping[str, float]]:
        whole = ClientTask(-1, round, "previous" if weights is None else "received", weights, evaluate=True)
        tasks = (replace(whole, client=client) for client in clients)
        metrics: dict[int, Mapping[str, float]] = {}
        for answer in self.workers.run(Job(task, partial(self._state, task)) for task in tasks):
            if isinstance(answer, ClientFailure):
                raise answer.error
            metrics[answer.client] = answer.metrics
        return metrics

    def content(self, client: int) -> tuple[State | None, Any]:
        """A client's weights, with what its optimizers keep, and its memory; None for what it does not have."""
        return self.states.get(client), self.side.memory(client)

    def restore(self, client: int, state: State | None, memory: Any) -> None:
        """The inverse of `content`."""
        self._asked.pop(client, None)
        self.states.remove(client)
        if state is not None:
            self.states.put(client, state)
        self.side.remember(client, memory)

    def digests(self) -> dict[int, str]:
        found = {client: self.digest(client) for client in range(self.side.population.clients)}
        return {client: each for client, each in found.items() if each is not None}

    def digest(self, client: int) -> str | None:
        """SHA-256 over a client's `content`; None if it has none."""
        content = self.content(client)
        return None if content == (None, None) else digest(list(content))

    def state_dict(self) -> dict[str, Any]:
        return {"states": self.states.state_dict(), "memories": self.side.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.states.load_state_dict(state["states"])
        self.side.load_state_dict(state["memories"])
        self._asked.clear()

    def saved(self) -> None:
        self.states.saved()

    def keep_states_in(self, folder: Path) -> None:
        if isinstance(self.states, DiskStore):
            self.states = DiskStore(self.states.architectures, folder)

    def _job(self, round: int, unread: list[ClientFailure], packet: Packet) -> Job | None:
        """What a packet asks for, if its client answers. A client that cannot read it is put into `unread`."""
        client = packet.client
        if client in self._asked:  # nothing was heard of its last answer since: the base says whether it was used
            self._end(client, self._asked[client].round == packet.base)
        if packet.reset:
            self.side.remember(client, None)
        try:
            task = self.side.receive(round, client, packet.payload)
        except Exception as error:
            unread.append(ClientFailure(client, error))
            return None
        self._asked[client] = _Asked(round)
        return None if packet.silent else Job(task, partial(self._state, task))

    def _state(self, task: ClientTask) -> State | None:
        """What the client starts from: its weights and its optimizers' state, read and handed on as far as needed."""
        keeps = self.workers.spec.config.keep_optimizer and not task.only_looks
        if task.start != "previous" and not keeps:
            return None
        weights, optimizers = split(self.states.get(task.client) or {})
        return {**(weights if task.start == "previous" else {}), **(optimizers if keeps else {})} or None

    def _uplink(self, round: int, result: Answer) -> tuple[Message | None, ClientReport] | ClientFailure:
        """What a client sends and reports. Its state is held back until the server has used that."""
        if isinstance(result, ClientFailure):
            return result
        try:
            message = self.side.uplink(round, result)
        except Exception as error:
            return ClientFailure(result.client, error)
        weights = result.state if self.side.keeps_weights else {}
        self._asked[result.client].state = {**weights, **result.optimizers}
        measured = result.samples, result.distill_loss, result.train_loss, result.steps
        return message, ClientReport(result.client, *measured)

    def _reply(self, round: int, uplink: tuple[Message | None, ClientReport] | ClientFailure) -> Reply | ClientFailure:
        if isinstance(uplink, ClientFailure):
            return uplink
        message, report = uplink
        payload = b"" if message is None else message.pack(Envelope("up", self.side.name, round, report.client))
        return Reply(report.client, payload, report)

    def _end(self, client: int, used: bool) -> None:
        """Take over what the client was asked last, or not."""
        asked = self._asked.pop(client)
        if used and asked.state:  # before the memory, since a disk may be full
            self.states.put(client, asked.state)
        if used:
            self.side.accept(asked.round, client)
        else:
            self.side.reject(client)
