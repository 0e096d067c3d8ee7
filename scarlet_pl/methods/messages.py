"""The two messages of federated distillation, and their bytes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl.cache import Signal
from scarlet_pl.errors import WireError
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.wire import (
    Envelope,
    LabelCodec,
    Message,
    decode_indices,
    decode_signals,
    encode_indices,
    encode_signals,
)

DOWN_PARTS = (
    "indices/draw",
    "signals",
    "labels",
    "catch_up/indices",
    "catch_up/labels",
    "indices/request",
)
UP_PARTS = ("indices", "labels")


@dataclass(frozen=True)
class Downlink:
    """Server to client, at the start of a round.

    Attributes:
        draw: (m,) public samples of the last round, ascending; none in the first.
        signals: (m,) what to do with each; None where there is no cache and all labels are sent.
        labels: of those that are no HIT, in the order of `draw`.
        catch_up: of the HITs that this client does not hold, ascending.
        request: (r,) public samples whose soft labels are wanted, ascending.
    """

    draw: Tensor
    signals: Tensor | None
    labels: Tensor
    catch_up: SoftLabels
    request: Tensor

    def encode(self, codec: LabelCodec) -> Message:
        """The coded message. The official count: float32 labels, int64 indices and signals."""
        parts = {
            "indices/draw": encode_indices(self.draw),
            "signals": b"" if self.signals is None else encode_signals(self.signals),
            "labels": codec.encode(self.labels),
            "catch_up/indices": encode_indices(self.catch_up.indices),
            "catch_up/labels": codec.encode(self.catch_up.labels),
            "indices/request": encode_indices(self.request),
        }
        indices = len(self.draw) + len(self.catch_up.indices) + len(self.request)
        signals = 0 if self.signals is None else len(self.signals)
        labels = self.labels.numel() + self.catch_up.labels.numel()
        return Message(parts, paper_bytes=8 * (indices + signals) + 4 * labels)

    @staticmethod
    def decode(payload: bytes, envelope: Envelope, codec: LabelCodec, public_size: int, classes: int) -> Downlink:
        """The message in `payload`; raises `WireError` if it is not one."""
        parts = Message.unpack(payload, envelope, DOWN_PARTS)
        draw = decode_indices(parts["indices/draw"], public_size, "draw")
        signals = decode_signals(parts["signals"], len(draw)) if len(parts["signals"]) else None
        sent = len(draw) if signals is None else int((signals != Signal.HIT).sum())
        late = decode_indices(parts["catch_up/indices"], public_size, "catch-up")
        hits = draw[:0] if signals is None else draw[signals == Signal.HIT]
        if not bool(torch.isin(late, hits).all()):
            raise WireError("catch-up: a label for a public sample that is no cache hit of the draw")
        return Downlink(
            draw=draw,
            signals=signals,
            labels=codec.decode(parts["labels"], sent, classes),
            catch_up=SoftLabels(late, codec.decode(parts["catch_up/labels"], len(late), classes)),
            request=decode_indices(parts["indices/request"], public_size, "request"),
        )


@dataclass(frozen=True)
class Uplink:
    """Client to server: the soft labels (r, N) of the requested public samples (r,)."""

    predictions: SoftLabels

    def encode(self, codec: LabelCodec) -> Message:
        """The coded message. The official count: float32 labels, int64 indices."""
        indices, labels = self.predictions.indices, self.predictions.labels
        parts = {"indices": encode_indices(indices), "labels": codec.encode(labels)}
        return Message(parts, paper_bytes=8 * len(indices) + 4 * labels.numel())

    @staticmethod
    def decode(
        payload: bytes, envelope: Envelope, codec: LabelCodec, request: Tensor, public_size: int, classes: int
    ) -> Tensor:
        """(r, N) labels in the order of `request`, (r,) ascending, whatever order they came in.

        Raises:
            WireError: damaged, not what was requested, or rows that are no distributions.
        """
        parts = Message.unpack(payload, envelope, UP_PARTS)
        indices = decode_indices(parts["indices"], public_size)
        order = indices.argsort()
        if not torch.equal(indices[order], request):
            raise WireError(f"uplink: {len(indices)} indices that are not the {len(request)} requested ones")
        labels = codec.decode(parts["labels"], len(indices), classes)[order]
        check_distributions(labels)
        return labels


def check_distributions(labels: Tensor) -> None:
    """Raise `WireError` unless each row of (r, N) is finite, not negative and sums to 1 within 1e-3."""
    if not bool(torch.isfinite(labels).all()):
        raise WireError("soft labels: NaN or infinite")
    if bool((labels < 0).any()):
        raise WireError("soft labels: a negative probability")
    if len(labels) and float((labels.sum(-1) - 1).abs().max()) > 1e-3:
        raise WireError("soft labels: a row that does not sum to 1")
