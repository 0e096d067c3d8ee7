"""A client's half of a round: what it makes of a downlink, and what it has to send."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl.cache import Signal, SoftLabelCache
from scarlet_pl.client import ClientResult
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


def predicted(result: ClientResult, public_size: int, classes: int) -> SoftLabels:
    """What a client predicted, in ascending order of the public samples.

    Raises:
        ValueError: it is not what a client can have been asked for.
    """
    who, labels = f"client {result.client}", result.labels
    if labels is None or result.asked is None:
        raise ValueError(f"{who} was not asked for predictions")
    shape, wanted = tuple(labels.shape), (len(result.asked), classes)
    if shape != wanted:
        raise ValueError(f"{who} predicted soft labels of shape {shape}, asked for {wanted}")
    asked, order = result.asked.sort()
    if len(asked) and (asked[0] < 0 or asked[-1] >= public_size or bool((asked.diff() <= 0).any())):
        raise ValueError(f"{who} predicted a public sample twice, or one that there is not")
    return SoftLabels(asked, labels[order])
