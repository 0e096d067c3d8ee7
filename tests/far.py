"""Clients in a process of their own, which is given bytes and nothing else, and answers in any order."""

from __future__ import annotations

import multiprocessing
import os
import random
import traceback
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from scarlet_pl.client import ClientConfig, ClientFailure
from scarlet_pl.data import FederatedData
from scarlet_pl.errors import ClientError, DesyncError
from scarlet_pl.executors import RunnerSpec, Serial, Workers
from scarlet_pl.executors.serialization import from_bytes, to_bytes
from scarlet_pl.methods import Method, Population
from scarlet_pl.node import Node
from scarlet_pl.transport import ClientReport, Packet, Reply, Transport


def make_node(data: FederatedData, config: ClientConfig, method: Method, seed: int = 0, store: Any = "memory") -> Node:
    """The clients' half of a method on its own: what the server's half comes to know, it does not."""
    method.setup(Population(seed, data.num_clients, len(data.public), data.num_classes, public=data.public))
    side = method.clients()
    return Node(Workers(Serial(), RunnerSpec(config, data, seed, selector=side.selector)), side, store)


def as_tensor(payload: Any) -> torch.Tensor:
    return torch.frombuffer(bytearray(payload) or bytearray(1), dtype=torch.uint8)[: len(payload)]


class Service:
    """What the other process does with a request.

    Args:
        make: its clients.
        folder: where it stores each client as of each of its answers; None: it lives on, and goes by its memory.
    """

    def __init__(self, make: Callable[[], Node], folder: Path | None) -> None:
        self.node, self.folder = make(), folder

    def handle(self, request: bytes) -> bytes:
        asked = from_bytes(request)
        return to_bytes(getattr(self, asked.pop("verb"))(**asked))

    def ask(self, round: int, packets: list[Any]) -> list[Any]:
        sent = [Packet(client, payload.numpy().tobytes(), *rest) for client, payload, *rest in packets]
        for packet in sent:
            self._load(packet.client, packet.base)
        answers: list[Any] = []
        for answer in self.node.exchange(round, sent):
            if isinstance(answer, ClientFailure):
                answers.append((answer.client, isinstance(answer.error, DesyncError), str(answer.error)))
            else:
                answers.append((answer.client, as_tensor(answer.payload), vars(answer.report)))
        if self.folder is not None:
            self.node.settle(round, [client for client, *_ in answers])
            for packet in sent:
                self._store(packet.client, round)
        return answers

    def evaluate(self, round: int, bases: dict[int, int], weights: torch.Tensor | None) -> dict[int, float]:
        self._all(bases)
        return self.node.evaluate(round, bases, None if weights is None else weights.numpy().tobytes())

    def digests(self, bases: dict[int, int]) -> dict[int, str]:
        self._all(bases)
        return self.node.digests()

    def _all(self, bases: dict[int, int]) -> None:
        for client, base in bases.items():
            self._load(client, base)
        for round in set(bases.values()):
            self.node.settle(round, [client for client, base in bases.items() if base == round])

    def _load(self, client: int, base: int) -> None:
        if self.folder is None or base < 0:
            return
        saved = torch.load(self._file(client, base), weights_only=True)
        self.node.side.remember(client, saved["memory"])
        if saved["state"] is not None:
            self.node.states.put(client, saved["state"])

    def _store(self, client: int, round: int) -> None:
        state = self.node.states.get(client)
        own = state and {name: value.clone() for name, value in state.items()}  # not views of one row
        saved = {"memory": self.node.side.memory(client), "state": own}
        torch.save(saved, self._file(client, round))

    def _file(self, client: int, round: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{client}.{round}.pt"


class FarClients(Transport):
    """The server's end of it.

    Args:
        make: the clients; called in the other process.
        folder: see `Service`; with one, each request gets a fresh process.
        seed: of the order in which answers come.
        start: how the process starts; "fork" is fast.
    """

    def __init__(
        self, make: Callable[[], Node], folder: Path | None = None, seed: int = 0, start: str = "fork"
    ) -> None:
        self._draws, self._bases = random.Random(seed), dict[int, int]()
        context: Any = multiprocessing.get_context(start)
        self._end, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._end, other, make, folder), daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork where there are threads; ours are idle
            self._process.start()
        other.close()

    def exchange(self, round: int, packets: Iterable[Packet]) -> Iterator[Reply | ClientFailure]:
        plain = [(p.client, as_tensor(p.payload), p.base, p.reset, p.silent) for p in packets]
        answers = self._request(verb="ask", round=round, packets=plain)
        self._draws.shuffle(answers)
        for client, payload, rest in answers:
            if isinstance(payload, bool):
                yield ClientFailure(client, DesyncError(rest) if payload else ClientError(rest))
            else:
                yield Reply(client, payload.numpy().tobytes(), ClientReport(**rest))

    def settle(self, round: int, accepted: Collection[int]) -> None:
        self._bases |= dict.fromkeys(accepted, round)  # of which the others hear with their next packet

    def evaluate(self, round: int, clients: Iterable[int], weights: bytes | None = None) -> dict[int, float]:
        bases = {client: self._bases.get(client, -1) for client in clients}
        sent = None if weights is None else as_tensor(weights)
        return dict(self._request(verb="evaluate", round=round, bases=bases, weights=sent))

    def digests(self) -> dict[int, str]:
        return dict(self._request(verb="digests", bases=self._bases))

    def state_dict(self) -> dict[str, Any]:
        return {"bases": dict(self._bases)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._bases = dict(state["bases"])

    def end(self) -> None:
        """End the other process; `close` does not, since a finished run still has a digest."""
        self._end.close()
        self._process.join()

    def _request(self, **asked: Any) -> Any:
        self._end.send_bytes(to_bytes(asked))
        answer = from_bytes(self._end.recv_bytes())
        if "failed" in answer:
            raise AssertionError(answer["failed"])
        return answer["answer"]


def _serve(server: Connection, connection: Connection, make: Callable[[], Node], folder: Path | None) -> None:
    server.close()  # else this process would never see that end close
    warnings.simplefilter("ignore", DeprecationWarning)
    service = None if folder is not None else Service(make, None)
    while True:
        try:
            request = connection.recv_bytes()
        except EOFError:
            return
        if service is not None:
            connection.send_bytes(_answer(service.handle, request))
        elif os.fork():
            os.wait()
        else:
            connection.send_bytes(_answer(lambda request: Service(make, folder).handle(request), request))
            os._exit(0)


def _answer(handle: Callable[[bytes], bytes], request: bytes) -> bytes:
    try:
        return to_bytes({"answer": from_bytes(handle(request))})
    except BaseException:
        return to_bytes({"failed": traceback.format_exc()})
