"""FedAvg: weights instead of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from scarlet_pl.client import ClientResult, ClientTask, State
from scarlet_pl.errors import WireError
from scarlet_pl.methods.base import Method, Outcome, RoundPlan, ServerView, Upload
from scarlet_pl.wire import Message, fields
from scarlet_pl.wire.weights import decode_weights, encode_weights, weights_size

_DOWN, _UP = ("weights",), ("weights", "frame/samples")


class FedAvg(Method):
    """Federated averaging (McMahan et al. 2017): clients train from the server's weights, the server averages theirs.

    The mean is weighted by the clients' numbers of samples. Buffers (the running statistics of batch normalisation)
    are sent, counted and averaged as parameters are; integer buffers are rounded.

    Args:
        participation: share of the clients in a round's cohort, in (0, 1]; at least one client.
    """

    one_model = True
    clients_tested_with = "server"

    def __init__(self, participation: float = 1.0) -> None:
        super().__init__(participation)
        self._weights: State = {}

    def observe(self, server: ServerView, round: int) -> None:
        self._weights = server.weights()

    def plan(self, round: int) -> RoundPlan:
        return RoundPlan(round, self.cohort(round))

    def downlink(self, plan: RoundPlan, client: int) -> Message:
        return Message({"weights": encode_weights(self._weights)}, weights_size(self._weights))

    def receive(self, plan: RoundPlan, client: int, payload: bytes) -> ClientTask:
        parts = Message.unpack(payload, self.envelope("down", plan, client), _DOWN)
        weights = decode_weights(parts["weights"], self._weights)
        return ClientTask(client, plan.round, start="received", weights=weights, train=True)

    def uplink(self, plan: RoundPlan, result: ClientResult) -> Message:
        samples = fields.encode_counts(torch.tensor([result.samples]))
        return Message({"weights": encode_weights(result.state), "frame/samples": samples}, weights_size(result.state))

    def collect(self, plan: RoundPlan, client: int, payload: bytes) -> Upload:
        parts = Message.unpack(payload, self.envelope("up", plan, client), _UP)
        samples = int(fields.decode_counts(parts["frame/samples"], 1, "samples"))
        if samples < 1:
            raise WireError("weights of a client without samples")
        return Upload(client, weights=decode_weights(parts["weights"], self._weights), samples=samples)

    def aggregate(self, plan: RoundPlan, uploads: list[Upload]) -> Outcome:
        states = [upload.weights for upload in uploads if upload.weights is not None]
        total = sum(upload.samples for upload in uploads)
        shares = torch.tensor([upload.samples / total for upload in uploads], dtype=torch.float64)
        average = {name: _average([state[name] for state in states], shares) for name in self._weights}
        return Outcome(tuple(upload.client for upload in uploads), weights=average)

    def state_dict(self) -> dict[str, Any]:
        return {"weights": dict(self._weights)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._weights = dict(state["weights"])


def _average(tensors: list[Tensor], shares: Tensor) -> Tensor:
    mean = torch.tensordot(shares, torch.stack([tensor.cpu().to(torch.float64) for tensor in tensors]), 1)
    exact: Tensor = mean if tensors[0].is_floating_point() else mean.round()
    return exact.to(tensors[0].dtype)
