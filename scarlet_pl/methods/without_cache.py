"""What a round's messages would be without a cache: every label of every draw is sent."""

from __future__ import annotations

import torch
from torch import Tensor

from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.messages import Coding, Content, Downlink
from scarlet_pl.wire import Direction, Envelope, fields


def full_downlink(
    last: SoftLabels, draw: Tensor, coding: Coding, envelope: Envelope, derived: bytes | None
) -> dict[tuple[Direction, str], int]:
    """Bytes of one client's downlink that holds all labels of the last draw and asks for all of this one.

    Args:
        derived: as in `Downlink`, where indices are not sent.
    """
    nothing = SoftLabels(last.indices[:0], last.labels[:0])
    message = Downlink(Content(last.indices, None, draw), last.labels, nothing, derived=derived).encode(coding)
    return {("down", "bytes"): len(message.pack(envelope)), ("down", "paper"): message.paper_bytes}


def saved_uplink(
    hits: Tensor, cached: Tensor, draw: Tensor, coding: Coding, with_indices: bool, draws: torch.Generator
) -> dict[tuple[Direction, str], int]:
    """Bytes by which one client's uplink would be longer if it held the labels of the hits too.

    The client never predicted those: the cached labels (h, N) are coded in their place. That is exact for a codec
    whose length does not depend on the labels.
    """
    labels = coding.codec.pack(coding.codec.quantize(cached, draws))
    size, indices = coding.public_size, 0
    if with_indices:
        request = draw[~torch.isin(draw, hits)]
        indices = len(fields.encode_indices(draw, size)) - len(fields.encode_indices(request, size))
    return {("up", "bytes"): len(labels) + indices, ("up", "paper"): len(hits) * (4 * coding.classes + 8)}
