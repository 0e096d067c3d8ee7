"""What a client makes of a downlink."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl.cache import Signal, SoftLabelCache
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.messages import Downlink


@dataclass(frozen=True)
class Received:
    """The last round's labels as a client has them now, and what it takes over when the round is committed.

    Attributes:
        draw, labels: (n,) and (n, N), what it distils.
        signals, rounds: (n,) for its cache.
        sent: what came over the wire.
    """

    draw: Tensor
    signals: Tensor
    labels: Tensor
    rounds: Tensor
    sent: SoftLabels


def merge(message: Downlink, cache: SoftLabelCache, round: int) -> Received:
    """The labels of the draw: those that were sent, those that were caught up with, and those of the cache. Changes
    nothing."""
    draw, signals = message.content.draw, message.content.signals
    if signals is None:
        signals = torch.full(draw.shape, int(Signal.UNCACHED), dtype=torch.uint8)
    hit = signals == Signal.HIT
    late = torch.isin(draw, message.catch_up.indices)
    labels = torch.empty(len(draw), message.labels.shape[1])
    labels[~hit] = message.labels
    labels[late] = message.catch_up.labels
    labels[hit & ~late] = cache.labels(draw[hit & ~late])
    rounds = torch.full(draw.shape, round - 1)
    if message.rounds is not None:
        rounds[late] = message.rounds
    # what the client was late to hear is new to it
    to_keep = torch.where(late, int(Signal.NEW), signals.to(torch.int64)).to(torch.uint8)
    return Received(draw, to_keep, labels, rounds, SoftLabels(draw[~hit | late], labels[~hit | late]))
