"""Clients that are sent nothing."""

from __future__ import annotations

from scarlet_pl.client import ClientResult, ClientTask
from scarlet_pl.methods.client_side import ClientSide


class LocalClients(ClientSide):
    """Trains each client on its own shard, and sends nothing."""

    def receive(self, round: int, client: int, payload: bytes) -> ClientTask:
        return ClientTask(client, round, train=True)

    def uplink(self, round: int, result: ClientResult) -> None:
        return None
