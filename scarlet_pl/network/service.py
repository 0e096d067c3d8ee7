"""A node's half of the network: requests in, answers out, and every client's versions on the disk."""

from __future__ import annotations

import hashlib
import warnings
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scarlet_pl.client import ClientFailure
from scarlet_pl.errors import DesyncError, WireError, where
from scarlet_pl.network.frames import MOST, Fields, pack, unpack
from scarlet_pl.network.versions import Version, Versions
from scarlet_pl.node import Node
from scarlet_pl.transport import Packet, Reply

Answer = tuple[dict[str, Any], bytes]
"""What is said of a client, and the bytes that go with it."""


@dataclass(frozen=True)
class _Asked:
    """A packet as it came, and what the server may go back to."""

    packet: Packet
    keep: tuple[int, ...]

    @property
    def key(self) -> str:
        """SHA-256 of what decides the answer."""
        packet = self.packet
        head = f"{packet.client} {packet.base} {packet.reset} {packet.silent} ".encode()
        return hashlib.sha256(head + packet.payload).hexdigest()


class NodeService:
    """Clients that are asked over a network. `handle` is all that an engine needs of it.

    Every answer is on the disk before it is sent, under the client and the round. A packet names the round to go on
    from, so the same packet may come twice, an answer may get lost, and this process may be killed at any time.

    Args:
        node: the clients and the method's half.
        clients: those in this node's care.
        folder: where their versions lie; no other process may use it.
        agreement: what this node's owner has configured, by name.
        report_losses: whether the server is told the clients' training losses.
        on_state: is told in a line what was done.

    Attributes:
        refused: why the server does not want this node; "" where it has not said so.
    """

    def __init__(
        self,
        node: Node,
        clients: Collection[int],
        folder: Path,
        agreement: Mapping[str, str],
        report_losses: bool = True,
        on_state: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._node, self._clients, self._folder = node, frozenset(clients), folder
        self._agreement, self._report_losses, self._on_state = dict(agreement), report_losses, on_state
        self._federation, self._versions = "", Versions(folder)
        self.refused = ""
        self._at: dict[int, int] = {}
        """Which version of a client is in memory."""
        self._verbs: dict[str, Callable[[Fields, list[bytes]], bytes]] = {
            "join": self._join,
            "refuse": self._refuse,
            "ask": self._ask,
            "evaluate": self._evaluate,
            "digest": self._digest,
        }

    def handle(self, request: bytes) -> bytes:
        """The answer to a request. One that makes no sense is refused, and changes nothing."""
        try:
            header, blobs = unpack(request)
            verb = self._verbs.get(header.text("verb"))
            if verb is None:
                raise WireError("no such verb")
            self._go_to(header.federation())
            return verb(header, blobs)
        except WireError as error:
            return pack({"refused": str(error)})
        except Exception as error:  # a fault of a method: the node stays, and the server asks again
            self._at.clear()
            warnings.warn(f"a request failed: {where(error)}", stacklevel=2)
            return pack({"refused": f"{type(error).__name__}: {where(error)}"[:1000]})

    def _go_to(self, federation: str) -> None:
        """What is in memory is of one federation."""
        if federation != self._federation:
            self._federation, self._versions = federation, Versions(self._folder / federation)
            self._at.clear()

    def _join(self, header: Fields, blobs: list[bytes]) -> bytes:
        return pack({"clients": sorted(self._clients), "agreement": self._agreement})

    def _refuse(self, header: Fields, blobs: list[bytes]) -> bytes:
        self.refused = header.text("why") or "no reason is given"
        return pack({})

    def _ask(self, header: Fields, blobs: list[bytes]) -> bytes:
        round, asked = header.number("round", 0, MOST), self._packets(header, blobs)
        answers: dict[int, Answer] = {}
        new: list[_Asked] = []
        for each in asked:
            client, stored = each.packet.client, self._versions.get(each.packet.client, round)
            if stored is not None and (stored.base, stored.asked) == (each.packet.base, each.key):
                answers[client] = {"client": client, "kind": "reply", **stored.report}, stored.payload
                continue
            try:
                self._bring(client, each.packet.base, each.packet.reset)
                new.append(each)
            except (DesyncError, OSError) as error:
                answers[client] = _failure(ClientFailure(client, error))
        answers |= self._run(round, new)
        said = [answers[each.packet.client] for each in asked]
        return pack({"answers": [header for header, _ in said]}, [payload for _, payload in said])

    def _run(self, round: int, asked: list[_Asked]) -> dict[int, Answer]:
        """What the clients answer to packets that are new to them, and have kept."""
        found: dict[int, Answer] = {
            each.packet.client: ({"client": each.packet.client, "kind": "heard"}, b"") for each in asked
        }
        for answer in self._node.exchange(round, (each.packet for each in asked)):
            found[answer.client] = self._reply(answer) if isinstance(answer, Reply) else _failure(answer)
        if found:
            self._on_state(f"round {round}: client{'s' if len(found) > 1 else ''} {', '.join(map(str, sorted(found)))}")
        self._keep_all(round, [each for each in asked if found[each.packet.client][0]["kind"] == "reply"], found)
        return found

    def _keep_all(self, round: int, asked: Sequence[_Asked], found: dict[int, Answer]) -> None:
        """Keep what clients are now. Those for whom there is no space have failed, and are what they were."""
        left = deque(asked)
        try:
            self._node.settle(round, [each.packet.client for each in left])
            while left:
                self._keep(round, left[0], *found[left[0].packet.client])
                left.popleft()
        except OSError as error:
            self._on_state(str(error))
            for each in left:
                self._at.pop(each.packet.client, None)
                found[each.packet.client] = _failure(ClientFailure(each.packet.client, error))

    def _keep(self, round: int, asked: _Asked, header: dict[str, Any], payload: bytes) -> None:
        client, base = asked.packet.client, asked.packet.base
        report = {name: value for name, value in header.items() if name not in ("client", "kind")}
        state, memory = self._node.content(client)
        self._versions.put(client, round, Version(base, asked.key, payload, report, state, memory))
        self._at[client] = round
        self._versions.keep(client, round, {base, *asked.keep})

    def _reply(self, reply: Reply) -> Answer:
        report, losses = reply.report, {}
        if self._report_losses:
            losses = {"distill_loss": report.distill_loss, "train_loss": report.train_loss}
        header = {"client": reply.client, "kind": "reply", "samples": report.samples, "steps": report.steps, **losses}
        return header, reply.payload

    def _bring(self, client: int, base: int, anew: bool = False) -> None:
        """Let a client be what it was after the round `base`.

        Args:
            anew: whether it is as before its first round where that version is gone.

        Raises:
            DesyncError: that version is gone.
        """
        if self._at.get(client) == base:
            return
        self._at.pop(client, None)
        version = self._versions.get(client, base) if base >= 0 else None
        if version is None and base >= 0 and not anew:
            raise DesyncError(f"client {client} has lost what it was after round {base}")
        state, memory = (None, None) if version is None else (version.state, version.memory)
        self._node.restore(client, state, memory)
        if version is not None or base < 0:  # else it is not what it was after that round, and the next packet says so
            self._at[client] = base

    def _evaluate(self, header: Fields, blobs: list[bytes]) -> bytes:
        clients, weights = self._bases(header), blobs[0] if blobs else None
        round = header.number("round", 0, MOST)
        try:
            for client, base in clients.items():
                self._bring(client, base, anew=True)
            found = self._node.evaluate(round, clients, weights)
        except Exception as error:  # what a client's model raised, or a full disk: it would again
            self._at.clear()
            said = f"{type(error).__name__}: {where(error)}"[:1000]
            return pack({"answers": [{"client": client, "failed": said} for client in clients]})
        return pack({"answers": [{"client": client, "metrics": dict(found[client])} for client in clients]})

    def _digest(self, header: Fields, blobs: list[bytes]) -> bytes:
        answers = []
        for client, base in self._bases(header).items():
            try:
                self._bring(client, base, anew=True)
                answers.append({"client": client, "digest": self._node.digest(client)})
            except OSError as error:
                answers.append({"client": client, "failed": str(error)[:1000]})
        return pack({"answers": answers})

    def _packets(self, header: Fields, blobs: list[bytes]) -> list[_Asked]:
        parts = header.parts("packets")
        if len(parts) != len(blobs):
            raise WireError(f"{len(blobs)} payloads for {len(parts)} packets")
        found = []
        for part, payload in zip(parts, blobs, strict=True):
            client, base = self._client(part)
            packet = Packet(client, payload, base, part.flag("reset"), part.flag("silent"))
            found.append(_Asked(packet, tuple(part.numbers("keep", -1, MOST))))
        if len({each.packet.client for each in found}) != len(found):
            raise WireError("a client twice")
        return found

    def _bases(self, header: Fields) -> dict[int, int]:
        return dict(self._client(part) for part in header.parts("clients"))

    def _client(self, part: Fields) -> tuple[int, int]:
        client = part.number("client", 0, MOST)
        if client not in self._clients:
            raise WireError(f"client {client} is not in this node's care")
        return client, part.number("base", -1, MOST)


def _failure(failure: ClientFailure) -> Answer:
    kinds = {"desync": DesyncError, "wire": WireError}
    kind = next((name for name, error in kinds.items() if isinstance(failure.error, error)), "failed")
    said = str(failure.error) or type(failure.error).__name__
    return {"client": failure.client, "kind": kind, "said": " ".join(said.split())[:1000]}, b""
