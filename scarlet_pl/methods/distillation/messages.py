"""The two messages of federated distillation, and their bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl.cache.policy import Signal
from scarlet_pl.errors import WireError
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.distillation.links import Coding
from scarlet_pl.wire import Envelope, Message, fields

DOWN_PARTS = (
    "frame/digest",
    "indices/draw",
    "signals",
    "labels",
    "catch_up/indices",
    "catch_up/rounds",
    "catch_up/labels",
    "indices/request",
)
UP_PARTS = ("indices", "labels")
DIGEST_BYTES = 8


@dataclass(frozen=True)
class Content:
    """What a downlink is about; a receiver whose cache agrees with the server's can derive it.

    Attributes:
        draw: (m,) public samples of the last round, ascending; none in the first.
        signals: (m,) what to do with each; None where there is no cache and all labels are sent.
        request: (r,) public samples whose soft labels are wanted, ascending.
    """

    draw: Tensor
    signals: Tensor | None
    request: Tensor

    @property
    def sent(self) -> Tensor:
        """The drawn samples whose labels are sent."""
        return self.draw if self.signals is None else self.draw[self.signals != Signal.HIT]


@dataclass(frozen=True)
class Downlink:
    """Server to client, at the start of a round.

    Attributes:
        labels: of `content.sent`, in that order.
        catch_up: of the HITs that this client does not hold, ascending.
        rounds: (u,) rounds in which those were stored; None where clients need not know.
        digest: of the cache that the content follows from; the content itself is then not sent.
    """

    content: Content
    labels: Tensor
    catch_up: SoftLabels
    rounds: Tensor | None = None
    digest: bytes | None = None

    def encode(self, coding: Coding) -> Message:
        """The coded message. The official count: float32 labels, int64 indices and signals, all sent."""
        content, size = self.content, coding.public_size
        sent = SoftLabels(content.sent, self.labels)
        signals = b"" if content.signals is None else fields.encode_signals(content.signals)
        parts = {
            "frame/digest": self.digest or b"",
            "indices/draw": fields.encode_indices(content.draw, size),
            "signals": signals,
            "labels": coding.encode(sent),
            "catch_up/indices": fields.encode_indices(self.catch_up.indices, size),
            "catch_up/rounds": b"" if self.rounds is None else fields.encode_counts(self.rounds),
            "catch_up/labels": coding.encode(self.catch_up) if len(self.catch_up.indices) else b"",
            "indices/request": fields.encode_indices(content.request, size),
        }
        if self.digest is not None:
            parts |= dict.fromkeys(("indices/draw", "signals", "indices/request"), b"")
        late = len(self.catch_up.indices)
        signalled = 0 if content.signals is None else len(content.signals)
        numbers = len(content.draw) + late + len(content.request) + signalled
        paper = 8 * numbers + 4 * coding.classes * (len(self.labels) + late)
        return Message(parts, paper, coding.shannon_bits(sent) + coding.shannon_bits(self.catch_up))

    @staticmethod
    def decode(
        payload: bytes, envelope: Envelope, coding: Coding, derive: Callable[[bytes], Content], dated: bool
    ) -> Downlink:
        """The message in `payload`.

        Args:
            derive: the content, from the digest in a message that does not send it.
            dated: whether catch-up labels come with their rounds.

        Raises:
            WireError: it is no such message.
        """
        parts = Message.unpack(payload, envelope, DOWN_PARTS)
        size, digest = coding.public_size, bytes(parts["frame/digest"])
        if digest:
            if len(digest) != DIGEST_BYTES:
                raise WireError(f"a cache's digest of {len(digest)} bytes")
            content = derive(digest)
        else:
            draw = fields.decode_indices(parts["indices/draw"], size, "draw")
            signals = fields.decode_signals(parts["signals"], len(draw)) if len(parts["signals"]) else None
            content = Content(draw, signals, fields.decode_indices(parts["indices/request"], size, "request"))
        late = fields.decode_indices(parts["catch_up/indices"], size, "catch-up")
        hits = content.draw[:0] if content.signals is None else content.draw[content.signals == Signal.HIT]
        if not bool(torch.isin(late, hits).all()):
            raise WireError("catch-up: a label for a public sample that is no cache hit of the draw")
        rounds = fields.decode_counts(parts["catch_up/rounds"], len(late), "rounds") if dated else None
        late_labels = coding.decode(parts["catch_up/labels"], late) if len(late) else torch.zeros(0, coding.classes)
        labels = coding.decode(parts["labels"], content.sent)
        return Downlink(content, labels, SoftLabels(late, late_labels), rounds, digest or None)


def encode_uplink(predictions: SoftLabels, coding: Coding, with_indices: bool) -> Message:
    """Client to server: soft labels of requested public samples, ascending. Its receiver does the counting."""
    indices = fields.encode_indices(predictions.indices, coding.public_size) if with_indices else b""
    return Message({"indices": indices, "labels": coding.encode(predictions)})


def decode_uplink(
    payload: bytes, envelope: Envelope, coding: Coding, request: Tensor, with_indices: bool, partial: bool = False
) -> tuple[SoftLabels, Message]:
    """The labels of the `request`, (r,) ascending, and the message with the official count: float32 labels, int64
    indices.

    Args:
        partial: whether the client may leave out what it was asked for.

    Raises:
        WireError: damaged, not what was requested, or rows that are no distributions.
    """
    parts = Message.unpack(payload, envelope, UP_PARTS)
    indices = fields.decode_indices(parts["indices"], coding.public_size)
    if partial and not bool(torch.isin(indices, request).all()):
        raise WireError(f"uplink: {len(indices)} indices that are not all among the {len(request)} requested ones")
    if not partial and not torch.equal(indices, request if with_indices else request[:0]):
        raise WireError(f"uplink: {len(indices)} indices that are not the {len(request)} requested ones")
    sent = indices if partial else request
    labels = SoftLabels(sent, coding.decode(parts["labels"], sent))
    return labels, Message(parts, 8 * len(sent) + 4 * labels.labels.numel(), coding.shannon_bits(labels))
