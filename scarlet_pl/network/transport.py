"""The way to clients that are on other machines."""

from __future__ import annotations

import uuid
import warnings
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from scarlet_pl.client import ClientFailure
from scarlet_pl.errors import ClientError, ConfigError, DesyncError, WireError
from scarlet_pl.network.config import NetworkConfig
from scarlet_pl.network.conversation import Conversation, Counts, Heard, Question, missing, some
from scarlet_pl.network.directory import Directory
from scarlet_pl.network.frames import MOST, Fields, pack
from scarlet_pl.network.mail import Mail
from scarlet_pl.transport import ClientReport, Packet, Reply, Transport
from scarlet_pl.wire.fields import Buffer

T = TypeVar("T")
_CHECKPOINTS = 2
"""Those that a run keeps. While a third is written nobody is asked, so nodes delete nothing."""
_ERRORS = {"desync": DesyncError, "wire": WireError, "failed": ClientError}


class NetworkTransport(Transport):
    """Clients that are asked through the nodes that have them.

    No message says that a round was committed: each packet names the last round whose upload was used, and nodes keep
    their clients' versions of the rounds that the server's last checkpoints name.

    Args:
        mail: the engine.
        clients: how many there are.
        agreement: the server's configuration, by name; a node with another is refused.
        config: how long a round waits.
    """

    def __init__(self, mail: Mail, clients: int, agreement: Mapping[str, str], config: NetworkConfig) -> None:
        self._mail, self._config, self._clients = mail, config, clients
        self._directory = Directory(mail, uuid.uuid4().hex, clients, agreement, config.patience)
        self._conversation = Conversation(self._directory, config)
        self._bases: dict[int, int] = {}
        self._saved: deque[dict[int, int]] = deque(maxlen=_CHECKPOINTS)
        self._anew = 0

    @property
    def statistics(self) -> Mapping[str, int]:  # type: ignore[override]
        return {**asdict(self._conversation.counts), "clients_started_anew": self._anew}

    def exchange(self, round: int, packets: Iterable[Packet]) -> Iterator[Reply | ClientFailure]:
        waiting = {packet.client: packet for packet in packets}
        silent = {client for client, packet in waiting.items() if packet.silent}
        clients = list(waiting)
        question = Question(
            lambda these: self._request(round, [waiting[client] for client in these]),
            lambda client: len(waiting[client].payload),
            self._config.min_clients,
            silent,
        )
        for client, said, payload in self._conversation.ask(question, clients):
            del waiting[client]
            answer = _answer(client, said, payload)
            if client in silent and isinstance(answer, Reply):
                answer = ClientFailure(client, WireError(f"client {client} answered, and was not to"))
            if answer is not None:
                self._anew += isinstance(answer, ClientFailure) and isinstance(answer.error, DesyncError)
                yield answer
        for client in waiting.keys() - silent:
            yield ClientFailure(client, missing(client, self._config.deadline))

    def settle(self, round: int, accepted: Collection[int]) -> None:
        self._bases.update(dict.fromkeys(accepted, round))

    def evaluate(
        self, round: int, clients: Iterable[int], weights: Buffer | None = None
    ) -> dict[int, Mapping[str, float]]:
        blobs = [] if weights is None else [weights]
        header = {"verb": "evaluate", "round": round}
        heard = self._of_each("clients' test", clients, lambda these: self._framed(header, these, blobs))
        return _readable(heard, _metrics)

    def digests(self) -> dict[int, str]:
        heard = self._of_each("digest", range(self._clients), lambda these: self._framed({"verb": "digest"}, these))
        found = _readable(heard, _digest)
        return {client: digest for client, digest in found.items() if digest}

    def state_dict(self) -> dict[str, Any]:
        return {
            "network": self._directory.federation,
            "bases": dict(self._bases),
            "saved": [*map(dict, self._saved), dict(self._bases)],
            "owners": dict(self._directory.owners),
            "statistics": dict(self.statistics),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if "network" not in state:
            raise ConfigError("resume", "a run whose clients were simulated", "one whose clients were on a network")
        self._directory.federation, self._directory.owners = state["network"], dict(state["owners"])
        self._bases = dict(state["bases"])
        self._saved = deque(map(dict, state["saved"]), maxlen=_CHECKPOINTS)
        counts = dict(state.get("statistics", {}))  # which older checkpoints have not
        self._anew = counts.pop("clients_started_anew", 0)
        self._conversation.counts = Counts(**counts)

    def saved(self) -> None:
        self._saved.append(dict(self._bases))

    def close(self) -> None:
        self._mail.close()

    def _of_each(self, what: str, clients: Iterable[int], request: Callable[[Sequence[int]], bytes]) -> Iterator[Heard]:
        """What is measured of each client; those of whom nothing is heard are named."""
        waiting = set(clients)
        for heard in self._conversation.ask(Question(request), sorted(waiting)):
            waiting.discard(heard[0])
            yield heard
        if waiting:
            warnings.warn(f"the {what} is without {some(waiting)}, who did not answer in time", stacklevel=2)

    def _request(self, round: int, packets: Sequence[Packet]) -> bytes:
        parts = [
            {
                "client": packet.client,
                "base": packet.base,
                "reset": packet.reset,
                "silent": packet.silent,
                "keep": sorted({saved[packet.client] for saved in self._saved if packet.client in saved}),
            }
            for packet in packets
        ]
        header = {"verb": "ask", "federation": self._directory.federation, "round": round, "packets": parts}
        return pack(header, [packet.payload for packet in packets])

    def _framed(self, header: dict[str, Any], clients: Sequence[int], blobs: Sequence[Buffer] = ()) -> bytes:
        bases = [{"client": client, "base": self._bases.get(client, -1)} for client in clients]
        return pack({**header, "federation": self._directory.federation, "clients": bases}, blobs)


def _metrics(said: Fields) -> Mapping[str, float]:
    if said.has("failed"):
        raise ClientError(said.text("failed"))
    return said.reals("metrics")


def _digest(said: Fields) -> str:
    if said.has("failed"):
        raise WireError(said.text("failed"))
    return said.text("digest") if said.has("digest") else ""


def _readable(heard: Iterable[Heard], read: Callable[[Fields], T]) -> dict[int, T]:
    """What was measured, by client; without what cannot be read."""
    found = dict[int, T]()
    for client, said, _ in heard:
        try:
            found[client] = read(said)
        except WireError as error:
            warnings.warn(f"client {client}: {error}", stacklevel=2)
    return found


def _answer(client: int, said: Fields, payload: bytes) -> Reply | ClientFailure | None:
    """What a client answered; None for one that has heard and is silent."""
    try:
        kind = said.text("kind")
        if kind == "heard":
            return None
        if kind == "reply":
            samples, steps = said.number("samples", 0, MOST), said.number("steps", 0, MOST)
            report = ClientReport(client, samples, said.real("distill_loss"), said.real("train_loss"), steps)
            return Reply(client, payload, report)
        return ClientFailure(client, _ERRORS.get(kind, ClientError)(said.text("said")))
    except WireError as error:
        return ClientFailure(client, error)
