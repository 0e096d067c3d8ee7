"""Engines that carry bytes within this process, well or badly."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scarlet_pl.client import ClientConfig
from scarlet_pl.data import FederatedData
from scarlet_pl.methods import Distillation, Method, UniformDraw
from scarlet_pl.network.config import NetworkConfig
from scarlet_pl.network.frames import pack, unpack
from scarlet_pl.network.mail import Correspondent, Mail, Undelivered
from scarlet_pl.network.service import NodeService
from scarlet_pl.network.transport import NetworkTransport

from ..conftest import tiny_data
from ..far import make_node
from ..test_halves import CLIENT, METHODS

AGREED = {"seed": "0"}
FEDERATION = "0" * 32
Make = Callable[[Path], NodeService]


def services(
    data: FederatedData,
    config: ClientConfig,
    method: Callable[[], Method],
    nodes: int = 3,
    trained: list[Any] | None = None,
    store: str = "memory",
) -> list[Make]:
    """Nodes that share a federation's clients.

    Args:
        trained: where client, round and base of each task that is run are noted.
    """

    def make(number: int, folder: Path) -> NodeService:
        node = make_node(data, config, method(), store=store)
        if trained is not None:
            run = node.workers.run

            def noted(jobs: Any) -> Any:
                return run(_note(job, trained) for job in jobs)

            node.workers.run = noted  # type: ignore[method-assign]
        clients = range(number, data.num_clients, nodes)
        return NodeService(node, clients, folder / str(number), AGREED)

    return [lambda folder, number=number: make(number, folder) for number in range(nodes)]  # type: ignore[misc]


def _note(job: Any, trained: list[Any]) -> Any:
    if job is not None and job.task.train:
        trained.append((job.task.client, job.task.round))
    return job


@dataclass
class LocalMail(Mail):
    """Nodes in this process, whose answers come in any order.

    Args:
        make: each node's service.
        folder: the nodes' disk.
        fresh: whether each message finds a node that has just started, and knows its disk alone.
    """

    make: list[Make]
    folder: Path
    seed: int = 0
    fresh: bool = False
    sent: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draws = random.Random(self.seed)
        self.up = {number: make(self.folder) for number, make in enumerate(self.make)}
        self.ids = {number: number for number in self.up}
        self.answers: dict[int, bytes | Undelivered] = {}

    def nodes(self) -> list[Correspondent]:
        return [Correspondent(id) for id in self.ids.values()]

    def send(self, node: int, request: bytes) -> int | None:
        number = next((number for number, id in self.ids.items() if id == node), None)
        if number is None:
            return None
        self.sent.append(request)
        self.deliver(number, request)
        return len(self.sent)

    def deliver(self, number: int, request: bytes) -> None:
        """Let the node answer."""
        if self.fresh:
            self.up[number] = self.make[number](self.folder)
        self.answers[len(self.sent)] = self.up[number].handle(request)

    def receive(self, messages: Collection[int]) -> dict[int, bytes | Undelivered]:
        there = [each for each in messages if each in self.answers]
        self.draws.shuffle(there)
        return {each: self.answers.pop(each) for each in there[: self.draws.randint(1, 3)]}


@dataclass
class BadMail(LocalMail):
    """Requests and answers get lost, come twice or late; nodes start again, under another number, from their disk.

    Args:
        share: of what goes wrong in each way.
    """

    share: float = 0.15
    happened: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.late: list[tuple[int, bytes]] = []

    def deliver(self, number: int, request: bytes) -> None:
        if self._does("lost request"):
            return
        if self._does("restart"):
            self.up[number] = self.make[number](self.folder)
            self.ids[number] = 1 + max(self.ids.values())
        message, answer = len(self.sent), self.up[number].handle(request)
        if self._does("twice"):
            assert self.up[number].handle(request) == answer or b"refused" in answer
        if self._does("lost answer"):
            return
        if self._does("undelivered"):
            self.answers[message] = Undelivered("the node is gone")
        elif self._does("late"):
            self.late.append((message, answer))
        else:
            self.answers[message] = answer

    def receive(self, messages: Collection[int]) -> dict[int, bytes | Undelivered]:
        if self.late and self.draws.random() < 0.3:
            message, answer = self.late.pop(0)
            self.answers[message] = answer
        return super().receive(messages)

    def _does(self, what: str) -> bool:
        does = self.draws.random() < self.share
        self.happened[what] = self.happened.get(what, 0) + does
        return does


def network(mail: Mail, clients: int, **config: Any) -> NetworkTransport:
    return NetworkTransport(mail, clients, AGREED, NetworkConfig(**config))


def small() -> Method:
    return Distillation(draw=UniformDraw(6))


def service(folder: Path) -> NodeService:
    return services(tiny_data(), CLIENT, METHODS["scarlet"], nodes=1)[0](folder)


def kinds(node: NodeService, round: int, base: int) -> list[str]:
    """What client 0 answers to an empty packet."""
    packet = {"client": 0, "base": base, "reset": False, "silent": False, "keep": []}
    ask = {"verb": "ask", "federation": FEDERATION, "round": round, "packets": [packet]}
    return [each.text("kind") for each in unpack(node.handle(pack(ask, [b""])))[0].parts("answers")]
