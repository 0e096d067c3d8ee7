"""FedAvg's two messages: a network's weights, and weights with the number of samples they were trained on."""

from __future__ import annotations

import torch

from scarlet_pl.client import State
from scarlet_pl.errors import WireError
from scarlet_pl.wire import Envelope, Message, fields
from scarlet_pl.wire.fields import Buffer
from scarlet_pl.wire.weights import decode_weights, encode_weights

_DOWN, _UP = ("weights",), ("weights", "frame/samples")


def downlink(weights: Buffer) -> Message:
    """Encoded weights on their way to a client. The official count is theirs."""
    return Message({"weights": weights}, len(weights))


def read_downlink(payload: bytes, envelope: Envelope) -> Buffer:
    """The encoded weights; raises `WireError`."""
    return Message.unpack(payload, envelope, _DOWN)["weights"]


def uplink(weights: State, samples: int) -> Message:
    """A client's weights and number of samples; its receiver does the counting."""
    return Message({"weights": encode_weights(weights), "frame/samples": fields.encode_counts(torch.tensor([samples]))})


def read_uplink(payload: bytes, envelope: Envelope, like: State) -> tuple[State, int, Message]:
    """Weights of a network like this one, number of samples, and the message with the official count.

    Raises:
        WireError: damaged, of another network, not finite, or of no samples.
    """
    parts = Message.unpack(payload, envelope, _UP)
    samples = int(fields.decode_counts(parts["frame/samples"], 1, "samples"))
    if samples < 1:
        raise WireError("weights of a client without samples")
    return decode_weights(parts["weights"], like), samples, Message(parts, len(parts["weights"]))
