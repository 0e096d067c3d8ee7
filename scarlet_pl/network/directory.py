"""Which node has which client."""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from scarlet_pl.errors import WireError
from scarlet_pl.network.agreement import differences
from scarlet_pl.network.frames import pack, unpack
from scarlet_pl.network.mail import Correspondent, Mail, Undelivered

_LOOK = 0.5
"""Seconds between two looks at who is there."""
_LONGEST_REASON = 2000
"""Characters."""


@dataclass
class Directory:
    """Asks each node that appears for its clients and its configuration. One that has another is refused, and told so.

    Attributes:
        federation: its number.
        clients: how many there are.
        agreement: the server's configuration, by name.
        patience: seconds after which a node that does not say what it has is asked again.
        homes: by client the node that has it; where several have it, the one that came last.
        owners: by client the name of the node that had it first, where nodes have names: no other may have it.
    """

    mail: Mail
    federation: str
    clients: int
    agreement: Mapping[str, str]
    patience: float
    homes: dict[int, Correspondent] = field(default_factory=dict)
    owners: dict[int, str] = field(default_factory=dict)
    _met: dict[Correspondent, list[int]] = field(default_factory=dict)
    """The clients of each node that has answered; of one that is refused, none."""
    _joining: dict[int, Correspondent] = field(default_factory=dict)
    _again: dict[Correspondent, float] = field(default_factory=dict)
    _looked: float = 0.0

    def look(self, wanted: Collection[int]) -> None:
        """Note who has come and gone: every now and then where all of the wanted clients have a home."""
        now = time.monotonic()
        if now - self._looked >= _LOOK or not self.homes.keys() >= set(wanted):
            self._looked = now
            self._meet(now)
        for number, answer in self.mail.receive(list(self._joining)).items():
            self._welcome(self._joining.pop(number), answer)

    def lose(self, node: Correspondent) -> None:
        """A node did not answer, or is gone: it has no clients until it has joined again."""
        self._met.pop(node, None)
        self._settle()

    def _settle(self) -> None:
        self.homes = {client: node for node, clients in self._met.items() for client in clients}

    def _meet(self, now: float) -> None:
        there = set(self.mail.nodes())
        for each in self._met.keys() - there:
            self.lose(each)
        self._again = {each: since for each, since in self._again.items() if each in there}
        self._joining = {number: each for number, each in self._joining.items() if each in there}
        for each in sorted(there - self._met.keys(), key=lambda node: node.since):
            if now >= self._again.get(each, 0.0):
                self._again[each] = now + self.patience
                self._joining = {number: node for number, node in self._joining.items() if node != each}
                number = self.mail.send(each.id, pack({"verb": "join", "federation": self.federation}))
                if number is not None:
                    self._joining[number] = each

    def _welcome(self, node: Correspondent, answer: bytes | Undelivered) -> None:
        """Let its clients live there, or say why not."""
        try:
            if isinstance(answer, Undelivered):
                raise WireError(answer.why)
            header, _ = unpack(answer)
            clients, theirs = header.numbers("clients", 0, self.clients - 1), header.texts("agreement")
        except WireError as error:
            self._again[node] = time.monotonic() + min(10 * _LOOK, self.patience)
            warnings.warn(f"{_name(node)} could not join: {error}", stacklevel=2)
            return
        self._met[node] = []
        self._again.pop(node, None)
        taken = sorted(client for client in clients if self.owners.get(client, node.name) != node.name)
        unlike = differences(self.agreement, theirs)
        if taken or unlike:
            whose = f"client {taken[0]} belongs to {self.owners[taken[0]]}" if taken else ""
            warnings.warn(f"{_name(node)} is refused: {whose or unlike}", stacklevel=2)
            self._refuse(node, whose or differences(theirs, self.agreement))
            return
        self._met[node] = clients
        self._settle()
        if node.name:
            self.owners |= dict.fromkeys(clients, node.name)

    def _refuse(self, node: Correspondent, why: str) -> None:
        """Tell a node; whether it hears that does not matter here."""
        self.mail.send(node.id, pack({"verb": "refuse", "federation": self.federation, "why": why[:_LONGEST_REASON]}))


def _name(node: Correspondent) -> str:
    return f"node {node.name or node.id}"
