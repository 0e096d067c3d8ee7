"""The clients' half of FedAvg."""

from __future__ import annotations

from scarlet_pl.client import ClientResult, ClientTask
from scarlet_pl.methods.client_side import ClientSide
from scarlet_pl.methods.fedavg import messages
from scarlet_pl.wire import Envelope, Message


class FedAvgClients(ClientSide):
    """Trains from the weights that were sent and sends them back. Nothing is kept from round to round."""

    keeps_weights = False

    def receive(self, round: int, client: int, payload: bytes) -> ClientTask:
        weights = messages.read_downlink(payload, Envelope("down", self.name, round, client))
        return ClientTask(client, round, start="received", weights=weights, train=True)

    def uplink(self, round: int, result: ClientResult) -> Message:
        return messages.uplink(result.state, result.samples)
